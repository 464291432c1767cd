//! Rates over time and latencies over percentiles, as curves.

use hdrhistogram::Histogram;
use plotters::prelude::*;

use super::canvas::{draw, label, nothing, rgb};
use crate::bench::counted::Counted;
use crate::bench::figures::Second;
use crate::bench::format::{micros, whole};
use handfast_text::palette::page::{BLUE, INK, LINE, MUTED, ORANGE};

const CHART_HEIGHT: u32 = 280;
/// The farthest percentile: 99.999 %.
const MAX_NINES: f64 = 5.0;

/// Connections of each second, as the workload counts them, and their mean.
pub(in crate::bench) fn rate(series: &[Second], counted: Counted, mean: f64) -> String {
    draw(CHART_HEIGHT, |area| {
        let max = series.iter().map(|second| counted.within(second)).max().unwrap_or(0) as f64;
        let (top, end) = ((max * 1.1).max(1.0), series.len().max(2) as f64);
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
            .bold_line_style(rgb(&LINE))
            .axis_style(rgb(&MUTED))
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
        let line = rgb(&BLUE).stroke_width(2);
        chart.draw_series(LineSeries::new([(0.5, mean), (end + 0.5, mean)], rgb(&MUTED).stroke_width(1)))?;
        chart.draw_series(LineSeries::new(points(), line))?;
        if series.len() <= 120 {
            chart.draw_series(points().map(|point| Circle::new(point, 3, rgb(&BLUE).filled())))?;
        }
        Ok(())
    })
}

/// Times, and of what.
type NamedHistogram<'a> = (&'static str, &'a Histogram<u64>);

/// Latency by percentile, as far as there are measurements for: each nine takes the same room.
pub(in crate::bench) fn latency(connect: NamedHistogram<'_>, completion: NamedHistogram<'_>) -> String {
    let curves = [(connect.0, connect.1, &BLUE), (completion.0, completion.1, &ORANGE)];
    let from = if completion.0 == "completion" { "time from the intended start" } else { "time" };
    if curves.iter().all(|(_, histogram, _)| histogram.is_empty()) {
        return nothing("nothing was measured");
    }
    let nines = |histogram: &Histogram<u64>| (histogram.len().max(10) as f64).log10().min(MAX_NINES);
    let max = curves.iter().map(|(_, histogram, _)| histogram.max()).max().unwrap_or(1);
    let filled = curves.iter().filter(|(_, histogram, _)| !histogram.is_empty());
    let min = filled.map(|(_, histogram, _)| histogram.min()).min().unwrap_or(1).max(1);
    // A decade at least, so that some times are named.
    let low = min as f64 * 0.8;
    let high = (max as f64 * 1.25).max(low * 10.0);
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
            .bold_line_style(rgb(&LINE))
            .axis_style(rgb(&MUTED))
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
            let rgb = rgb(colour);
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

/// Labels for times that begin with 1, 2 or 5; there is no room for others.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
