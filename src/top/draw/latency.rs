use ratatui::layout::Rect;

use super::canvas::{Canvas, count};
use handfast_control::{BenchStatus, LatencyStatus};

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, bench: &BenchStatus) {
    let heads = ["p50", "p99", "p99.9", "max", "of"].map(str::to_owned);
    canvas.heading(area, "latency, µs", &row("", &heads), false);
    // Of held connections it is the round trip of their probe.
    let end = if bench.workload == "hold" { "probe" } else { "to the end" };
    for (line, name, latency) in [(1, "established", bench.connect_us), (2, end, bench.completion_us)] {
        let text = latency.map_or_else(|| format!(" {name:<17}none measured yet"), |us| figures(name, us));
        canvas.line(area, line, &text);
    }
}

fn figures(name: &str, us: LatencyStatus) -> String {
    row(name, &[us.p50, us.p99, us.p999, us.max, us.count].map(count))
}

fn row(name: &str, cells: &[String; 5]) -> String {
    let [p50, p99, p999, max, of] = cells;
    format!(" {name:<12}{p50:>11}{p99:>13}{p999:>13}{max:>13}{of:>15}")
}
