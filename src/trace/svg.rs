//! A picture as SVG: two lifelines, with time running down. It does not depend on absolute or exact times, so that the
//! same scenario produces the same bytes.

mod palette;

use std::collections::HashMap;
use std::fmt::Write;

use self::palette::{arrow_colour, bar_colour, text_colour};
use super::diagram::{Arrow, Path, Row, RowKind};
use super::picture::{IMAGINED, Picture, flag_names, rounded};
use super::{Direction, LocalEvent, Side, State};
use handfast_text::palette::ladder::{BAR_GREY, INK, LABEL, MUTED, PAPER, RED};
use handfast_text::{escape, grouped, noun, svg_text, wrapped};

/// Pixels.
const WIDTH: u32 = 860;
const LEFT: u32 = 175;
const RIGHT: u32 = 685;
const MIDDLE: u32 = (LEFT + RIGHT) / 2;
/// Vertical distance from the sending of a segment to its arrival.
const FALL: u32 = 14;
const LINE: u32 = 16;
/// Average width of a character, and the margin beside text in front of an arrow.
const LETTER: u32 = 6;
const PADDING: u32 = 8;
/// Characters of a line of text, between the lifelines and below the title.
const SENTENCE: usize = 66;
const LESSON: usize = 112;

/// Returns the picture as an SVG document.
pub fn draw(picture: &Picture) -> String {
    let mut canvas = SvgCanvas { arrows: String::new(), out: String::new(), y: 34, leaves: HashMap::new() };
    canvas.heading(picture);
    let top = canvas.y;
    canvas.y += 26;
    let mut states = States::new(picture, top);
    for row in &picture.diagram.rows {
        canvas.row(row, &mut states);
    }
    canvas.more(picture.more);
    let bottom = canvas.y + 6;
    let lines = states.lines(bottom);
    let height = bottom + 18;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{label}\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
         {lines}{arrows}{body}</g>\n</svg>\n",
        label = escape(&picture.title),
        arrows = canvas.arrows,
        body = canvas.out,
    )
}

/// The states of both sides along the lifelines.
struct States {
    /// The height at which they began, for client and server.
    current: [(Option<State>, u32); 2],
    drawn: String,
}

impl States {
    fn new(picture: &Picture, top: u32) -> States {
        let Picture { diagram, .. } = picture;
        let mut states = States { current: [(None, top), (None, top)], drawn: String::new() };
        for (side, state) in [(Side::Client, diagram.client), (Side::Server, diagram.server)] {
            state.into_iter().for_each(|state| states.becomes(side, state, top + 10));
        }
        states
    }

    /// Labels a new state beside its lifeline.
    fn becomes(&mut self, side: Side, state: State, y: u32) {
        let (before, since) = self.current[side as usize];
        if before == Some(state) {
            return;
        }
        self.bar(side, before, since, y);
        self.current[side as usize] = (Some(state), y);
        let (x, anchor) = match side {
            Side::Client => (LEFT - 14, "end"),
            Side::Server => (RIGHT + 14, "start"),
        };
        let colour = text_colour(state);
        let _ = writeln!(
            self.drawn,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" font-weight=\"bold\" font-size=\"12\" fill=\"{colour}\">{state}</text>",
            y + 4
        );
    }

