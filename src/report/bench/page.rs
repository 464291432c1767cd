//! A self-contained HTML page: no scripts, fonts or pictures from servers.

use std::fmt::Write;

use super::plots::attribute;
use handfast_text::escape;
use handfast_text::palette::page::{AMBER, CARD, GREEN, INK, LINE, MUTED, PAPER, PLOT, RED};
use handfast_text::palette::{Colour, hex};

/// The style sheet after the colours.
const STYLE: &str = "\
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:62rem;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.45rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.muted{color:var(--muted)}
.limit{margin:1rem 0;padding:.7rem 1rem;border-left:4px solid var(--muted);background:var(--card)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.7rem;margin:1rem 0}
.figures div{background:var(--card);border-radius:6px;padding:.6rem .9rem}
.figures b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.figures span{color:var(--muted);font-size:.85rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--muted);white-space:nowrap}td.n,th.n{text-align:right}
code{font-size:.92em;overflow-wrap:anywhere}
figure{margin:0}svg{display:block;width:100%;height:auto;max-width:60rem}
";

/// A whole page. `title` is text, `body` HTML.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{}{STYLE}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title),
        colours(),
        plot_style(),
    )
}

/// The page's colours, on light and dark pages.
fn colours() -> String {
    let names = [("ink", INK), ("muted", MUTED), ("paper", PAPER), ("card", CARD), ("line", LINE)];
    let all = |of: fn(&Colour) -> [u8; 3]| -> String {
        let each = names.iter().map(|(name, colour)| format!("--{name}:{}", hex(of(colour))));
        each.collect::<Vec<_>>().join(";")
    };
    let (light, dark) = (all(|colour| colour.light), all(|colour| colour.dark));
    let limit = |name: &str, colour: Colour| format!(".limit.{name}{{border-color:{}}}", hex(colour.light));
    let limits = [limit("client", AMBER), limit("target", RED), limit("neither", GREEN)].concat();
    format!(
        ":root{{color-scheme:light dark;{light}}}\n\
         @media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    ) + &limits
        + "\n"
}

/// Plots are drawn in the colours for light pages; a style sheet overrides the attributes of an SVG.
fn plot_style() -> String {
    let mut style = "@media(prefers-color-scheme:dark){\n".to_owned();
    for colour in &PLOT {
        for name in ["fill", "stroke"] {
            let _ = writeln!(style, "svg [{name}=\"{}\"]{{{name}:{}}}", attribute(colour), hex(colour.dark));
        }
    }
    style + "}\n"
}

/// A table of text; all columns after the first `words` hold numbers. The header may be empty.
pub(super) fn table(header: &[&str], rows: &[Vec<String>], words: usize) -> String {
    let cell = |tag: &str, index: usize, text: &str| {
        let class = if index >= words { " class=\"n\"" } else { "" };
        format!("<{tag}{class}>{}</{tag}>", escape(text))
    };
    let line = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.enumerate().map(|(index, text)| cell(tag, index, text)).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let mut html = "<div class=\"scroll\"><table>\n".to_owned();
    if !header.is_empty() {
        html += &line("th", &mut header.iter().copied());
    }
    for row in rows {
        html += &line("td", &mut row.iter().map(String::as_str));
    }
    html + "</table></div>\n"
}

/// A heading with a plot below.
pub(super) fn figure(heading: &str, svg: &str) -> String {
    format!("<h2>{}</h2>\n<figure>{svg}</figure>\n", escape(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let rows = [vec!["<i>&\"'".to_owned(), "1".to_owned()]];
        let html = page("<t>", &table(&["a"], &rows, 1));
        assert!(html.contains("<title>&lt;t&gt;</title>"), "{html}");
        assert!(html.contains("<td>&lt;i&gt;&amp;&quot;'</td><td class=\"n\">1</td>"), "{html}");
    }
}
