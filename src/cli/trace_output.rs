//! The output of a drawn connection: terminal or files.

use std::path::PathBuf;

use clap::Args;
use terminal_size::{Width, terminal_size};

use super::result_file::ResultFile;
use super::styled_text::StyledText;
use super::{Failure, charset, out};
use handfast_trace::{Picture, Text, html, svg};

/// Columns without a terminal.
const COLUMNS: usize = 100;

#[derive(Debug, Args)]
pub(super) struct Drawing {
    /// Write an SVG drawing to this file, instead of drawing in the terminal
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write an HTML page with the drawing, and the same as text, to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Use ASCII only in the terminal; the default if the locale (LC_ALL, LC_CTYPE, LANG) is not UTF-8
    #[arg(long)]
    pub ascii: bool,
    /// Columns; from 93 on with the time of each segment [default: the terminal's]
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

    /// Returns the output of one scenario of several: files with its name in the given directories.
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

/// Returns the requested columns, or the terminal's.
pub(super) fn columns(asked: Option<u16>) -> usize {
    let found = || terminal_size().map_or(COLUMNS, |(Width(columns), _)| columns.into());
    asked.map_or_else(found, usize::from)
}
