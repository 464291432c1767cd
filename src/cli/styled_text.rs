//! Headings, indented text and colours on standard output.

use std::env;
use std::io::{self, IsTerminal};

use super::out;
use handfast_text::{ansi, wrapped};

/// Columns of a heading with its rule.
const WIDTH: usize = 80;
/// Indentation of the text below a heading.
const INDENT: usize = 2;

/// Standard output, with colours on a terminal unless `NO_COLOR` is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct StyledText {
    pub colour: bool,
}

impl StyledText {
    pub(crate) fn of_stdout() -> StyledText {
        StyledText { colour: io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none() }
    }

    pub(crate) fn heading(&self, title: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 1));
        let (title, rule) = (self.paint(ansi::BOLD_CYAN, title), self.paint(ansi::DIM, &rule));
        out::say(out::Kind::Painted, format_args!("\n{title} {rule}\n"));
    }

    /// Prints text below the heading, line by line.
    pub(crate) fn body(&self, text: &str) {
        for line in text.lines() {
            out::say(out::Kind::Painted, format_args!("{:INDENT$}{line}\n", ""));
        }
    }

    /// Prints text below the heading, wrapped.
    pub(crate) fn prose(&self, text: &str) {
        wrapped(text, WIDTH - INDENT).iter().for_each(|line| self.body(line));
    }

    /// The text in an ANSI colour, if colours are used.
    pub(crate) fn paint(&self, code: &str, text: &str) -> String {
        ansi::paint(self.colour, code, text)
    }
}

/// An empty line.
pub(super) fn blank() {
    println!();
}

/// A bar with one block per 2,000.
pub(super) fn bar(rate: u64) -> String {
    "█".repeat((rate / 2_000).min(60) as usize)
}
