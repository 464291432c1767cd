use ratatui::layout::Rect;
use ratatui::style::Color;

use super::canvas::{Canvas, List, count, rate};
use super::{WIDE, connections};
use crate::{Model, Pane, View};
use handfast_stack::observe::DROP_REASONS;
use handfast_text::wrapped;

/// Columns of the pane of ended connections next to it, if there is room.
const ENDED: u16 = 45;
/// Columns of name, rate and total.
const FIGURES: u16 = 47;

/// Drops, and how connections ended; the latter may have no room.
pub(super) fn split(area: Rect) -> (Rect, Rect) {
    let ended = if area.width >= FIGURES + 1 + ENDED && area.width + 32 >= WIDE { ENDED } else { 0 };
    let gap = u16::from(ended > 0);
    let drops = Rect { width: area.width.saturating_sub(ended + gap), ..area };
    (drops, Rect { x: area.right() - ended, width: ended, ..area })
}

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, view: &View) {
    let drops = model.drops();
    let chosen = view.is_selected(Pane::Drops);
    let columns = format!("{:>32}{:>15}", "per second", "total");
    let row = |drop: &crate::model::Rated| {
        format!(" {:<20}{:>11}{:>15}", drop.name, rate(drop.per_second), count(drop.total))
    };
    let rows: Vec<String> = drops.iter().map(row).collect();
    let at = view.row(Pane::Drops).min(rows.len().saturating_sub(1));
    let Some(drop) = drops.get(at) else {
        let none = [" none".to_owned()];
        canvas.pane(area, "drops", &columns, &List { rows: &none, row: 0, chosen });
        return;
    };
    // What the chosen one means, below: a row stays seen, whatever it takes.
    let meaning = wrapped(describe(&drop.name), usize::from(area.width).saturating_sub(3));
    let room = area.height.saturating_sub(2);
    let lines = u16::try_from(meaning.len()).unwrap_or(room).min(room);
    let list = Rect { height: area.height - lines, ..area };
    canvas.pane(list, "drops", &columns, &List { rows: &rows, row: at, chosen });
    let shown = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(list.height.saturating_sub(1));
    let style = canvas.ink(Color::Yellow);
    for (line, text) in (1 + shown..).zip(meaning.iter().take(usize::from(lines))) {
        canvas.styled(area, line, &format!("  {text}"), style);
    }
}

/// Lines that show every drop, and what one of them means.
pub(super) fn rows(model: &Model, width: u16) -> usize {
    let area = split(connections::split(Rect::new(0, 0, width, 1)).1).0;
    let room = usize::from(area.width).saturating_sub(3);
    let drops = model.drops();
    let longest = drops.iter().map(|drop| wrapped(describe(&drop.name), room).len()).max();
    drops.len().max(1) + longest.unwrap_or(0)
}

fn describe(name: &str) -> &'static str {
    let reason = DROP_REASONS.iter().find(|reason| reason.name() == name);
    reason.map_or("Unknown to this version.", |reason| reason.describe())
}
