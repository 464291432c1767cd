//! Plots as SVG, to stand inside a page: its style sheet gives them their dark colours.

mod bars;

use std::error::Error;

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::counted::Counted;
use super::figures::Second;
use super::format::{micros, whole};
use super::page::escape;
pub(super) use bars::{Bar, Kind, bars, cpu};

/// A colour of light pages, and the one that stands for it on dark ones.
pub(super) struct Colour {
    rgb: RGBColor,
    pub(super) dark: &'static str,
}

const INK: Colour = Colour { rgb: RGBColor(0x1C, 0x21, 0x26), dark: "#e4e8ec" };
const MUTED: Colour = Colour { rgb: RGBColor(0x5B, 0x65, 0x70), dark: "#98a2ad" };
const GRID: Colour = Colour { rgb: RGBColor(0xD5, 0xDB, 0xE1), dark: "#39424b" };
const BLUE: Colour = Colour { rgb: RGBColor(0x1F, 0x6F, 0xB4), dark: "#5aa9e6" };
const ORANGE: Colour = Colour { rgb: RGBColor(0xC8, 0x6A, 0x0A), dark: "#f0a04b" };
const RED: Colour = Colour { rgb: RGBColor(0xC8, 0x33, 0x3D), dark: "#ec6a72" };
const GREEN: Colour = Colour { rgb: RGBColor(0x2E, 0x8B, 0x57), dark: "#5cc48a" };
const PALE: Colour = Colour { rgb: RGBColor(0xE6, 0xEA, 0xEE), dark: "#2a3138" };

/// Every colour that a plot may use.
pub(super) const PALETTE: [Colour; 8] = [INK, MUTED, GRID, BLUE, ORANGE, RED, GREEN, PALE];

impl Colour {
    /// As the plots' SVG has it.
    pub(super) fn light(&self) -> String {
        let RGBColor(red, green, blue) = self.rgb;
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 900;
const CHART_HEIGHT: u32 = 280;
const FONT: &str = "sans-serif";
/// Points; the crate takes a fifth off.
const FONT_SIZE: u32 = 16;
/// The farthest percentile: 99.999 %.
const MOST_NINES: f64 = 5.0;

/// Connections of each second, as the workload counts them, and their mean.
pub(super) fn rate(series: &[Second], counted: Counted, mean: f64) -> String {
    draw(CHART_HEIGHT, |area| {
        let most = series.iter().map(|second| counted.within(second)).max().unwrap_or(0) as f64;
        let (top, end) = ((most * 1.1).max(1.0), series.len().max(2) as f64);
        // The crate's arithmetic wants nothing far outside of its axes.
        let mean = mean.clamp(0.0, top);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(90)
            .build_cartesian_2d(0.5..end + 0.5, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.rgb)
            .axis_style(MUTED.rgb)
            .label_style(label(&INK))
            .x_desc("second")
            .x_label_formatter(&|second| whole(*second))
            .y_desc(format!("{} per second", counted.word()))
            .y_label_formatter(&|rate| whole(*rate))
            .x_labels(series.len().clamp(2, 12))
            .y_labels(6)
            .draw()?;
        let points =
            || series.iter().zip(1u32..).map(|(second, n)| (f64::from(n), counted.within(second) as f64));
        let line = BLUE.rgb.stroke_width(2);
        chart.draw_series(LineSeries::new([(0.5, mean), (end + 0.5, mean)], MUTED.rgb.stroke_width(1)))?;
        chart.draw_series(LineSeries::new(points(), line))?;
        if series.len() <= 120 {
            chart.draw_series(points().map(|point| Circle::new(point, 3, BLUE.rgb.filled())))?;
        }
        Ok(())
    })
}

/// Times, and of what.
type Named<'a> = (&'static str, &'a Histogram<u64>);

/// Latency by percentile, as far as there are measurements for: each nine takes the same room.
pub(super) fn latency(connect: Named<'_>, completion: Named<'_>) -> String {
    let curves = [(connect.0, connect.1, &BLUE), (completion.0, completion.1, &ORANGE)];
    let from = if completion.0 == "completion" { "time from the intended start" } else { "time" };
    if curves.iter().all(|(_, histogram, _)| histogram.is_empty()) {
        return nothing("nothing was measured");
    }
    let nines = |histogram: &Histogram<u64>| (histogram.len().max(10) as f64).log10().min(MOST_NINES);
    let most = curves.iter().map(|(_, histogram, _)| histogram.max()).max().unwrap_or(1);
    let filled = curves.iter().filter(|(_, histogram, _)| !histogram.is_empty());
    let least = filled.map(|(_, histogram, _)| histogram.min()).min().unwrap_or(1).max(1);
    // A decade at least, so that some times are named.
    let low = least as f64 * 0.8;
    let high = (most as f64 * 1.25).max(low * 10.0);
    let end = curves.iter().map(|(_, histogram, _)| nines(histogram)).fold(1.0, f64::max);
    draw(CHART_HEIGHT + 20, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            // Half of the last percentile's name.
            .margin_right(36)
            .x_label_area_size(40)
            .y_label_area_size(90)
            .build_cartesian_2d(0.0..end, (low..high).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.rgb)
            .axis_style(MUTED.rgb)
            .label_style(label(&INK))
            .x_desc("percentile")
            .x_labels(end as usize + 2)
            .x_label_formatter(&|nines| percentile(*nines))
            .y_desc(from)
            .y_label_formatter(&|time| logarithmic(*time))
            .draw()?;
        for (name, histogram, colour) in curves.iter().filter(|(_, histogram, _)| !histogram.is_empty()) {
            let steps = (nines(histogram) * 40.0) as u32;
            let at = |step: u32| {
                let nines = f64::from(step) / 40.0;
                (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)).max(1) as f64)
            };
            let rgb = colour.rgb;
            chart
                .draw_series(LineSeries::new((0..=steps).map(at), rgb.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], rgb.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(label(&INK))
            .draw()?;
        Ok(())
    })
}

/// Times that begin with 1, 2 or 5: between them there is no room.
fn logarithmic(time: f64) -> String {
    let digit = time / 10f64.powf(time.log10().floor());
    match [1.0, 2.0, 5.0, 10.0].iter().any(|named| (digit - named).abs() < 1e-6) {
        true => micros(time),
        false => String::new(),
    }
}

/// `0 %`, `90 %`, `99 %`, `99.9 %`: whole nines only.
fn percentile(nines: f64) -> String {
    let whole = nines.round();
    if (nines - whole).abs() > 1e-6 {
        return String::new();
    }
    let digits = (whole as usize).saturating_sub(2);
    format!("{:.digits$} %", 100.0 * (1.0 - 10f64.powf(-whole)))
}

fn label(colour: &Colour) -> TextStyle<'_> {
    TextStyle::from((FONT, FONT_SIZE).into_font()).color(&colour.rgb)
}

