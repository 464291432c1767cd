//! The tables of `docs/metrics.md`; a test compares the page with them.

use super::catalogue::{EVENTS, Metric, MetricKind, groups};
use handfast_load::Failure;
use handfast_stack::observe::{CLOSED, DROP_REASONS, STAGES};
use handfast_stack::xdp::VERDICTS;

/// The tables of `docs/metrics.md`.
pub fn documentation() -> String {
    let mut text = String::new();
    for (title, metrics) in groups() {
        text += &format!("### {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
        for Metric { name, kind, labels, help } in metrics {
            let kind = if kind == MetricKind::Counter { "counter" } else { "gauge" };
            text += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
        }
        text.push('\n');
    }
    let reasons = DROP_REASONS.iter().map(|reason| (reason.name(), reason.describe()));
    text += &named("Reasons of `handfast_drops_total`", reasons);
    let events = EVENTS.iter().map(|(name, meaning, _)| (*name, *meaning));
    text += &named("Events of `handfast_queue_kernel_events_total`", events);
    text += &listed("Ways of `handfast_connections_closed_total`", CLOSED.iter().map(|how| how.name()));
    text += &listed(
        "Verdicts of `handfast_steering_frames_total`",
        VERDICTS.iter().map(|verdict| verdict.name()),
    );
    text += &listed(
        "Reasons of `handfast_bench_failed_total`",
        Failure::ALL.iter().map(|failure| failure.name()),
    );
    text += &listed("Stages of `handfast_stage_seconds_total`", STAGES.iter().map(|stage| stage.name()));
    text.trim_end().to_owned() + "\n"
}

fn listed(title: &str, names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    format!("### {title}\n\n{}\n\n", names.join(", "))
}

fn named(title: &str, rows: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let rows: String = rows.map(|(name, meaning)| format!("| `{name}` | {meaning} |\n")).collect();
    format!("### {title}\n\n| value | meaning |\n|---|---|\n{rows}\n")
}
