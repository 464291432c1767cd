//! A million connections are listed while others come and go: all of them, none lost, in bounded
//! memory.

use std::process::Command;
use std::thread;
use std::time::Instant;

use handfast_lab::load::Plan;
use handfast_lab::{CLIENT_DEVICE, Lab};
use serde_json::json;

use crate::asked::Asked;

use support::{at, clients, lab, optimized, owned};

const HELD: u64 = 1_000_000;
const MEANWHILE: u64 = 5_000;
/// Bytes: some chunks of questions and a client's buffers; a million lines would be 200 MB.
const MAX_GROWTH: u64 = 32 << 20;

#[test]
fn a_million_connections_are_listed_while_others_come_and_go() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listeners = [owned(false, "80=hold"), owned(false, "9=close")];
    let arguments = [
        "--keepalive",
        "0",
        "--cookies",
        "never",
        "--max-connections",
        "1200000",
        "--cores",
        "0",
        "--listen",
        &listeners[0],
    ];
    let program = optimized();
    let asked =
        Asked::start_program(&program, &lab, &[&arguments[..], &["--listen", &listeners[1]]].concat());
    fill(&lab);
    // The last ACKs may still be on their way.
    let all = json!({"ESTABLISHED": HELD});
    support::wait_until("all are established", || asked.counted(&[]) == all);
    let before = asked.responder.resident();
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            clients(&lab, &Plan::parallel(at(false, 9), MEANWHILE, 20));
        });
        let mut listings = 0;
        while !traffic.is_finished() || listings == 0 {
            let began = Instant::now();
            assert_eq!(asked.counted(&["--local", ":80"]), json!({"ESTABLISHED": HELD}));
            listings += 1;
            eprintln!("counted by state in {:?}", began.elapsed());
        }
    });
    let began = Instant::now();
    let mut command = Command::new(&program);
    let said = support::run(command.args(["connections", "--local", ":80", "--socket"]).arg(&asked.socket));
    eprintln!("listed as {} MiB of text in {:?}", said.out.len() >> 20, began.elapsed());
    assert_eq!(said.out.lines().count() as u64, HELD + 1);
    let more = asked.responder.resident().saturating_sub(before);
    assert!(more < MAX_GROWTH, "{more} bytes");
    // A reader that wants no more ends it for both sides.
    let mut reader = asked.client();
    reader.send(&handfast_control::Request::Connections(Default::default())).expect("sent");
    reader.receive().expect("a first line");
    drop(reader);
    support::wait_until("it is answered again", || asked.status().pid > 0);
    let summary = asked.responder.stop();
    assert_eq!(summary.total("established"), HELD + MEANWHILE, "{}", summary.text);
    assert_eq!(summary.closed("active"), MEANWHILE, "{}", summary.text);
}

/// From a million places.
fn fill(lab: &Lab) {
    let count = HELD.to_string();
    let output = lab
        .client()
        .command(optimized())
        .args(["lab", "ceiling", "replay-client"])
        .args(["--dev", CLIENT_DEVICE, "--peer", "198.18.1.1:80", "--peer-mac", handfast_lab::SERVER_MAC])
        .args(["--source", "10.77.0.0/16", "--count", &count, "--seconds", "120", "--workload", "establish"])
        .args(["--window", "512", "--timeout-ms", "10000"])
        .output()
        .expect("ip netns exec");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
