use ratatui::layout::Rect;

use super::WIDE;
use super::canvas::{Canvas, List, count, rate};
use crate::{Model, Pane, View};
use handfast_stack::engine::STATES;

/// Columns of the pane.
const WIDTH: u16 = 32;

/// Connections, and what is left for the others.
pub(super) fn split(area: Rect) -> (Rect, Rect) {
    let width = WIDTH.min(area.width);
    let rest = Rect { x: area.x + width, width: area.width - width, ..area };
    (Rect { width: width - 1, ..area }, rest)
}

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model, view: &View) {
    let all = count(model.status().total.connections);
    let rows = rows(model, canvas.buffer().area.width);
    let chosen = view.is_selected(Pane::Connections);
    let list = List { rows: &rows, row: view.row(Pane::Connections), chosen };
    canvas.pane(area, "connections", &format!("{all:>31}"), &list);
}

/// By state in the order of a connection's life, or what the counters say if they were not counted;
/// then how others have ended, unless that has a pane of its own.
pub(super) fn rows(model: &Model, width: u16) -> Vec<String> {
    let total = &model.status().total;
    let row = |name: &str, number: u64| format!(" {name:<18}{:>12}", count(number));
    let mut rows: Vec<String> = match model.states() {
        Some(states) => {
            STATES.iter().filter_map(|(_, name)| states.get(*name).map(|number| row(name, *number))).collect()
        }
        None => vec![row("half open", total.half_open), row("TIME-WAIT", total.time_wait)],
    };
    if rows.is_empty() {
        rows.push(" none".to_owned());
    }
    let ended = if width < WIDE { model.closed() } else { Vec::new() };
    if !ended.is_empty() {
        rows.push(" ended so far:".to_owned());
    }
    rows.extend(ended.iter().map(|way| row(&way.name, way.total)));
    rows
}

/// How connections have ended, where there is room for it.
pub(super) fn ended(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    if area.width == 0 {
        return;
    }
    let row = |way: crate::model::Rated| {
        format!(" {:<19}{:>11}{:>13}", way.name, rate(way.per_second), count(way.total))
    };
    let rows: Vec<String> = model.closed().into_iter().map(row).collect();
    let none = [" none".to_owned()];
    let list = List { rows: if rows.is_empty() { &none } else { &rows }, row: 0, chosen: false };
    canvas.pane(area, "ended", &format!("{:>31}{:>13}", "per second", "total"), &list);
}
