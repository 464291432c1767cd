/// Escapes text for SVG and HTML: between tags, and in attributes in double quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escapes text for a `<text>` element of SVG. Browsers collapse plain spaces, whatever the file asks
/// for: those that would be lost become no-break spaces.
pub fn svg_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let beside = |other: Option<char>| other.is_none_or(char::is_whitespace);
        let is_lost = letter == ' ' && (beside(out.chars().next_back()) || beside(letters.peek().copied()));
        out.push(if is_lost { '\u{a0}' } else { letter });
    }
    escape(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("<i>&\"'"), "&lt;i&gt;&amp;&quot;'");
    }

    #[test]
    fn spaces_of_a_drawing_are_all_there() {
        for (text, drawn) in [
            ("one two", "one two"),
            ("a  b   c", "a\u{a0}\u{a0}b\u{a0}\u{a0}\u{a0}c"),
            (" <x> ", "\u{a0}&lt;x&gt;\u{a0}"),
            ("", ""),
        ] {
            assert_eq!(svg_text(text), drawn, "{text:?}");
        }
    }
}
