//! What a command that tells a story prints: headings, indented text, numbers that people read.

use std::env;
use std::io::{self, IsTerminal};

use super::out;
use handfast_text::{ansi, wrapped};

/// Columns that a heading with its rule takes.
const WIDTH: usize = 80;
/// Columns before the text below it.
const INDENT: usize = 2;

/// Standard output, in colour where it is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub colour: bool,
}

impl Stage {
    pub fn of_stdout() -> Stage {
        Stage { colour: io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none() }
    }

    pub fn heading(&self, title: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 1));
        let (title, rule) = (self.paint(ansi::BOLD_CYAN, title), self.paint(ansi::DIM, &rule));
        out::say(out::Kind::Painted, format_args!("\n{title} {rule}\n"));
    }

    /// Text below the heading, line by line.
    pub fn body(&self, text: &str) {
        for line in text.lines() {
            out::say(out::Kind::Painted, format_args!("{:INDENT$}{line}\n", ""));
        }
    }

    /// The same, of sentences that may be longer than the columns there are.
    pub fn prose(&self, text: &str) {
        wrapped(text, WIDTH - INDENT).iter().for_each(|line| self.body(line));
    }

    /// With an ANSI code around it, in colour.
    pub fn paint(&self, code: &str, text: &str) -> String {
        ansi::paint(self.colour, code, text)
    }
}

/// An empty line.
pub(super) fn blank() {
    println!();
}

/// One block for each 2,000.
pub(super) fn bar(rate: u64) -> String {
    "█".repeat((rate / 2_000).min(60) as usize)
}
