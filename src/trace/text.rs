use std::fmt;
use std::time::Duration;

use super::diagram::{Arrow, Path, Row, RowKind};
use super::picture::{IMAGINED, Picture, flag_names, rounded};
use super::{Direction, Side, State};
use handfast_stack::wire::Flags;
use handfast_text::{ansi, grouped, noun, wrapped};

/// A picture as text: the client's states on the left, the server's on the right, one line for each segment between
/// them, with its explanation below.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub picture: &'a Picture,
    /// Columns. From 93 on with the time of each segment, or in captures its window, from 107 on with both; below 80 the
    /// numbers are closer together.
    pub width: usize,
    /// ASCII only.
    pub ascii: bool,
    /// With ANSI colours.
    pub colour: bool,
}

/// Columns of a state.
const STATE: usize = 13;
/// Columns of a time, and the space after it.
const TIME: usize = 11;
const GAP: usize = 2;
/// Columns of an arrow's end.
const ARROW: usize = 4;
/// Maximum and minimum columns of flags and numbers.
const TEXT: usize = 44;
const MIN_TEXT: usize = 24;
/// Columns of a window, and the space before it.
const WINDOW: usize = 14;

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heading(f)?;
        self.names(f)?;
        let diagram = &self.picture.diagram;
        let (mut client, mut server) = (diagram.client, diagram.server);
        if let (Some(client), Some(server)) = (client, server) {
            let middle = " ".repeat(self.between());
            self.line(f, "", (client, true), &middle, (server, true))?;
        }
        for row in &diagram.rows {
            if let Some(wait) = row.wait {
                let dots = if self.ascii { ":" } else { "⋮" };
                self.indented(f, &self.paint(ansi::DIM, &format!("{dots} {}", rounded(wait))))?;
            }
            let states = ((row.client, client != Some(row.client)), (row.server, server != Some(row.server)));
            self.line(f, &time(row.at), states.0, &self.middle(row), states.1)?;
            (client, server) = (Some(row.client), Some(row.server));
            if let RowKind::Segment(Arrow { labels, .. }) = &row.kind
                && !labels.is_empty()
            {
                let separator = if self.ascii { ", " } else { " · " };
                for line in wrapped(&labels.join(separator), self.text()) {
                    self.indented(f, &self.paint(ansi::BOLD, &line))?;
                }
            }
            for line in wrapped(row.annotation.as_deref().unwrap_or_default(), self.text()) {
                self.indented(f, &self.paint(ansi::DIM, &self.plain(&line)))?;
            }
        }
        match self.picture.more {
            0 => Ok(()),
            more => writeln!(f, "\nand {} more {}, not drawn", grouped(more), noun(more, "segment")),
        }
    }
}

