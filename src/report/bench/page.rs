//! One HTML page that needs nothing from elsewhere: no script, no font, no picture of a server.

use std::fmt::Write;

use super::plots::PALETTE;

/// In light and dark; the plots' colours follow.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2126;--muted:#5b6570;--paper:#ffffff;--card:#f4f6f8;--line:#d5dbe1}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--muted:#98a2ad;--paper:#14181c;--card:#1d2227;--line:#39424b}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:62rem;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.45rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.muted{color:var(--muted)}
.limit{margin:1rem 0;padding:.7rem 1rem;border-left:4px solid var(--muted);background:var(--card)}
.limit.client{border-color:#d4820f}.limit.target{border-color:#c8333d}.limit.neither{border-color:#2e8b57}
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
         <style>\n{STYLE}{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title),
        plot_style(),
    )
}

/// Plots are drawn in the colours for light; a style sheet goes before an SVG's attributes.
fn plot_style() -> String {
    let mut style = "@media(prefers-color-scheme:dark){\n".to_owned();
    for colour in PALETTE {
        for attribute in ["fill", "stroke"] {
            let _ =
                writeln!(style, "svg [{attribute}=\"{}\"]{{{attribute}:{}}}", colour.light(), colour.dark);
        }
    }
    style + "}\n"
}

/// Text as HTML, also within quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A table of text; every column but the first `words` holds numbers. No rows, no header: as is.
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
        assert!(html.contains("<td>&lt;i&gt;&amp;&quot;&#39;</td><td class=\"n\">1</td>"), "{html}");
    }
}
