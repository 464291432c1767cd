//! Text from other sources, for the terminal: characters that would move the cursor, colour or hide text are
//! written as an escape (`\u{1b}`).

use std::fmt::Write;

/// For a name or a line: ends of lines are escaped as well.
pub fn printable(text: &str) -> String {
    filtered(text, hides, rust_escape)
}

/// For several lines.
pub fn printable_lines(text: &str) -> String {
    filtered(text, |character| hides(character) && !matches!(character, '\n' | '\t'), rust_escape)
}

/// For lines that the program itself has coloured: colours (SGR) are kept.
pub fn painted_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut parts = text.split('\x1b');
    shown.push_str(&printable_lines(parts.next().unwrap_or_default()));
    for part in parts {
        let length = part.find(|c: char| !matches!(c, '[' | ';' | '0'..='9')).unwrap_or(part.len());
        let is_colour = part.starts_with('[') && part[length..].starts_with('m');
        shown.push_str(if is_colour { "\x1b" } else { "\\u{1b}" });
        shown.push_str(&printable_lines(part));
    }
    shown
}

/// For a JSON text: the same value, with the escapes of JSON.
pub fn printable_json(text: &str) -> String {
    let hidden = |character| hides(character) && !matches!(character, '\n' | '\t' | '\r');
    filtered(text, hidden, |shown, character| {
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn filtered(text: &str, hidden: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match hidden(character) {
            true => escape(&mut shown, character),
            false => shown.push(character),
        }
    }
    shown
}

fn rust_escape(shown: &mut String, character: char) {
    shown.extend(character.escape_unicode());
}

/// Control characters, and those that change the direction of text or have no width.
fn hides(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    character.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(printable("caf\u{e9} 1.pcap"), "caf\u{e9} 1.pcap");
        assert_eq!(printable("a\x1b[31m\nb\u{9b}2J\u{202e}c"), "a\\u{1b}[31m\\u{a}b\\u{9b}2J\\u{202e}c");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("a\n\tb\r\x1b[31m\x07\n"), "a\n\tb\\u{d}\\u{1b}[31m\\u{7}\n");
    }

    #[test]
    fn of_all_sequences_only_colours_stay() {
        for (text, shown) in [
            ("\x1b[1;36mhead\x1b[0m\n", "\x1b[1;36mhead\x1b[0m\n"),
            ("\x1b[2Ja\x1b]0;title\x07\x1bc", "\\u{1b}[2Ja\\u{1b}]0;title\\u{7}\\u{1b}c"),
            ("end\x1b", "end\\u{1b}"),
            ("\x1b[31", "\\u{1b}[31"),
            ("\x1bm \x1b[\x1b[m", "\\u{1b}m \\u{1b}[\x1b[m"),
        ] {
            assert_eq!(painted_lines(text), shown, "{text:?}");
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a\u{9b}": "\x1b[2J\u{7f}\u{202e}\u{e0041}\n\u{e9}"});
        let text = printable_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.chars().all(|character| character == '\n' || !hides(character)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
