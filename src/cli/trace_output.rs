//! Where a drawn connection goes: the terminal, or a file.

use std::path::PathBuf;

use clap::Args;
use terminal_size::{Width, terminal_size};

use super::result_file::ResultFile;
use super::styled_text::StyledText;
use super::{Failure, charset, out};
use handfast_trace::{Picture, Text, html, svg};

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Drawing {
    /// Write an SVG drawing to this file, instead of drawing in the terminal
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write a page with the drawing, and the same as text, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Nothing but ASCII in the terminal; the default where the locale (LC_ALL, LC_CTYPE, LANG) has no UTF-8
    #[arg(long)]
    pub ascii: bool,
    /// Columns to draw in; from 93 on with the time of each segment [default: the terminal's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..=1000))]
    pub width: Option<u16>,
}

impl Drawing {
    pub(crate) fn draw(&self, picture: &Picture) -> Result<(), Failure> {
        if self.svg.is_none() && self.html.is_none() {
            out::say(out::Kind::Painted, format_args!("{}", self.text(picture)));
        }
        for (path, content) in [(&self.svg, svg::draw as fn(&Picture) -> String), (&self.html, html::page)] {
            if let Some(path) = path {
                ResultFile::check(path)?.write(content(picture).as_bytes())?;
            }
        }
        Ok(())
    }

    /// The same for one of several: its files have its name, in the directories that are given.
    pub(crate) fn of_several(&self, name: &str) -> Drawing {
        let file = |directory: &Option<PathBuf>, ending| {
            directory.as_ref().map(|directory| directory.join(format!("{name}.{ending}")))
        };
        Drawing { svg: file(&self.svg, "svg"), html: file(&self.html, "html"), ..*self }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.svg.iter().chain(&self.html)
    }

    fn text(&self, picture: &Picture) -> String {
        let width = columns(self.width);
        let ascii = self.ascii || !charset::is_utf8();
        Text { picture, width, ascii, colour: StyledText::of_stdout().colour }.to_string()
    }
}

/// What was asked for, or the terminal's.
pub(super) fn columns(asked: Option<u16>) -> usize {
    let found = || terminal_size().map_or(COLUMNS, |(Width(columns), _)| columns.into());
    asked.map_or_else(found, usize::from)
}
