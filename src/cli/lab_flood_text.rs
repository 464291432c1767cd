//! The figures of a flood, for a terminal.

use serde_json::Value;

use handfast_lab::bench::flood::{ClientFigures, FloodReport, FloodRequirement};
use handfast_text::{columns, grouped};

const MIB: f64 = 1_048_576.0;
/// Columns of the names of figures.
const NAME_WIDTH: usize = 18;

pub(super) fn text(report: &FloodReport) -> String {
    let mut text = format!("{}\n\n", heading(report));
    text += &columns::table(&clients(report));
    text.push('\n');
    for (name, value) in flood(report) {
        text += &format!("  {name:NAME_WIDTH$}  {value}\n");
    }
    text.push('\n');
    text += &columns::table(&contract(&report.requirements));
    text + "\nFigures from veth are not NIC figures.\n"
}

fn heading(report: &FloodReport) -> String {
    let [flood, responder, clients] = report.cores;
    let rate = report
        .rate
        .map_or("as many as the link takes".to_owned(), |rate| format!("{} a second", grouped(rate.into())));
    format!(
        "flood of {} packets, {rate}, {} mode; flood on core {flood}, responder on core {responder}, clients on \
         core {clients}",
        report.flood, report.sent.mode
    )
}

fn clients(report: &FloodReport) -> Vec<Vec<String>> {
    let line = |name: &str, clients: &ClientFigures| {
        let time = |time: Option<u64>| time.map_or("-".to_owned(), |us| format!("{:.2}", us as f64 / 1e3));
        vec![
            name.to_owned(),
            grouped(clients.begun),
            grouped(clients.established),
            percent(clients.share(clients.completed)),
            percent(clients.share(clients.syn_retransmitted)),
            time(clients.connect_p50_us),
            time(clients.connect_p99_us),
            time(clients.connect_max_us),
        ]
    };
    let header = ["clients", "begun", "handshakes", "completed", "SYN again", "connect p50 ms", "p99", "max"];
    vec![header.map(str::to_owned).to_vec(), line("calm", &report.calm), line("flood", &report.flooded)]
}

fn flood(report: &FloodReport) -> Vec<(String, String)> {
    let (sent, link, responder) = (&report.sent, &report.link, &report.responder);
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
    for (failure, count) in &report.flooded.failures {
        line("failed", format!("{} x {failure}", grouped(*count)));
    }
    let per_second = |count: u64| grouped((count as f64 / sent.seconds.max(f64::MIN_POSITIVE)) as u64);
    line("flood sent", format!("{} SYNs, {} ACKs", grouped(sent.syns), grouped(sent.acks)));
    line("", format!("{} a second", per_second(sent.syns + sent.acks)));
    line("replies to it", grouped(sent.replies));
    let (client_end, server_end) = (&link.client_end, &link.server_end);
    line(
        "dropped on the way",
        format!(
            "{} to the responder: {} sent, {} received; {} back: {} sent, {} received",
            percent(link.lost_to_responder),
            grouped(client_end.tx_dropped),
            grouped(server_end.rx_dropped),
            percent(link.lost_to_clients),
            grouped(server_end.tx_dropped),
            grouped(client_end.rx_dropped)
        ),
    );
    line("", format!("{} by the backlogs of the processors", grouped(link.backlog_dropped)));
    line("", format!("{} by the rings of the responder's sockets", count(responder.ring_dropped)));
    line("packets out per in", maybe(responder.out_per_in, |ratio| format!("{ratio:.4}")));
    line(
        "frames to a socket",
        format!(
            "{}, {} of the flood's packets, with those of the clients",
            count(responder.frames_to_socket),
            maybe(responder.frames_to_socket_per_packet, percent)
        ),
    );
    line(
        "connections",
        format!("{}, {} of them of no client", count(responder.established), count(responder.forged)),
    );
    let memory = |bytes: Option<u64>| maybe(bytes, |bytes| format!("{:.1} MiB", bytes as f64 / MIB));
    let (before, after) = (memory(responder.resident_before), memory(responder.resident_after));
    line("responder's memory", format!("{before} before, {after} after"));
    line(
        "responder busy",
        format!("{}, its core {}", maybe(responder.busy, percent), maybe(responder.core_busy, percent)),
    );
    if let Some(counts) = tier(&responder.summary) {
        line("cookie tier", counts);
    }
    lines
}

/// The cookie tier in the responder's summary, such as its switches.
fn tier(summary: &Value) -> Option<String> {
    let counts = summary.get("cookie_tier")?.as_object()?.iter();
    Some(
        counts
            .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

fn contract(requirements: &[FloodRequirement]) -> Vec<Vec<String>> {
    let line = |requirement: &FloodRequirement| {
        let (what, limit) = match requirement.figure {
            "completed" => ("clients completed", "at least"),
            "syn_retransmitted" => ("SYN again, beyond the link's loss", "at most"),
            "connect_p99_us" => ("connect p99", "at most"),
            _ => ("packets out per in", "at most"),
        };
        let value = |value: f64| match requirement.figure {
            "connect_p99_us" => format!("{:.2} ms", value / 1e3),
            "out_per_in" => format!("{value:.4}"),
            _ => percent(value),
        };
        vec![
            what.to_owned(),
            maybe(requirement.measured, value),
            format!("{limit} {}", value(requirement.required)),
            if requirement.met { "kept" } else { "not kept" }.to_owned(),
        ]
    };
    let header = ["contract", "measured", "required", ""].map(str::to_owned).to_vec();
    [header].into_iter().chain(requirements.iter().map(line)).collect()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn count(count: Option<u64>) -> String {
    maybe(count, grouped)
}

fn maybe<T>(value: Option<T>, shown: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), shown)
}
