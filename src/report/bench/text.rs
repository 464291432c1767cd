//! The summary for a terminal, at most 80 columns wide.

use std::fmt::Write;

use super::counted::Counted;
use super::figures::Connections;
use super::format::{count, maybe_micros, micros, percent, rate, share, spoken, whole, wrapped};
use super::latency::Latency;
use super::results::{Results, SENT_TWICE};
use handfast_stack::observe::DROP_REASONS;
use handfast_text::columns;

/// Columns of a line.
pub(super) const WIDTH: usize = 80;
/// The failure with HTTP statuses.
pub(super) const HTTP_STATUS: &str = "http-status";
/// Columns of a line's name, the margin included.
const NAMES: usize = 22;

/// The progress line, once per second. `second`: since its start; `rate`: in this second
/// completed, or opened to be held; `established`, `failed`: so far; `in_flight`: now.
pub fn progress(second: u64, rate: u64, established: u64, in_flight: u64, failed: u64) -> String {
    format!(
        "{second:>4} s {:>10}/s {:>9} in flight {:>11} established {:>9} failed",
        count(rate),
        count(in_flight),
        count(established),
        count(failed)
    )
}

impl Results {
    /// The summary.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let modes = if self.mode.is_empty() { String::new() } else { format!(", {} mode", self.mode) };
        let head = format!("{} against {}, {:.1} s{modes}", self.workload, self.target, self.duration_s);
        wrapped(&head, WIDTH).iter().for_each(|line| push(&mut text, line));
        self.rates(&mut text);
        self.counts(&mut text);
        self.latencies(&mut text);
        self.packets(&mut text);
        self.cores(&mut text);
        for part in &self.parts {
            let attempted = &part.connections;
            let line = format!(
                "{}/s, {} completed, {:.1} s",
                rate(part.mean_rate),
                share(attempted.share(attempted.completed)),
                part.duration_s
            );
            row(&mut text, "part", &format!("{}: {line}", part.source));
        }
        for note in self.notes.iter().chain(&uncounted(&self.connections)) {
            row(&mut text, "note", note);
        }
        row(&mut text, "limit", &self.bottleneck.sentence);
        if !self.outcome.sentence.is_empty() {
            row(&mut text, "result", &self.outcome.sentence);
        }
        text
    }

    fn rates(&self, text: &mut String) {
        let (of_rate, connections) = (&self.rate, &self.connections);
        let counted = Counted::of(&self.workload);
        let completed = share(connections.share(connections.completed));
        row(
            text,
            if counted == Counted::Sent { "sent" } else { "completed" },
            &format!(
                "{completed} of {} attempted: {}",
                count(connections.attempted),
                count(connections.completed)
            ),
        );
        if let (Some(asked), Some(reached)) = (self.load.rate, self.reached()) {
            row(text, "reached", &format!("{} of the asked {}/s", share(reached), rate(asked)));
        }
        let mut line = format!("{}/s mean over {:.1} s", rate(of_rate.mean), of_rate.over_s);
        if let (Some(median), Some(min), Some(max)) = (of_rate.median, of_rate.min, of_rate.max) {
            let _ = write!(line, ", {} median, {} to {}", rate(median), rate(min), rate(max));
        }
        row(text, if counted == Counted::Established { "rate of opening" } else { "rate" }, &line);
        if let (Some([low, high]), Some(stddev)) = (of_rate.ci95, of_rate.stddev) {
            row(
                text,
                "",
                &format!(
                    "95 % confidence {} to {}, deviation {}, {} s",
                    rate(low),
                    rate(high),
                    rate(stddev),
                    of_rate.seconds
                ),
            );
        }
        if let Some(lag) = self.load.lag_us {
            row(
                text,
                "opened late by",
                &format!(
                    "{} mean, {} median, {} max",
                    micros(lag.mean),
                    micros(lag.p50 as f64),
                    micros(lag.max as f64)
                ),
            );
        }
    }

    fn counts(&self, text: &mut String) {
        let connections = &self.connections;
        let part = |number: u64| format!("{}: {}", share(connections.share(number)), count(number));
        row(text, "established", &part(connections.established));
        row(text, "in flight", &part(connections.in_flight));
        row(text, "failed", &part(connections.failures()));
        for (reason, failed) in &connections.failed {
            row(text, &format!("  {}", spoken(reason)), &part(*failed));
            if reason == HTTP_STATUS {
                row(text, "", &connections.statuses());
            }
        }
    }

    fn latencies(&self, text: &mut String) {
        let completion = Counted::of(&self.workload).completion();
        let header = ["p50", "p90", "p99", "p99.9", "max", "mean"].map(|name| format!("{name:>9}")).concat();
        let _ = writeln!(text, "{:NAMES$}{header}", "  latency");
        for (name, latency) in
            [("connect", &self.latency_us.connect), (completion, &self.latency_us.completion)]
        {
            let cells: String = latency_cells(latency).iter().map(|cell| format!("{cell:>9}")).collect();
            let _ = writeln!(text, "{:NAMES$}{cells}", format!("    {name}"));
        }
    }

    fn packets(&self, text: &mut String) {
        let per = self.packets_per_connection.map_or_else(|| "-".to_owned(), |per| format!("{per:.2}"));
        let (received, sent) = (count(self.packets.received), count(self.packets.sent));
        row(text, "packets", &format!("{per} per connection; {sent} sent, {received} received"));
        if let Some(why) = self.separate_segments() {
            row(text, "", &why);
        }
        let again = match self.target_retransmissions {
            0 => format!("{} segments", count(self.retransmissions)),
            theirs => format!("{} segments; by the target: {}", count(self.retransmissions), count(theirs)),
        };
        row(text, "retransmitted", &again);
        row(text, "dropped", &count(self.drops.values().sum()));
        for (name, dropped) in &self.drops {
            if name == SENT_TWICE {
                row(
                    text,
                    "  duplicates",
                    &format!("{}: the target retransmitted segments that had arrived", count(*dropped)),
                );
                continue;
            }
            let why = DROP_REASONS.iter().find(|reason| reason.name() == name);
            let why = why.map_or_else(String::new, |reason| format!(": {}", reason.describe()));
            row(text, &format!("  {name}"), &format!("{}{why}", count(*dropped)));
        }
    }

    fn cores(&self, text: &mut String) {
        for core in &self.cpu.per_core {
            let source = if core.source.is_empty() { String::new() } else { format!("{}, ", core.source) };
            let whose = if core.client { "client" } else { "other" };
            let mut line = format!(
                "user {}, system {}, softirq {}, irq {}, idle {}",
                percent(core.user),
                percent(core.system),
                percent(core.softirq),
                percent(core.irq),
                percent(core.idle)
            );
            if core.steal >= 0.005 {
                let _ = write!(line, ", steal {}", percent(core.steal));
            }
            row(text, &format!("core {} ({whose})", core.core), &(source + &line));
        }
        if let Some(efficiency) = self.cpu.connections_per_core_second {
            let spinning = if self.active.polling == "busy" { ", which spin" } else { "" };
            row(
                text,
                "per core-second",
                &format!("{} connections per busy second of the client's cores{spinning}", whole(efficiency)),
            );
        }
    }
}

