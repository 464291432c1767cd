//! A million real connections, and what each costs: one cache line, or two over IPv6 (held at
//! compile time in `src/stack/engine/flows.rs`), and its share of the index.

use handfast_lab::{CLIENT_DEVICE, Lab};
use support::{Responder, lab, optimized, owned};

const CONNECTIONS: u64 = 1_000_000;
/// Bytes: a line of 64 and 16 of the index make 80; the rest is for pages and queues of timers.
const MAX_EACH: u64 = 96;

#[test]
fn a_half_open_connection_takes_at_most_96_bytes() {
    let Some(lab) = lab(|spec| spec) else { return };
    let summary = fill(&lab, &["--synack-retries", "10"], "syn");
    assert_eq!(summary.total("established"), 0, "{}", summary.text);
    assert_eq!(summary.total("half_open"), CONNECTIONS, "{}", summary.text);
}

#[test]
fn an_idle_established_connection_takes_at_most_96_bytes() {
    let Some(lab) = lab(|spec| spec) else { return };
    let summary = fill(&lab, &[], "establish");
    assert_eq!(summary.total("established"), CONNECTIONS, "{}", summary.text);
}

/// Opens the connections, and holds their memory to its bound while they are there.
fn fill(lab: &Lab, arguments: &[&str], workload: &str) -> support::Summary {
    let listener = owned(false, "80=hold");
    // No peer answers for them, and a slow machine takes its time.
    let fixed =
        ["--keepalive", "0", "--cookies", "never", "--max-connections", "1000000", "--listen", &listener];
    let program = optimized();
    let mut responder = Responder::start_program(&program, lab, &[&fixed, arguments].concat());
    let before = responder.resident();
    open(lab, workload);
    responder.await_open(CONNECTIONS);
    let each = (responder.resident() - before) / CONNECTIONS;
    let summary = responder.stop();
    // Some are reset at the end, as many as its time allows.
    let ended = summary.closed("stopped");
    assert_eq!(summary.total("connections") + ended, CONNECTIONS, "{}", summary.text);
    eprintln!("{each} bytes for each of {CONNECTIONS} connections ({workload})");
    assert!(each <= MAX_EACH, "{each} bytes for each connection");
    summary
}

/// SYNs from a million different places. Which of them arrived the responder's own counts say: a
/// machine that is busy may lose answers on their way back, and they are sent again.
fn open(lab: &Lab, workload: &str) {
    let count = CONNECTIONS.to_string();
    let fixed = ["--dev", CLIENT_DEVICE, "--peer", "198.18.1.1:80", "--peer-mac", handfast_lab::SERVER_MAC];
    let bounds = ["--source", "10.77.0.0/16", "--count", &count, "--seconds", "240"];
    // With an ACK for each SYN still fewer frames than the responder has posted, so that none is
    // lost; and patience, since a SYN given up would not be sent again.
    let pace = ["--window", "512", "--timeout-ms", "40000"];
    let output = lab
        .client()
        .command(optimized())
        .args(["lab", "ceiling", "replay-client"])
        .args(fixed)
        .args(bounds)
        .args(pace)
        .args(["--workload", workload])
        .output()
        .expect("ip netns exec");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let tally: serde_json::Value = serde_json::from_str(text.trim()).expect("one line of JSON");
    assert_eq!(tally["sent"], CONNECTIONS, "{tally}");
}