    /// Draws the part of the lifeline with one state.
    fn bar(&mut self, side: Side, state: Option<State>, from: u32, to: u32) {
        let x = if side == Side::Client { LEFT } else { RIGHT };
        let (colour, width) = match state {
            None | Some(State::Closed) => (BAR_GREY, 2),
            Some(state) => (bar_colour(state), 6),
        };
        let _ = writeln!(
            self.drawn,
            "<line x1=\"{x}\" y1=\"{from}\" x2=\"{x}\" y2=\"{to}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }

    fn lines(mut self, bottom: u32) -> String {
        for side in [Side::Client, Side::Server] {
            let (state, since) = self.current[side as usize];
            self.bar(side, state, since, bottom);
        }
        self.drawn
    }
}

struct SvgCanvas {
    /// Drawn below every text.
    arrows: String,
    out: String,
    /// Height of the next element.
    y: u32,
    /// Segments in flight: the height at which they were sent.
    leaves: HashMap<usize, u32>,
}

impl SvgCanvas {
    fn heading(&mut self, picture: &Picture) {
        if picture.imagined {
            self.text(MIDDLE, "middle", &format!("font-weight=\"bold\" fill=\"{RED}\""), IMAGINED);
            self.y += 24;
        }
        self.text(MIDDLE, "middle", "font-size=\"17\" font-weight=\"bold\"", &picture.title);
        self.y += 22;
        for line in wrapped(&picture.summary, LESSON) {
            self.text(MIDDLE, "middle", &format!("fill=\"{MUTED}\""), &line);
            self.y += LINE + 2;
        }
        self.y += 14;
        for (x, name) in [(LEFT, &picture.client), (RIGHT, &picture.server)] {
            self.text(x, "middle", "font-weight=\"bold\"", name);
        }
        self.y += 10;
    }

    fn row(&mut self, row: &Row, states: &mut States) {
        if let Some(wait) = row.wait {
            self.silence(&rounded(wait));
        }
        match &row.kind {
            RowKind::Local(side, event) => self.local_event(row, *side, *event, states),
            RowKind::Segment(arrow) => self.segment(row, arrow, states),
        }
        if let RowKind::Segment(Arrow { labels, .. }) = &row.kind {
            for line in wrapped(&labels.join(" · "), SENTENCE) {
                self.backed(&line);
                self.text(
                    MIDDLE,
                    "middle",
                    &format!("font-size=\"12\" font-weight=\"bold\" fill=\"{LABEL}\""),
                    &line,
                );
                self.y += LINE;
            }
        }
        for line in wrapped(row.annotation.as_deref().unwrap_or_default(), SENTENCE) {
            self.backed(&line);
            self.text(MIDDLE, "middle", &format!("font-size=\"12\" fill=\"{MUTED}\" stroke=\"{PAPER}\" stroke-width=\"4\" paint-order=\"stroke\""), &line);
            self.y += LINE;
        }
        self.y += 18;
    }

    /// Draws a background for text in the middle, so that the arrows of segments in flight pass behind it.
    fn backed(&mut self, line: &str) {
        if self.leaves.is_empty() {
            return;
        }
        let width = u32::try_from(line.chars().count()).unwrap_or(0) * LETTER + 2 * PADDING;
        let _ = writeln!(
            self.out,
            "<rect x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{}\" fill=\"{PAPER}\"/>",
            MIDDLE.saturating_sub(width / 2),
            self.y - 13,
            LINE + 2
        );
    }

    /// Draws a pause on both lifelines.
    fn silence(&mut self, text: &str) {
        for x in [LEFT, RIGHT] {
            for y in [2, 8, 14].map(|down| self.y + down) {
                let _ = writeln!(
                    self.out,
                    "<line x1=\"{}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{PAPER}\" stroke-width=\"3\"/>",
                    x - 5,
                    x + 5
                );
            }
        }
        self.y += 13;
        let text = format!("{text} later");
        self.backed(&text);
        self.text(MIDDLE, "middle", &format!("font-style=\"italic\" fill=\"{MUTED}\""), &text);
        self.y += 26;
    }

    fn local_event(&mut self, row: &Row, side: Side, event: LocalEvent, states: &mut States) {
        let (x, anchor) = match side {
            Side::Client => (LEFT + 14, "start"),
            Side::Server => (RIGHT - 14, "end"),
        };
        states.becomes(Side::Client, row.client, self.y);
        states.becomes(Side::Server, row.server, self.y);
        self.y += 4;
        self.text(x, anchor, "font-style=\"italic\"", event.label());
        self.y += LINE;
    }

    fn segment(&mut self, row: &Row, arrow: &Arrow, states: &mut States) {
        let (left, arrives) = (self.y, self.y + FALL);
        let sender = arrow.direction.sender();
        for (side, state) in [(Side::Client, row.client), (Side::Server, row.server)] {
            states.becomes(
                side,
                state,
                if side == sender && arrow.path != Path::Received { left } else { arrives },
            );
        }
        let (from, to) = match arrow.direction {
            Direction::ToServer => (LEFT + 5, RIGHT - 5),
            Direction::ToClient => (RIGHT - 5, LEFT + 5),
        };
        let colour = arrow_colour(arrow.flags);
        match arrow.path {
            Path::Delivered => self.arrow((from, left), (to, arrives), colour, ""),
            Path::Lost => self.lost((from, left), colour),
            Path::Pending => drop(self.leaves.insert(arrow.number, left)),
            Path::Received => {
                let start = self.leaves.remove(&arrow.number).unwrap_or(left);
                self.arrow((from, start), (to, arrives), colour, " stroke-dasharray=\"7 3\"");
            }
            Path::Injected => {
                let _ = writeln!(
                    self.arrows,
                    "<circle cx=\"{MIDDLE}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/>",
                    left + FALL / 2
                );
                self.arrow((MIDDLE, left + FALL / 2), (to, arrives), colour, "");
            }
        }
        if arrow.path != Path::Received {
            self.label(arrow, from, left, colour);
        }
        self.y = arrives + 20;
    }

    /// Above the arrow; at the sender's end if a segment is in flight.
    fn label(&mut self, arrow: &Arrow, from: u32, y: u32, colour: &str) {
        let (x, anchor) = match (arrow.path, arrow.direction) {
            (Path::Lost, _) => ((from + MIDDLE) / 2, "middle"),
            (_, Direction::ToServer) if !self.leaves.is_empty() => (from + 12, "start"),
            (_, Direction::ToClient) if !self.leaves.is_empty() => (from - 12, "end"),
            _ => (MIDDLE, "middle"),
        };
        let number = |number: u32| if arrow.older { "?".to_owned() } else { number.to_string() };
        let mut text = format!("{}   seq {}", flag_names(arrow.flags), number(arrow.seq));
        arrow.ack.into_iter().for_each(|ack| text += &format!("   ack {}", number(ack)));
        if arrow.payload_len > 0 {
            text += &format!("   {} bytes", arrow.payload_len);
        }
        if let Some(window) = arrow.window {
            text += &format!("   win {}{}", window.bytes, if window.scaled { "" } else { "?" });
        }
        let style = format!("fill=\"{colour}\" stroke=\"{PAPER}\" stroke-width=\"4\" paint-order=\"stroke\"");
        let line = self.y;
        self.y = y - 3;
        self.text(x, anchor, &style, &text);
        self.y = line;
    }

    /// Draws half of the arrow, and a cross.
    fn lost(&mut self, (x, y): (u32, u32), colour: &str) {
        let end = y + FALL / 2;
        let _ = writeln!(
            self.arrows,
            "<line x1=\"{x}\" y1=\"{y}\" x2=\"{MIDDLE}\" y2=\"{end}\" stroke=\"{colour}\" stroke-width=\"1.6\"/>\n\
             <path d=\"M{} {}l14 14m0 -14l-14 14\" stroke=\"{RED}\" stroke-width=\"3\" fill=\"none\"/>",
            MIDDLE - 7,
            end - 7
        );
    }

    fn arrow(&mut self, (x1, y1): (u32, u32), (x2, y2): (u32, u32), colour: &str, style: &str) {
        let (dx, dy) = (f64::from(x2) - f64::from(x1), f64::from(y2) - f64::from(y1));
        let angle = dy.atan2(dx).to_degrees();
        let _ = writeln!(
            self.arrows,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\" stroke-width=\"1.6\"{style}/>\n\
             <path d=\"M0 0l-11 -4.5v9z\" fill=\"{colour}\" transform=\"translate({x2} {y2}) rotate({angle:.1})\"/>"
        );
    }

    fn more(&mut self, more: u64) {
        if more > 0 {
            self.text(
                MIDDLE,
                "middle",
                "font-style=\"italic\"",
                &format!("and {} more {}", grouped(more), noun(more, "segment")),
            );
            self.y += LINE;
        }
    }

    fn text(&mut self, x: u32, anchor: &str, style: &str, text: &str) {
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" {style}>{}</text>",
            self.y,
            svg_text(text)
        );
    }
}
