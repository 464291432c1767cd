//! What all output for people shares: numbers with commas, lines of a width, columns, markup, colours.
//! Everything above the packet path may use it; it uses no other package.

#![deny(unreachable_pub)]

pub mod ansi;
mod ascii;
pub mod columns;
mod markup;
pub mod palette;
mod printable;

pub use ascii::ascii;
pub use markup::{escape, svg_text};
pub use printable::{painted_lines, printable, printable_json, printable_lines};

/// `1,048,576`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 queue`, `2 queues`, `1,024 queues`.
pub fn counted(number: u64, name: &str) -> String {
    format!("{} {}", grouped(number), noun(number, name))
}

/// The noun without the number.
pub fn noun(number: u64, name: &str) -> String {
    if number == 1 { name.into() } else { format!("{name}s") }
}

/// Breaks text between words into lines of at most `width` characters; a longer word has a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks the longer lines of a text between words; continued lines are indented by two more columns than
/// their first.
pub fn folded(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches('\n');
        if content.chars().count() <= width {
            folded.push_str(line);
            continue;
        }
        let indent = content.len() - content.trim_start_matches(' ').len();
        let further = " ".repeat(indent + 2);
        let rows = broken(&content[indent..], width.saturating_sub(further.len()).max(1));
        let rows = rows.join(&format!("\n{further}"));
        folded.push_str(&format!("{}{rows}{}", &content[..indent], &line[content.len()..]));
    }
    folded
}

/// Breaks a line at the last space within the width; a longer word has a row of its own. Spaces within a row
/// are kept.
fn broken(line: &str, width: usize) -> Vec<&str> {
    let (mut rows, mut rest) = (Vec::new(), line);
    while let Some((limit, _)) = rest.char_indices().nth(width) {
        let before = rest[..limit].rfind(' ').filter(|at| !rest[..*at].trim().is_empty());
        // A row may end exactly at the width.
        let before = if rest[limit..].starts_with(' ') { Some(limit) } else { before };
        let Some(at) = before.or_else(|| rest.find(' ')) else { break };
        rows.push(rest[..at].trim_end());
        rest = rest[at..].trim_start();
    }
    rows.push(rest);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_048_576, "1,048,576")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn one_is_no_plural() {
        let texts = [0, 1, 2, 1_024].map(|number| counted(number, "queue"));
        assert_eq!(texts, ["0 queues", "1 queue", "2 queues", "1,024 queues"]);
    }

    #[test]
    fn long_lines_are_folded_and_short_ones_stay() {
        for (text, rows) in [
            (
                "short  and   so\n\nlonger than twenty columns\n",
                "short  and   so\n\nlonger than twenty\n  columns\n",
            ),
            ("  indented by two columns", "  indented by two\n    columns"),
            ("averylongwordthatfitsnowhere then", "averylongwordthatfitsnowhere\n  then"),
            ("exactly eighteen c. more", "exactly eighteen\n  c. more"),
            ("", ""),
        ] {
            assert_eq!(folded(text, 20), rows);
        }
    }

    #[test]
    fn lines_are_broken_between_words_and_lose_none() {
        let text = "the client was the limit: its cores were busy averylongwordthatfitsnowhere";
        let lines = wrapped(text, 20);
        assert_eq!(lines.join(" "), text);
        assert!(lines.iter().all(|line| line.len() <= 20 || !line.contains(' ')), "{lines:?}");
    }
}
