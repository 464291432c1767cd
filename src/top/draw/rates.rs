use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::widgets::{Sparkline, Widget};

use super::canvas::{Canvas, count, rate};
use super::layout::RATES;
use crate::Model;

/// Columns of name, rate and total.
const FIGURES: u16 = 42;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let bars = area.width.saturating_sub(FIGURES);
    // With one column there is nothing to compare.
    let columns = model.series().map(|(_, history)| history.len()).max().unwrap_or(0);
    let span = model.seconds_each().filter(|_| columns > 1).map_or_else(String::new, |seconds| {
        format!("the last {:.0} s, each relative to its maximum", seconds * f64::from(bars))
    });
    canvas.heading(area, "rates", &format!("{:>24}{:>15}  {span}", "per second", "total"), false);
    let tall = area.height.saturating_sub(1) / RATES;
    for (number, (rated, history)) in (0..).zip(model.series()) {
        let line = 1 + number * tall.max(1) + tall.saturating_sub(1);
        let text = format!(" {:<12}{:>11}{:>15}", rated.name, rate(rated.per_second), count(rated.total));
        canvas.line(area, line, &text);
        if tall == 0 || line >= area.height {
            continue;
        }
        // The newest stands at the edge.
        let shown: Vec<u64> = history.iter().rev().take(usize::from(bars)).rev().copied().collect();
        let empty = bars - u16::try_from(shown.len()).unwrap_or(bars);
        let place = Rect {
            x: area.x + FIGURES.min(area.width) - 1 + empty,
            y: area.y + line + 1 - tall,
            width: bars - empty,
            height: tall,
        };
        let style = canvas.ink(if rated.name == "failed" { Color::Red } else { Color::Green });
        Sparkline::default().data(&shown).style(style).render(place, canvas.buffer());
    }
}
