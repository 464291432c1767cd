//! The text of a configuration file, and the display of errors in it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use crate::root_files::RootFiles;
use handfast_text::printable;

/// Maximum size in bytes; more than a file with 65,535 listeners.
const MAX_SIZE: u64 = 16 << 20;
/// Characters of a line that are shown.
const WIDTH: usize = 120;

/// A range of bytes of the text.
pub(super) type Span = Range<usize>;

/// A file's text and its name.
pub(super) struct Source {
    pub name: String,
    pub text: String,
}

/// An error and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigError {
    pub message: String,
    /// `None`: something is missing, or the error is in the arguments.
    pub at: Option<Span>,
    /// A related place, and its description.
    pub also: Option<(Span, String)>,
}

impl ConfigError {
    pub(super) fn at(span: Span, message: impl Into<String>) -> ConfigError {
        // The message contains text of the file.
        ConfigError { message: printable(&message.into()), at: Some(span), also: None }
    }

    pub(super) fn nowhere(message: impl Into<String>) -> ConfigError {
        ConfigError { message: message.into(), at: None, also: None }
    }

    pub(super) fn also(self, span: Span, what: impl Into<String>) -> ConfigError {
        ConfigError { also: Some((span, printable(&what.into()))), ..self }
    }
}

impl Source {
    /// # Errors
    /// One sentence: it cannot be read, is too long, or is not text.
    pub(super) fn read(path: &Path, files: Option<&RootFiles>) -> Result<Source, String> {
        let name = printable(&path.to_string_lossy());
        let cannot = |error: io::Error| format!("cannot read {name}: {error}");
        let bytes = match (read_bounded(path), files) {
            (Err(error), Some(files)) if error.kind() == io::ErrorKind::PermissionDenied => files.config(),
            (read, _) => read,
        };
        let bytes = bytes.map_err(cannot)?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(format!("{name} is longer than {} MiB", MAX_SIZE >> 20));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let (line, column) = (good.split('\n').count(), good.rsplit('\n').next().map_or(0, count) + 1);
            format!("{name}:{line}:{column}: invalid UTF-8")
        })?;
        Ok(Source { name, text })
    }

    /// The error with its line, for people.
    pub(super) fn show<'a>(&'a self, error: &'a ConfigError) -> impl fmt::Display + 'a {
        Shown { source: self, error }
    }

    fn place(&self, span: &Span) -> SourcePlace<'_> {
        let start = self.boundary(span.start);
        let begin = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = self.text[begin..end].trim_end_matches('\r');
        let marked = self.boundary(span.end).clamp(start, end.max(start));
        SourcePlace {
            number: self.text[..begin].matches('\n').count() + 1,
            column: count(&self.text[begin..start]) + 1,
            width: count(&self.text[start..marked]).max(1),
            line,
        }
    }

    /// The nearest byte at which a character begins, not after the end.
    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }
}

/// Reads a regular file, up to one byte more than the maximum.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // Checked before it is opened: opening a pipe would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other(
            "not a regular file; it must be one, since it is read again at each SIGHUP",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// A line, and the marked part of it.
struct SourcePlace<'a> {
    /// From 1, as `column`; in characters, as `width`.
    number: usize,
    column: usize,
    width: usize,
    line: &'a str,
}

impl fmt::Display for SourcePlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let margin = self.number.to_string().len();
        // A long line is cut before the marked part; a tab is as wide as any character.
        let before = self.column - 1;
        let cut = before.saturating_sub(WIDTH / 2);
        let one_wide = |c: char| if c.is_control() { ' ' } else { c };
        let shown: String = self.line.chars().skip(cut).take(WIDTH).map(one_wide).collect();
        let width = self.width.min((WIDTH + cut).saturating_sub(before)).max(1);
        let head = format!(" {} | {shown}", self.number);
        writeln!(f, "{}", head.trim_end())?;
        write!(f, " {:margin$} | {:before$}{:^<width$}", "", "", "^", before = before - cut)
    }
}

struct Shown<'a> {
    source: &'a Source,
    error: &'a ConfigError,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { source, error } = self;
        let Some(span) = &error.at else {
            return write!(f, "{}: {}", source.name, error.message);
        };
        let place = source.place(span);
        write!(f, "{}:{}:{}: {}\n{place}", source.name, place.number, place.column, error.message)?;
        match &error.also {
            Some((span, what)) => {
                let place = source.place(span);
                write!(f, "\n{}:{}:{}: {what}\n{place}", source.name, place.number, place.column)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Span) -> String {
        let source = Source { name: "f".into(), text: text.into() };
        source.show(&ConfigError::at(span, "wrong")).to_string()
    }

    #[test]
    fn a_place_is_line_and_column_in_characters() {
        assert_eq!(shown("a = 1\nb = 22\n", 10..12), "f:2:5: wrong\n 2 | b = 22\n   |     ^^");
        assert_eq!(shown("\u{fc}\t= 1\r\n", 5..6), "f:1:5: wrong\n 1 | \u{fc} = 1\n   |     ^");
        assert_eq!(shown("a = [\n1,\n2]", 4..11), "f:1:5: wrong\n 1 | a = [\n   |     ^");
    }

    #[test]
    fn the_end_and_beyond_are_places_too() {
        assert_eq!(shown("a =", 3..3), "f:1:4: wrong\n 1 | a =\n   |    ^");
        assert_eq!(shown("", 7..9), "f:1:1: wrong\n 1 |\n   | ^");
        assert_eq!(shown("\u{fc}", 1..2), "f:1:1: wrong\n 1 | \u{fc}\n   | ^");
    }

    #[test]
    fn of_a_long_line_the_marked_part_is_shown() {
        let text = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let shown = shown(&text, 1000..1001);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("f:1:1001:") && lines[1].len() < 130, "{shown}");
        assert_eq!(lines[1].find('X'), lines[2].find('^'));
    }
}