impl Text<'_> {
    fn heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.picture.imagined {
            writeln!(f, "{}", self.paint(ansi::BOLD_RED, IMAGINED))?;
        }
        if !self.picture.title.is_empty() {
            writeln!(f, "{}", self.paint(ansi::BOLD, &self.plain(&self.picture.title)))?;
        }
        for line in wrapped(&self.picture.summary, self.columns()) {
            writeln!(f, "{}", self.plain(&line))?;
        }
        if self.picture.title.is_empty() { Ok(()) } else { writeln!(f) }
    }

    fn names(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Picture { client, server, .. } = self.picture;
        let time = if self.has_time() { format!("{:>TIME$}{:GAP$}", "time", "") } else { String::new() };
        // Above the server's states, or further left if it is longer.
        let drawn = 2 * (STATE + 1) + self.between();
        let place = (STATE + 1 + self.between() + 1).min(drawn.saturating_sub(server.chars().count()));
        let between = place.max(client.chars().count() + 1);
        writeln!(f, "{time}{client:<between$}{server}")
    }

    fn line(
        &self,
        f: &mut fmt::Formatter<'_>,
        time: &str,
        client: (State, bool),
        middle: &str,
        server: (State, bool),
    ) -> fmt::Result {
        if self.has_time() {
            write!(f, "{:>TIME$}{:GAP$}", self.plain(time), "")?;
        }
        writeln!(
            f,
            "{}{:width$} {middle} {}",
            self.state(client),
            "",
            self.state(server),
            width = STATE - client.0.name().len()
        )
    }

    /// Writes a line below the arrow.
    fn indented(&self, f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
        let time = if self.has_time() { TIME + GAP } else { 0 };
        writeln!(f, "{:indent$}{text}", "", indent = time + STATE + 1 + ARROW)
    }

    /// Returns the text between the two columns of states.
    fn middle(&self, row: &Row) -> String {
        match &row.kind {
            RowKind::Local(side, event) => {
                let (text, width) = (event.label(), self.between());
                self.paint(
                    "2",
                    &match side {
                        Side::Client => format!("{text:<width$}"),
                        Side::Server => format!("{text:>width$}"),
                    },
                )
            }
            RowKind::Segment(arrow) => {
                let width = self.text();
                let text = self.paint(colour_of(arrow.flags), &format!("{:<width$}", self.detail(arrow)));
                let (left, right) = self.ends(arrow);
                format!("{left}{text}{right}")
            }
        }
    }

    fn detail(&self, arrow: &Arrow) -> String {
        let ack = arrow.ack.map(|ack| format!("ack {ack}")).unwrap_or_default();
        let (flags, seq) = (flag_names(arrow.flags), format!("seq {}", arrow.seq));
        let (seq, ack) = match arrow.older {
            true => ("seq ?".into(), arrow.ack.map(|_| "ack ?".to_owned()).unwrap_or_default()),
            false => (seq, ack),
        };
        if self.text() >= TEXT {
            let text = format!("{flags:<11} {seq:<11} {ack:<11} len {:<4}", arrow.payload_len);
            return if self.has_window() { format!("{text:<TEXT$} {}", window(arrow)) } else { text };
        }
        let len = if arrow.payload_len > 0 { format!("len {}", arrow.payload_len) } else { String::new() };
        let parts = [flags, seq, ack, len];
        parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Returns the arrow's ends before and after the text. Segments in flight have dots, as in the RFC.
    fn ends(&self, arrow: &Arrow) -> (&'static str, &'static str) {
        let (line, right, left, cross, dots) = match self.ascii {
            false => (["─── ", " ───"], " ──▶", "◀── ", [" ─✗ ", " ✗─ "], ["··· ", " ···"]),
            true => (["--- ", " ---"], " -->", "<-- ", [" -X ", " X- "], ["... ", " ..."]),
        };
        match (arrow.direction, arrow.path) {
            (Direction::ToServer, Path::Delivered) => (line[0], right),
            (Direction::ToServer, Path::Lost) => (line[0], cross[0]),
            (Direction::ToServer, Path::Pending) => (line[0], dots[1]),
            (Direction::ToServer, Path::Received | Path::Injected) => (dots[0], right),
            (Direction::ToClient, Path::Delivered) => (left, line[1]),
            (Direction::ToClient, Path::Lost) => (cross[1], line[1]),
            (Direction::ToClient, Path::Pending) => (dots[0], line[1]),
            (Direction::ToClient, Path::Received | Path::Injected) => (left, dots[1]),
        }
    }

    fn has_time(&self) -> bool {
        self.width >= TIME + GAP + STATE + 1 + ARROW + self.text() + ARROW + 1 + STATE && self.text() >= TEXT
    }

    /// Whether windows are shown: if there are any, and enough columns.
    fn has_window(&self) -> bool {
        let shown = |row: &Row| matches!(&row.kind, RowKind::Segment(arrow) if arrow.window.is_some());
        self.width >= 2 * (STATE + 1 + ARROW) + TEXT + WINDOW && self.picture.diagram.rows.iter().any(shown)
    }

    fn text(&self) -> usize {
        match self.has_window() {
            true => TEXT + WINDOW,
            false => self.width.saturating_sub(2 * (STATE + 1 + ARROW)).clamp(MIN_TEXT, TEXT),
        }
    }

    fn between(&self) -> usize {
        ARROW + self.text() + ARROW
    }

    /// Columns of the whole drawing.
    fn columns(&self) -> usize {
        let time = if self.has_time() { TIME + GAP } else { 0 };
        time + 2 * (STATE + 1) + self.between()
    }

    /// Highlights a changed state.
    fn state(&self, (state, changed): (State, bool)) -> String {
        self.paint(if changed { ansi::BOLD } else { ansi::DIM }, state.name())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        ansi::paint(self.colour, code, text)
    }

    fn plain(&self, text: &str) -> String {
        if self.ascii { text.replace('µ', "u").replace('’', "'") } else { text.into() }
    }
}

/// Formats the window; `?` means unscaled, because the shift count was not captured.
fn window(arrow: &Arrow) -> String {
    arrow
        .window
        .map(|window| format!("win {}{}", window.bytes, if window.scaled { "" } else { "?" }))
        .unwrap_or_default()
}

/// Green: SYN; yellow: FIN; red: RST; cyan: data.
fn colour_of(flags: Flags) -> &'static str {
    match flags {
        flags if flags.has(Flags::RST) => ansi::RED,
        flags if flags.has(Flags::SYN) => ansi::GREEN,
        flags if flags.has(Flags::FIN) => ansi::YELLOW,
        flags if flags.has(Flags::PSH) => ansi::CYAN,
        _ => ansi::DEFAULT,
    }
}

fn time(at: Duration) -> String {
    let micros = at.as_micros();
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests;
