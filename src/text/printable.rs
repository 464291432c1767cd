/// A name that comes from elsewhere, for the terminal: what would move the cursor, colour the text or hide
/// something is written as an escape (`\u{1b}`).
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match hides(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    shown
}

/// Controls, and what turns the direction of the text or has no width.
fn hides(character: char) -> bool {
    let turns = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(printable("caf\u{e9} 1.pcap"), "caf\u{e9} 1.pcap");
        assert_eq!(printable("a\x1b[31m\nb\u{9b}2J\u{202e}c"), "a\\u{1b}[31m\\u{a}b\\u{9b}2J\\u{202e}c");
    }
}
