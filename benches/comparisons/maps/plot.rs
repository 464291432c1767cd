//! Two kinds of plots: lookups against entries, a line per map, and rates of one and of two
//! threads, bars.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Result;
use crate::map::{HANDFAST, Operation};
use crate::report::{Case, Results, short};

/// Of the lines and of the bars.
const SIZE: (u32, u32) = (968, 440);
const BARS_WIDTH: u32 = 940;
/// What the lines have of the width: right of them stand the names.
const CHART: u32 = 680;
/// Room for the half of the turned "ns" that stands left of its anchor.
const LEFT: i32 = 12;
const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x1C, 0x21, 0x26);
const MUTED: RGBColor = RGBColor(0x5B, 0x65, 0x70);
const GRID: RGBColor = RGBColor(0xD5, 0xDB, 0xE1);
const COLOURS: [(&str, RGBColor); 9] = [
    (HANDFAST, RGBColor(0x1F, 0x6F, 0xB4)),
    ("handfast per core", RGBColor(0x12, 0x8C, 0x9E)),
    ("HashTable per core", RGBColor(0x2E, 0x8B, 0x57)),
    ("hashbrown", RGBColor(0x7D, 0x86, 0x10)),
    ("Mutex<hashbrown>", RGBColor(0x7A, 0x52, 0xA8)),
    ("papaya", RGBColor(0xC8, 0x33, 0x3D)),
    ("dashmap", RGBColor(0xC8, 0x6A, 0x0A)),
    ("scc::HashMap", RGBColor(0xA0, 0x6A, 0x4A)),
    ("scc::HashIndex", RGBColor(0xD0, 0x4E, 0x9A)),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A map at one operation: its name, and nanoseconds by number of entries.
struct Curve {
    name: String,
    colour: RGBColor,
    is_handfast: bool,
    batched: bool,
    points: Vec<(f64, f64)>,
}

pub fn all(folder: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for operation in Operation::ALL {
        let curves = curves(results, operation);
        if curves.iter().any(|curve| curve.points.len() > 1) {
            let name = folder.join(format!("table-{}.svg", operation.name()));
            draw(&name, SIZE, |area| lines(area, operation, &curves))?;
        }
    }
    for entries in results.sizes(2) {
        let bars = bars(results, entries);
        let height = 60 + 22 * bars.len() as u32;
        draw(&folder.join("table-threads.svg"), (BARS_WIDTH, height), |area| threads(area, entries, &bars))?;
    }
    Ok(())
}

fn draw(path: &Path, size: (u32, u32), paint: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    paint(&area)?;
    area.present().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(())
}

fn text(size: u32) -> TextStyle<'static> {
    TextStyle::from((FONT, size).into_font()).color(&INK)
}

/// The same in all plots.
fn colour(map: &str) -> RGBColor {
    COLOURS.iter().find(|(name, _)| *name == map).map_or(MUTED, |(_, colour)| *colour)
}

fn curves(results: &Results, operation: Operation) -> Vec<Curve> {
    let mut curves = Vec::new();
    for name in results.maps(1) {
        for batched in [true, false] {
            let point = |entries: u32| {
                let case = Case { entries, made_for: 1, threads: 1, operation, batched };
                Some((f64::from(entries), results.find(name, case)?.median))
            };
            let points: Vec<_> = results.sizes(1).into_iter().filter_map(point).collect();
            // Only the faster interface of the other maps: nine lines are enough.
            let better = |case: bool| {
                let of = |batched| {
                    let last = results.sizes(1).last().copied().unwrap_or(0);
                    let case = Case { entries: last, made_for: 1, threads: 1, operation, batched };
                    results.find(name, case).map_or(f64::MAX, |figure| figure.median)
                };
                of(case) <= of(!case)
            };
            if points.is_empty() || (name != HANDFAST && (!better(batched) || (batched && better(false)))) {
                continue;
            }
            let label = if batched { format!("{name}, batched") } else { name.to_owned() };
            curves.push(Curve {
                name: label,
                colour: colour(name),
                is_handfast: name == HANDFAST,
                batched,
                points,
            });
        }
    }
    curves
}