/// In the order of the header: p50, p90, p99, p99.9, max, mean.
pub(super) fn latency_cells(latency: &Latency) -> [String; 6] {
    let mean = latency.mean.map_or_else(|| "-".to_owned(), micros);
    let [p50, p90, p99, p999, max] =
        [latency.p50, latency.p90, latency.p99, latency.p999, latency.max].map(maybe_micros);
    [p50, p90, p99, p999, max, mean]
}

/// A sentence if the counts do not add up.
pub(super) fn uncounted(connections: &Connections) -> Option<String> {
    let lost = connections.unaccounted();
    (lost > 0)
        .then(|| format!("{} attempts are missing in the counts (a bug: please report it)", count(lost)))
}

/// Adds a name and its content, broken into lines that fit.
fn row(text: &mut String, name: &str, content: &str) {
    *text += &columns::labelled(&format!("  {name}"), content, NAMES, WIDTH);
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::sample::{active, lag, measured, open_loop, results};
    use super::super::{Measured, merge};
    use super::*;

    fn fits(text: &str) {
        let long = text.lines().find(|line| line.chars().count() > WIDTH);
        assert_eq!(long, None, "{text}");
    }

    #[test]
    fn the_summary_tells_everything_in_80_columns() {
        let text = results().text();
        fits(&text);
        for part in [
            "lifecycle against 198.18.255.1:80, 8.0 s, generic mode",
            "completed           >99.99 % of 987,685 attempted: 987,648",
            "123,456/s mean over 8.0 s, 123,456 median, 123,456 to",
            "95 % confidence 123,456 to 123,456, deviation 0.0, 8 s",
            "established         >99.99 %: 987,683",
            "  connect timeout   <0.01 %: 2",
            "p99.9",
            "6.00 per connection; 2,962,955 sent, 2,962,944 received",
            "retransmitted       13 segments",
            "  paws              17: An old timestamp",
            "core 0 (client)     user 16 %, system 24 %, softirq 40 %, irq 0 %, idle 20 %",
            "connections per busy second",
            "note                no hugepages <b>here</b>",
            "limit               neither: the load asked for was reached, 512",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
    }

    #[test]
    fn what_is_known_is_named() {
        let mut run = measured(8, 1000);
        run.failed.insert("http-status".into(), 9);
        run.http_statuses = std::collections::BTreeMap::from([("404".to_owned(), 7), ("503".to_owned(), 2)]);
        run.traffic.drops.insert("out_of_window".into(), 21);
        let mut results = Results::new(&open_loop(1000.0), &active(), &run);
        let text = results.text();
        fits(&text);
        for part in
            ["404: 7, 503: 2", "13 segments; by the target: 21", "21: the target retransmitted segments"]
        {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(!text.contains("out_of_window") && text.contains("    completion"), "{text}");
        results.workload = "hold".into();
        assert!(results.text().contains("    probe round trip"), "{}", results.text());
        assert!(!results.text().contains("completion"), "{}", results.text());
    }

    /// nginx sends the ACK of the request, the response and the FIN in separate segments: nine packets, not
    /// seven.
    #[test]
    fn a_server_that_sends_ack_answer_and_fin_apart_explains_the_packets() {
        let mut run = results();
        run.workload = "request".into();
        let completed = run.connections.completed;
        (run.packets.received, run.packets.sent, run.retransmissions) = (5 * completed, 4 * completed, 0);
        run.packets_per_connection = run.packets.per(completed);
        let text = run.text();
        fits(&text);
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("9.00 per connection") && said.contains("of these 5.0 received: SYN-ACK, answer"),
            "{text}"
        );
        for (received, again, workload) in
            [(3, 0, "request"), (5, 1, "request"), (9, 0, "request"), (5, 0, "lifecycle")]
        {
            let mut other = Results { workload: workload.into(), ..run.clone() };
            (other.packets.received, other.target_retransmissions) =
                (received * completed, again * completed);
            assert!(!other.text().contains("last ACK are three"), "{received} {again} {workload}");
        }
    }

    #[test]
    fn an_open_loop_tells_what_was_asked_and_how_late() {
        let measured = Measured { lag: lag(1500.0), ..measured(8, 1000) };
        let text = Results::new(&open_loop(1250.0), &active(), &measured).text();
        fits(&text);
        assert!(text.contains("reached             80.00 % of the asked 1,250/s"), "{text}");
        assert!(text.contains("opened late by      1.50 ms mean, 1.50 ms median, 15.0 ms max"), "{text}");
    }

    #[test]
    fn a_sum_tells_its_parts_and_an_empty_run_has_no_figures() {
        let inputs = [("left.json".to_owned(), results()), ("right.json".to_owned(), results())];
        let text = merge(&inputs, false).unwrap().text();
        fits(&text);
        assert!(text.contains("left.json: 123,456/s, >99.99 % completed, 8.0 s"), "{text}");
        let mut empty = measured(0, 0);
        (empty.attempted, empty.in_flight) = (9, 0);
        let text = Results::new(&open_loop(0.0), &active(), &empty).text();
        fits(&text);
        assert!(text.contains("    connect                   -"), "{text}");
        assert!(text.contains("2 attempts are missing"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }

    #[test]
    fn progress_lines_are_aligned() {
        let lines = [progress(1, 9, 10, 1, 0), progress(3600, 1_400_000, 990_000_000, 1_000_000, 9_999_999)];
        let lengths = lines.each_ref().map(|line| line.chars().count());
        assert!(lengths.iter().all(|length| *length <= WIDTH), "{lines:#?}");
        assert!(lines[0].contains(" 9/s ") && lines[1].contains("1,400,000/s"), "{lines:#?}");
    }
}
