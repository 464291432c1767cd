use ratatui::layout::Rect;

use super::WIDE;
use super::canvas::{Canvas, List, average, count, cut, rate};
use crate::model::{CoreRow, QueueRow, Rated};
use crate::{Model, Pane, View};
use handfast_stack::xdp::VERDICTS;

/// Cells of a core's bar.
const BAR: usize = 8;
/// Columns of a verdict's name, rate and total.
const VERDICT: usize = 40;

pub(super) fn cores(canvas: &mut Canvas<'_>, area: Rect, model: &Model, view: &View) {
    let heads = ["busy", "frames in", "frames out", "batches", "of", "connections"].map(str::to_owned);
    let chosen = view.is_selected(Pane::Cores);
    let rows: Vec<String> =
        model.cores().iter().enumerate().map(|(number, core)| core_row(number, core)).collect();
    let list = List { rows: &rows, row: view.row(Pane::Cores), chosen };
    canvas.pane(area, "cores", &core_line("", "", &heads), &list);
}

fn core_row(number: usize, core: &CoreRow) -> String {
    let cpu = core.cpu.map_or_else(String::new, |cpu| format!("cpu {cpu}"));
    let full = (core.busy * BAR as f64).round() as usize;
    let bar = "█".repeat(full) + &"░".repeat(BAR - full.min(BAR));
    let cells = [
        format!("{:.0} %", core.busy * 100.0),
        rate(core.frames_in),
        rate(core.frames_out),
        rate(core.batches),
        average(core.frames_per_batch),
        count(core.connections),
    ];
    core_line(&format!("{number:>2}  {cpu}"), &bar, &cells)
}

fn core_line(name: &str, bar: &str, cells: &[String; 6]) -> String {
    let [busy, frames_in, frames_out, batches, each, connections] = cells;
    format!(
        " {name:<11}{bar:<8}{busy:>6}{frames_in:>12}{frames_out:>12}{batches:>10}{each:>6}{connections:>13}"
    )
}

pub(super) fn queues(canvas: &mut Canvas<'_>, area: Rect, model: &Model, view: &View) {
    let wide = area.width >= WIDE;
    let heads = [
        "core",
        "received",
        "sent",
        "wake-ups",
        "dropped",
        "rx full",
        "no frame",
        "tx full",
        "frames/wake-up",
    ];
    let chosen = view.is_selected(Pane::Queues);
    let rows: Vec<String> = model.queues().iter().map(|queue| queue_row(queue, wide)).collect();
    let none = [" not available: the program is older".to_owned()];
    let rows = if rows.is_empty() { &none[..] } else { &rows };
    let columns = queue_line("", &heads.map(str::to_owned), wide);
    canvas.pane(area, "queues", &columns, &List { rows, row: view.row(Pane::Queues), chosen });
}

fn queue_row(queue: &QueueRow, wide: bool) -> String {
    let cells = [
        queue.core.to_string(),
        rate(queue.received),
        rate(queue.transmitted),
        rate(queue.wakeups),
        count(queue.rx_dropped),
        count(queue.rx_ring_full),
        count(queue.fill_ring_empty),
        count(queue.tx_ring_full),
        average(queue.frames_per_wakeup),
    ];
    queue_line(&queue.name, &cells, wide)
}

fn queue_line(name: &str, cells: &[String; 9], wide: bool) -> String {
    let [core, received, sent, wakeups, dropped, rx_full, no_frame, tx_full, each] = cells;
    let name_width = if wide { 19 } else { 11 };
    let name = cut(name, name_width);
    let line = format!(
        " {name:<name_width$}{core:>5}{received:>11}{sent:>11}{wakeups:>10}{dropped:>9}{rx_full:>10}{no_frame:>10}"
    );
    if wide { format!("{line}{tx_full:>10}{each:>19}") } else { line }
}

pub(super) fn steering(canvas: &mut Canvas<'_>, area: Rect, model: &Model, view: &View) {
    let columns = columns(area.width);
    let head = format!("{:>26}{:>13}", "per second", "total");
    let heads = if columns == 1 { head.clone() } else { format!("{head:<VERDICT$}").repeat(columns) };
    let chosen = view.is_selected(Pane::Steering);
    let verdicts = model.verdicts();
    let rows: Vec<String> = verdicts.chunks(columns).map(|verdicts| verdict_row(verdicts, columns)).collect();
    let none = [" no frames".to_owned()];
    let rows = if rows.is_empty() { &none[..] } else { &rows };
    let list = List { rows, row: view.row(Pane::Steering), chosen };
    canvas.pane(area, "steering", heads.trim_end(), &list);
}

/// Wide: one to a line, with what it means.
fn verdict_row(verdicts: &[Rated], columns: usize) -> String {
    let cell = |verdict: &Rated| {
        format!(" {:<16}{:>9}{:>13} ", verdict.name, rate(verdict.per_second), count(verdict.total))
    };
    let row = verdicts.iter().map(cell).collect::<String>();
    match verdicts.first().filter(|_| columns == 1) {
        Some(verdict) => format!("{row}   {}", describe(&verdict.name)),
        None => row,
    }
}

pub(super) fn steering_rows(model: &Model, width: u16) -> usize {
    model.verdicts().len().div_ceil(columns(width)).max(1)
}

fn columns(width: u16) -> usize {
    if width >= WIDE { 1 } else { (usize::from(width) / VERDICT).max(1) }
}

fn describe(name: &str) -> &'static str {
    VERDICTS.iter().find(|verdict| verdict.name() == name).map_or("", |verdict| verdict.describe())
}