fn lines(area: &Area<'_>, operation: Operation, curves: &[Curve]) -> Result<()> {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = all().fold((f64::MAX, 0.0_f64), |(low, high), (_, ns)| (low.min(*ns), high.max(*ns)));
    let (first, last) =
        all().fold((f64::MAX, 0.0_f64), |(first, last), (at, _)| (first.min(*at), last.max(*at)));
    // From a power of ten on: the crate names nothing below the first one.
    let (low, high) = (10f64.powf(low.log10().floor()), high * 1.3);
    let title = format!("{}: nanoseconds per operation, one thread", operation.name());
    area.draw_text(&title, &text(20), (LEFT + 70, 14))?;
    let (chart_area, names) = area.margin(40, 0, LEFT, 0).split_horizontally(CHART);
    let mut chart = ChartBuilder::on(&chart_area)
        .margin_right(16)
        .margin_bottom(8)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((first..last).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .label_style(text(16))
        .x_label_formatter(&|_| String::new())
        .x_desc("entries")
        .y_desc("ns")
        .y_labels(40)
        .y_label_formatter(&|ns| named(*ns))
        .draw()?;
    let plotting = chart.plotting_area();
    let bottom = plotting.get_pixel_range().1.end;
    let mut sizes: Vec<f64> = all().map(|(entries, _)| *entries).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for entries in sizes {
        let (x, _) = plotting.map_coordinate(&(entries, low));
        let centred = text(16).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw_text(&short(entries as u32), &centred, (x, bottom + 6))?;
    }
    for curve in curves {
        let width = if curve.is_handfast { 4 } else { 2 };
        let line = curve.colour.stroke_width(width);
        let points = curve.points.iter().copied();
        match curve.batched && curve.is_handfast {
            true => chart.draw_series(DashedLineSeries::new(points.clone(), 8, 5, line)).map(drop)?,
            false => chart.draw_series(LineSeries::new(points.clone(), line)).map(drop)?,
        }
        chart.draw_series(points.map(|point| Circle::new(point, 3, curve.colour.filled())))?;
    }
    legend(&names, curves)
}

/// Names in the order in which the lines end, with their last figure.
fn legend(area: &Area<'_>, curves: &[Curve]) -> Result<()> {
    let mut ends: Vec<(&Curve, f64)> =
        curves.iter().filter_map(|curve| Some((curve, curve.points.last()?.1))).collect();
    ends.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    for ((curve, ns), y) in ends.into_iter().zip((20..).step_by(30)) {
        let width = if curve.is_handfast { 4 } else { 2 };
        let dashed = curve.batched && curve.is_handfast;
        let strokes = if dashed { vec![(0, 8), (13, 21)] } else { vec![(0, 21)] };
        for (from, to) in strokes {
            area.draw(&PathElement::new([(from, y), (to, y)], curve.colour.stroke_width(width)))?;
        }
        let label = format!("{}: {ns:.0}", curve.name);
        area.draw_text(&label, &text(16).pos(Pos::new(HPos::Left, VPos::Center)), (28, y))?;
    }
    Ok(())
}

/// Numbers that begin with 1, 2 or 5: between them there is no room.
fn named(ns: f64) -> String {
    let digit = ns / 10f64.powf(ns.log10().floor());
    match [1.0, 2.0, 5.0, 10.0].iter().any(|named| (digit - named).abs() < 1e-6) {
        true => format!("{ns:.0}"),
        false => String::new(),
    }
}

/// A rate in millions per second.
struct Bar {
    /// On the first bar of a map.
    name: Option<String>,
    rate: f64,
    text: String,
    colour: RGBColor,
}

fn bars(results: &Results, entries: u32) -> Vec<Bar> {
    let mut bars = Vec::new();
    for name in results.maps(2) {
        for batched in [true, false] {
            let case = |threads| Case { entries, made_for: 2, threads, operation: Operation::Hit, batched };
            let [Some(one), Some(two)] = [1, 2].map(|threads| results.find(name, case(threads))) else {
                continue;
            };
            let label = if batched { format!("{name}, batched") } else { name.to_owned() };
            let [slow, fast] = [one, two].map(|figure| 1000.0 / figure.median);
            let scale = crate::report::scale(results, name, case(1)).unwrap_or(0.0);
            bars.push(Bar {
                name: Some(label),
                rate: slow,
                text: format!("{slow:.1}"),
                colour: pale(colour(name)),
            });
            let text = format!("{fast:.1}, {scale:.2} x");
            bars.push(Bar { name: None, rate: fast, text, colour: colour(name) });
        }
    }
    bars
}

/// Mixed with white.
fn pale(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    let [red, green, blue] = [red, green, blue].map(|channel| 140 + (u16::from(channel) * 115 / 255) as u8);
    RGBColor(red, green, blue)
}

fn threads(area: &Area<'_>, entries: u32, bars: &[Bar]) -> Result<()> {
    let title = format!("Hits on {} entries: million per second, one thread (pale) and two", short(entries));
    area.draw_text(&title, &text(20), (20, 14))?;
    let most = bars.iter().map(|bar| bar.rate).fold(1.0, f64::max);
    let (left, right) = (220, BARS_WIDTH as i32 - 120);
    for (bar, number) in bars.iter().zip(0..) {
        // Pairs stand together.
        let top = 52 + 22 * number - if number % 2 == 1 { 4 } else { 0 };
        let end = left + (f64::from(right - left) * bar.rate / most) as i32;
        area.draw(&Rectangle::new([(left, top), (end.max(left + 1), top + 16)], bar.colour.filled()))?;
        let beside = text(15).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw_text(&bar.text, &beside, (end + 6, top + 8))?;
        if let Some(name) = &bar.name {
            let before = text(16).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw_text(name, &before, (left - 10, top + 17))?;
        }
    }
    Ok(())
}
