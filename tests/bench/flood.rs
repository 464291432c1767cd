//! SYNs alone: nowhere but in a lab.

use std::process::Command;

use handfast_lab::CLIENT_DEVICE;
use support::{OWNED_V4, Process, program};

use crate::programs::{Stage, stage};

fn refused(command: Command, parts: &[&str]) {
    let ended = Process::start(command).ended();
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    for part in parts.iter().chain(&["--workload flood runs in a lab only", "fix: handfast lab up"]) {
        assert!(ended.text.contains(part), "no {part:?} in\n{}", ended.text);
    }
}

fn flood(mut command: Command, device: &str) -> Command {
    command.args(["bench", "--dev", device, "--source", "10.78.0.0/16", "198.18.1.1:9"]);
    command.args(["--workload", "flood", "--duration", "1"]);
    command
}

#[test]
fn only_a_lab_is_flooded() {
    refused(flood(Command::new(program()), "lo"), &["lo is not a veth"]);
    let Some(stage) = stage(|spec| spec) else { return };
    refused(flood(stage.client().command(program()), "lo"), &["lo is not a veth"]);
    // A veth pair that is not the lab's, and the lab's own without its mark.
    stage.client().run(&["ip", "link", "add", "hf-o", "type", "veth", "peer", "name", "hf-p"]).expect("ip");
    refused(flood(stage.client().command(program()), "hf-o"), &["hf-o does not carry the mark"]);
    stage.client().run(&["ip", "link", "set", CLIENT_DEVICE, "alias", ""]).expect("ip");
    refused(flood(stage.client().command(program()), CLIENT_DEVICE), &["does not carry the mark"]);
    untouched(&stage);
}

fn untouched(stage: &Stage) {
    let shown = stage.client().run(&["ip", "-s", "link", "show", CLIENT_DEVICE]).expect("ip");
    assert!(!shown.contains("xdp"), "{shown}");
}

#[test]
fn a_flood_sends_what_was_asked_for_and_nothing_else() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(&["9=discard"], "");
    let results = stage.bench(&format!("{OWNED_V4}:9 --workload flood --rate 4000 --duration 2"));
    let report = responder.report();
    let server = &report["total"];
    let (sent, established) = (results.connections("attempted"), results.connections("established"));
    assert_eq!((sent, established, results.failures()), (8000, 0, 0), "{}", results.text);
    assert_eq!(server["established"], 0);
    // A SYN of a flood is not sent again.
    let (seen, unseen) = (server["syns"].as_u64().expect("a count"), stage.unseen(&report));
    assert!(seen <= 8000 && seen + unseen >= 8000, "{seen}, and {unseen} had no room");
    // Not one RST: each SYN-ACK, first or again, was dropped by name.
    assert_eq!(server["closed"]["handshake_reset"], 0);
    assert!(results.dropped("flood_answer") + stage.unheard(&results) >= seen, "{}", results.text);
    assert_eq!(results.number("packets.sent"), 8000.0);
    assert_eq!(results.at("rate.unit"), "SYNs sent per second");
    results.assert_says(&["counts every sent SYN as completed", "flood_answer"]);
    // What was not sent in these two seconds was late: a busy machine.
    let (missing, late) =
        (8000.0 - 2.0 * results.number("rate.mean"), results.number("load.lag_us.max") / 1e6);
    assert!((0.0..=4000.0 * late + 80.0).contains(&missing), "{missing}, {}", results.text);
}

#[test]
fn without_a_rate_a_flood_goes_as_fast_as_it_can() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(&["9=discard"], "");
    let results = stage.bench(&format!("{OWNED_V4}:9 --workload flood --connections 50000"));
    let _server = responder.stop();
    let sent = (results.connections("attempted"), results.connections("completed"));
    assert_eq!(sent, (50_000, 50_000), "{}", results.text);
}
