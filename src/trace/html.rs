//! A picture as a self-contained page: the drawing, and the same as text.

use super::svg;
use super::{Picture, Text};
use handfast_text::escape;
use handfast_text::palette::ladder::PAGE;

/// Columns of the text, with times.
const WIDTH: usize = 100;

/// Returns the picture as an HTML page.
pub fn page(picture: &Picture) -> String {
    let text = Text { picture, width: WIDTH, ascii: false, colour: false }.to_string();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font-family:sans-serif;margin:2em auto;max-width:60em;background:{PAGE}}}\
         svg{{max-width:100%;height:auto}}pre{{overflow-x:auto;line-height:1.25}}</style>\n</head>\n<body>\n\
         {svg}\n<h2>As text</h2>\n<pre>{text}</pre>\n</body>\n</html>\n",
        title = escape(&picture.title),
        svg = svg::draw(picture),
        text = escape(&text),
    )
}
