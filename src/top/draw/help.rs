use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::widgets::{Clear, Widget};

use super::canvas::Canvas;

const LINES: &[&str] = &[
    "q, Esc       quit",
    "Tab, ← →     next or previous pane",
    "↑ ↓          select a row: explains a drop",
    "p, space     pause, resume",
    "?, h         this help; any key closes it",
    "",
    "busy         share of time with work",
    "frames       of the cores; those of eBPF: steering",
    "batches, of  loops with frames, frames in each",
    "dropped      by the kernel, all reasons",
    "rx full      by the kernel: receive ring full",
    "no frame     by the kernel: fill ring empty",
    "steering     decisions of the eBPF program",
];
const WIDTH: u16 = 54;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect) {
    let height = u16::try_from(LINES.len() + 2).unwrap_or(area.height).min(area.height);
    let width = WIDTH.min(area.width);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, canvas.buffer());
    canvas.heading(place, "help", "", true);
    let rule = "─".repeat(usize::from(width));
    let style = canvas.ink(Color::DarkGray);
    canvas.styled(place, height - 1, &rule, style);
    for (line, text) in (1..height.saturating_sub(1)).zip(LINES) {
        canvas.line(place, line, &format!("  {text}"));
    }
}