/// An SVG of this height, drawn by `paint`. What cannot be drawn is said in its place.
fn draw(height: u32, paint: impl FnOnce(&Drawing<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        paint(&area).and_then(|()| Ok(area.present()?))
    };
    match drawn {
        // Inside a page the name space is known, and the width the page's.
        Ok(()) => svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1),
        Err(error) => nothing(&format!("cannot be drawn: {error}")),
    }
}

fn nothing(why: &str) -> String {
    format!("<p class=\"muted\">{}</p>\n", escape(why))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{measured, results};
    use super::*;

    fn all() -> [String; 4] {
        let (results, measured) = (results(), measured(8, 1000));
        let bar = |name: &str, kind, whisker| Bar {
            name: name.into(),
            value: 2.0,
            text: "2".into(),
            kind,
            whisker,
        };
        let legend = [("<b>", Kind::Rival)];
        [
            rate(&results.series, Counted::Completed, 1000.0),
            latency(("connect", &measured.connect_us), ("completion", &measured.completion_us)),
            bars(&[bar("<b>", Kind::Plain, None), bar("b", Kind::Subject, Some((1.0, 3.0)))], &legend),
            cpu(&results.cpu.per_core),
        ]
    }

    #[test]
    fn every_colour_has_a_dark_one() {
        let known: Vec<String> = PALETTE.iter().map(Colour::light).collect();
        let mut seen = 0;
        for svg in all() {
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            for piece in svg.split("=\"#").skip(1) {
                let colour = format!("#{}", piece.split('"').next().unwrap());
                assert!(known.contains(&colour), "{colour} in {svg}");
                seen += 1;
            }
        }
        assert!(seen > 50);
    }

    #[test]
    fn plots_point_nowhere_and_their_text_stays_text() {
        for svg in all() {
            assert!(!svg.contains("http") && !svg.contains("<b>"), "{svg}");
        }
    }

    #[test]
    fn percentiles_are_named_at_whole_nines() {
        let names = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0].map(percentile);
        assert_eq!(names, ["0 %", "", "90 %", "99 %", "99.9 %", "99.999 %"]);
    }

    #[test]
    fn times_are_named_where_there_is_room() {
        let names = [1.0, 2.0, 3.0, 50.0, 90.0, 999.999_999_9, 1000.0, 2e6].map(logarithmic);
        assert_eq!(names, ["1 µs", "2 µs", "", "50 µs", "", "1.00 ms", "1.00 ms", "2.00 s"]);
    }

    #[test]
    fn nothing_to_plot_is_said_or_drawn_empty() {
        let empty = Histogram::new_with_bounds(1, 1000, 3).unwrap();
        assert!(latency(("connect", &empty), ("completion", &empty)).contains("nothing was measured"));
        assert!(cpu(&[]).contains("nothing was measured"));
        for svg in [rate(&[], Counted::Completed, 0.0), bars(&[], &[])] {
            assert!(svg.starts_with("<svg") && !svg.contains("NaN"), "{svg}");
        }
        let one = measured(1, 1);
        assert!(latency(("connect", &one.connect_us), ("completion", &empty)).starts_with("<svg"));
    }

    #[test]
    fn a_probe_is_not_timed_from_the_intended_start() {
        let one = measured(2, 10);
        let plot = |name| latency(("connect", &one.connect_us), (name, &one.completion_us));
        assert!(plot("completion").contains("time from the intended start"));
        let probes = plot("probe round trip");
        assert!(probes.contains("probe round trip") && !probes.contains("intended start"), "{probes}");
    }
}
