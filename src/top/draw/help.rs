use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::widgets::{Clear, Widget};

use super::canvas::Canvas;

const LINES: &[&str] = &[
    "q, Esc       leave",
    "Tab, ← →     next pane, the one before",
    "↑ ↓          row: a drop says what it means",
    "p, space     pause, go on",
    "?, h         this help; any key closes it",
    "",
    "busy         share of time with something to do",
    "batches, of  turns with frames, frames in each",
    "dropped      by the kernel, for lack of anything",
    "rx full      by the kernel: our ring was full",
    "no frame     the kernel found the fill ring empty",
    "steering     what the eBPF program decided",
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
