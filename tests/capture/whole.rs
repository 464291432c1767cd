//! Captures that miss nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{CLIENT_DEVICE, SOURCES_V4, Spec, client_addresses};
use support::{OWNED_V4, Process, at, program};

use crate::reader::{Capture, assert_clean, tshark};

use crate::capturing::stage;

fn request() -> ClientScript {
    let response_prefix = b"HTTP/1.1 200 ".to_vec();
    ClientScript::Request { request: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), response_prefix }
}

/// All of the core's time may be used: a busy machine must not make a frame miss.
const ALL: &str = "--pcap-cpu-percent 100";

#[test]
fn every_frame_is_there_once_in_order_and_with_its_direction() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(ALL);
    stage.clients(&Plan::parallel(at(false, 80), 200, 10).script(request()));
    stage.clients(&Plan::sequential(at(false, 81), 100));
    let run = responder.stop();
    assert_eq!((run.dropped(), run.number("capture.left_out")), (0, 0), "{}", run.text);
    let capture = run.capture();
    let (frames_in, frames_out) = (run.number("total.frames_in"), run.number("total.frames_out"));
    assert_eq!(capture.directions(), (frames_in, frames_out));
    assert_eq!(capture.connections().len(), 300);
    capture.assert_in_order();
    assert!(capture.packets.iter().all(|packet| packet.captured == packet.length));
    assert!(capture.packets.iter().all(|packet| packet.interface == "hf-s:0"));
    assert_clean(&run.pcap);
    // 200 requests, 200 answers; the client may have sent one again.
    let fields = ["-Y", "http", "-T", "fields", "-e", "tcp.stream", "-e", "http.request.method"];
    assert_eq!(tshark(&run.pcap, &fields).lines().collect::<BTreeSet<_>>().len(), 400);
    for part in ["capture to ", "frames in ", "0 dropped"] {
        assert!(run.text.contains(part), "no {part:?} in\n{}", run.text);
    }
}

/// Segments of one connection alternate between the queues, and so between rings: in the file they
/// stand in the order in which they were seen.
#[test]
fn two_queues_are_two_interfaces_in_one_order() {
    let Some(stage) = stage(|spec| Spec { queues: 2, scatter: true, ..spec }) else { return };
    let responder = stage.respond(&format!("{ALL} --mode native"));
    let sources = client_addresses(false);
    stage.clients(&Plan::parallel(at(false, 80), 500, 20).sources(sources).script(request()));
    let run = responder.stop();
    assert_eq!(run.dropped(), 0, "{}", run.text);
    let capture = run.capture();
    capture.assert_in_order();
    for interface in ["hf-s:0", "hf-s:1"] {
        let there = capture.packets.iter().filter(|packet| packet.interface == interface).count();
        assert!(there > 500, "{interface}: {there}");
    }
    // An answer before its question would be an ACK of what was never captured.
    let unseen = tshark(&run.pcap, &["-Y", "tcp.analysis.ack_lost_segment"]);
    assert_eq!(unseen.lines().count(), 0, "{unseen}");
}

#[test]
fn trace_draws_a_connection_from_it() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(ALL);
    stage.clients(&Plan::sequential(at(false, 80), 3).script(request()));
    let run = responder.stop();
    let ((address, port, _), _) = run.capture().connections().pop_first().expect("a connection");
    let flow = format!("{address}:{port}-{OWNED_V4}:80");
    let mut command = Command::new(program());
    command.args(["trace", "--ascii", "--flow", &flow, "--pcap"]).arg(&run.pcap);
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for part in ["SYN-RECEIVED", "ESTABLISHED", "TIME-WAIT", "SYN ACK     seq 0       ack 1"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// The other side: what the bench sends and gets.
#[test]
fn the_bench_captures_too_and_says_so() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(ALL);
    let pcap = stage.file("bench.pcapng");
    let mut command = stage.client().command(program());
    command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "198.18.1.1:81"]);
    command.args(["--connections", "100", "--concurrency", "5", "--quiet", "--poll", "adaptive"]);
    command.args(["--pcap-cpu-percent", "100", "--pcap"]).arg(&pcap);
    let ended = Process::start(command).ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let capture = Capture::read(&pcap);
    assert_clean(&pcap);
    assert!(ended.text.contains(&format!("captured {} of", capture.packets.len())), "{}", ended.text);
    // Neither side sent what the other did not get. The client closes in a segment after its ACK: the
    // server's FIN acknowledges that, or has gone before it, which takes one segment more.
    let server = responder.stop().capture();
    let connections = server.connections();
    assert_eq!(connections.len(), 100);
    assert!(connections.values().all(|segments| (6..=7).contains(segments)), "{connections:?}");
    let segments =
        |capture: &Capture| capture.packets.iter().filter(|packet| packet.connection.is_some()).count();
    assert_eq!(segments(&capture), segments(&server));
}

/// The writer is the least important thread there is, and may do nothing that the others may not.
#[test]
fn the_writer_has_no_privileges_and_the_lowest_priority() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(ALL);
    let threads = threads_of(stage.file("run.pcapng").to_str().expect("UTF-8"));
    let writer: Vec<_> =
        threads.iter().filter(|thread| read(thread, "comm").starts_with("hf-capture")).collect();
    assert_eq!(writer.len(), 1, "{threads:?}");
    let status = read(writer[0], "status");
    assert!(status.contains("CapEff:\t0000000000000000") && status.contains("CapPrm:\t0000000000000000"));
    // The 19th field, counted after the name: 17 others are before it.
    let stat = read(writer[0], "stat");
    let nice = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(16));
    assert_eq!(nice, Some("19"), "{stat}");
    responder.stop();
}

/// Of the program that was given this argument and is not the `ip` that starts it.
fn threads_of(argument: &str) -> Vec<PathBuf> {
    let programs = fs::read_dir("/proc").expect("/proc").filter_map(|entry| Some(entry.ok()?.path()));
    let ours = programs.filter(|program| {
        let line = fs::read(program.join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.any(|word| word == argument.as_bytes())
    });
    let tasks = ours.filter_map(|program| fs::read_dir(program.join("task")).ok()).flatten();
    tasks.filter_map(|task| Some(task.ok()?.path())).collect()
}

fn read(thread: &std::path::Path, name: &str) -> String {
    fs::read_to_string(thread.join(name)).unwrap_or_default()
}
