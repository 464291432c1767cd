//! The picture: which pane gets which lines, and the panes.

mod canvas;
mod connections;
mod drops;
mod help;
mod latency;
mod layout;
mod machine;
mod rates;
mod title;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Model, Pane, View};
use canvas::Canvas;
use handfast_text::ascii;
use layout::{Layout, Preferred};

/// Minimum columns for explanations next to the values.
const WIDE: u16 = 120;
/// Columns and lines below which nothing useful can be shown.
const MIN_SIZE: (u16, u16) = (60, 12);

/// Draws everything into `area`, which is empty.
pub fn draw(model: &Model, view: &View, area: Rect, buffer: &mut Buffer) {
    paint(model, view, area, buffer);
    for cell in buffer.content.iter_mut().filter(|cell| view.ascii && !cell.symbol().is_ascii()) {
        cell.set_symbol(&ascii(cell.symbol()));
    }
}

fn paint(model: &Model, view: &View, area: Rect, buffer: &mut Buffer) {
    let mut canvas = Canvas::new(buffer, view);
    if area.width < MIN_SIZE.0 || area.height < MIN_SIZE.1 {
        canvas.line(area, 0, &format!("needs {} columns and {} lines", MIN_SIZE.0, MIN_SIZE.1));
        return;
    }
    let layout = Layout::new(area, &preferred(model, area.width));
    title::draw(&mut canvas, layout.title, model);
    rates::draw(&mut canvas, layout.rates, model);
    if let Some(bench) = &model.status().bench {
        latency::draw(&mut canvas, layout.latency, bench);
    }
    let (left, right) = connections::split(layout.middle);
    connections::draw(&mut canvas, left, model, view);
    let (drops, ended) = drops::split(right);
    drops::draw(&mut canvas, drops, model, view);
    connections::ended(&mut canvas, ended, model);
    machine::cores(&mut canvas, layout.cores, model, view);
    machine::queues(&mut canvas, layout.queues, model, view);
    machine::steering(&mut canvas, layout.steering, model, view);
    title::footer(&mut canvas, layout.footer, view);
    if view.help {
        help::draw(&mut canvas, area);
    }
}

/// The number of lines that show everything, with this width.
pub(super) fn height(model: &Model, width: u16) -> u16 {
    layout::height(&preferred(model, width))
}

/// The rows of a pane, for keys to move among.
pub(super) fn rows(model: &Model, pane: Pane, width: u16) -> usize {
    match pane {
        Pane::Connections => connections::rows(model, width).len(),
        Pane::Drops => model.drops().len(),
        Pane::Cores => model.cores().len(),
        Pane::Queues => model.queues().len(),
        Pane::Steering => machine::steering_rows(model, width),
    }
}

fn preferred(model: &Model, width: u16) -> Preferred {
    let lines = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(1);
    let middle = rows(model, Pane::Connections, width).max(drops::rows(model, width));
    let middle = if width >= WIDE { middle.max(model.closed().len()) } else { middle };
    Preferred {
        latency: model.status().bench.is_some(),
        middle: lines(middle),
        cores: lines(rows(model, Pane::Cores, width)),
        queues: lines(rows(model, Pane::Queues, width)),
        steering: lines(rows(model, Pane::Steering, width)),
    }
}
