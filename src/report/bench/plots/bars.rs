//! Horizontal bars: a name, a length, a number.

use std::error::Error;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::canvas::{Drawn, PlotArea, draw, label, nothing, rgb};
use crate::bench::cpu::CoreTime;
use crate::bench::format::percent;
use handfast_text::palette::Colour;
use handfast_text::palette::page::{BLUE, GREEN, INK, ORANGE, PALE, RED};

/// Of a bar and the space below, pixels.
const BAR: i32 = 20;
const BAR_STEP: i32 = 30;
/// Where bars begin and end, pixels: names are left of them, numbers right.
const BARS_FROM: i32 = 235;
const BARS_TO: i32 = 760;
/// One bar: its name, its length, and the text after it.
pub(in crate::bench) struct Bar {
    pub(in crate::bench) name: String,
    pub(in crate::bench) value: f64,
    pub(in crate::bench) text: String,
    pub(in crate::bench) kind: BarKind,
    /// The range of the value.
    pub(in crate::bench) whisker: Option<(f64, f64)>,
}

/// The kind of a bar, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum BarKind {
    Plain,
    Subject,
    Rival,
}

impl BarKind {
    fn colour(self) -> &'static Colour {
        match self {
            BarKind::Plain => &BLUE,
            BarKind::Subject => &ORANGE,
            BarKind::Rival => &GREEN,
        }
    }
}

/// Bars; with a legend above, if there is one.
pub(in crate::bench) fn bars(bars: &[Bar], legend: &[(&str, BarKind)]) -> String {
    let reach = |bar: &Bar| bar.whisker.map_or(bar.value, |(_, max)| max.max(bar.value));
    let max = bars.iter().map(reach).fold(0.0, f64::max);
    let part = |value: f64| if max > 0.0 { value / max } else { 0.0 };
    let above = usize::from(!legend.is_empty());
    draw(height(bars.len() + above), |area| {
        let mut left = BARS_FROM;
        for (text, kind) in legend {
            left = key(area, text, kind.colour(), left)?;
        }
        if above > 0 {
            whisker(area, (left, 5), (0, 24))?;
            write(area, "min to max", (left + 32, 5), HPos::Left, &INK)?;
        }
        for (bar, top) in bars.iter().zip(tops().skip(above)) {
            name(area, &bar.name, top)?;
            let mut end = rectangle(area, (BARS_FROM, top), part(bar.value), bar.kind.colour())?;
            if let Some((min, max)) = bar.whisker {
                let ends = (length(part(min)), length(part(max)));
                whisker(area, (BARS_FROM, top), ends)?;
                end = end.max(BARS_FROM + ends.1);
            }
            write(area, &bar.text, (end + 8, top), HPos::Left, &INK)?;
        }
        Ok(())
    })
}

/// A line with two ends, over the middle of a bar.
fn whisker(area: &PlotArea<'_>, (left, top): (i32, i32), (min, max): (i32, i32)) -> Drawn {
    let (middle, half) = (top + BAR / 2, BAR / 4);
    let line = |from: (i32, i32), to: (i32, i32)| {
        area.draw(&PathElement::new([from, to], rgb(&INK).stroke_width(1)))
    };
    line((left + min, middle), (left + max, middle))?;
    for end in [left + min, left + max] {
        line((end, middle - half), (end, middle + half))?;
    }
    Ok(())
}

/// A colour of the legend and what it means; returns where the next one begins.
fn key(area: &PlotArea<'_>, text: &str, colour: &Colour, left: i32) -> Result<i32, Box<dyn Error>> {
    area.draw(&Rectangle::new([(left, 8), (left + 14, 22)], rgb(colour).filled()))?;
    write(area, text, (left + 20, 5), HPos::Left, &INK)?;
    Ok(left + 20 + 9 * i32::try_from(text.chars().count()).unwrap_or(0) + 20)
}

/// What each core did, as shares of the time: user, system, softirq with irq, steal, idle.
pub(in crate::bench) fn cpu(cores: &[CoreTime]) -> String {
    if cores.is_empty() {
        return nothing("nothing was measured");
    }
    let legend =
        [("user", &BLUE), ("system", &GREEN), ("softirq, irq", &ORANGE), ("steal", &RED), ("idle", &PALE)];
    draw(height(cores.len() + 1), |area| {
        for ((text, colour), left) in legend.iter().zip((BARS_FROM..).step_by(115)) {
            key(area, text, colour, left)?;
        }
        for (core, top) in cores.iter().zip(tops().skip(1)) {
            let shares = [core.user, core.system, core.softirq + core.irq, core.steal, core.idle];
            name(area, &core_name(core), top)?;
            let mut left = BARS_FROM;
            for (share, (_, colour)) in shares.iter().zip(&legend) {
                left = rectangle(area, (left, top), *share, colour)?;
            }
            write(area, &format!("{} busy", percent(core.busy())), (BARS_TO + 8, top), HPos::Left, &INK)?;
        }
        Ok(())
    })
}

fn core_name(core: &CoreTime) -> String {
    let whose = if core.client { " (client)" } else { "" };
    match core.source.as_str() {
        "" => format!("core {}{whose}", core.core),
        source => format!("{source} core {}{whose}", core.core),
    }
}

/// The height of this number of bars, pixels.
fn height(bars: usize) -> u32 {
    10 + BAR_STEP.unsigned_abs() * u32::try_from(bars).unwrap_or(1).max(1)
}

/// Upper edges of bars.
fn tops() -> impl Iterator<Item = i32> {
    (5..).step_by(BAR_STEP.unsigned_abs() as usize)
}

/// The name before a bar, cut at its front where it is too long.
fn name(area: &PlotArea<'_>, name: &str, top: i32) -> Drawn {
    const MAX_NAME: usize = 32;
    let characters = name.chars().count();
    let shown: String = match characters > MAX_NAME {
        true => "…".chars().chain(name.chars().skip(characters - MAX_NAME + 1)).collect(),
        false => name.to_owned(),
    };
    write(area, &shown, (BARS_FROM - 10, top), HPos::Right, &INK)
}

/// Pixels of a share of the full length.
fn length(share: f64) -> i32 {
    (share.clamp(0.0, 1.0) * f64::from(BARS_TO - BARS_FROM)).round() as i32
}

/// A bar's piece for a share of its full length; returns where it ends.
fn rectangle(
    area: &PlotArea<'_>,
    (left, top): (i32, i32),
    share: f64,
    colour: &Colour,
) -> Result<i32, Box<dyn Error>> {
    let length = length(share);
    if length > 0 {
        area.draw(&Rectangle::new([(left, top), (left + length, top + BAR)], rgb(colour).filled()))?;
    }
    Ok(left + length)
}

/// Text in the middle of a bar's height.
fn write(area: &PlotArea<'_>, text: &str, (x, top): (i32, i32), side: HPos, colour: &Colour) -> Drawn {
    let style = label(colour).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text, (x, top + BAR / 2), style))?)
}
