//! Captures that leave something out on purpose.

use handfast_lab::load::Plan;
use support::{Process, at};

use crate::reader::{assert_clean, tshark};

use crate::capturing::stage;

#[test]
fn a_filter_keeps_one_port_and_the_file_says_so() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond("--filter 81 --pcap-cpu-percent 100");
    stage.clients(&Plan::sequential(at(false, 81), 20));
    stage.clients(&Plan::sequential(at(false, 80), 20).script(handfast_lab::load::ClientScript::CloseFirst));
    let run = responder.stop();
    let capture = run.capture();
    let connections = capture.connections();
    assert_eq!(connections.len(), 20);
    assert!(connections.keys().all(|(_, _, port)| *port == 81), "{connections:?}");
    assert!(capture.packets.iter().all(|packet| packet.connection.is_some()), "no ARP");
    assert!(run.number("capture.left_out") >= 20 * 5, "{}", run.text);
    assert_eq!(run.dropped(), 0, "{}", run.text);
    assert_clean(&run.pcap);
}

/// Of each connection everything or nothing.
#[test]
fn a_sample_keeps_conversations_whole() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond("--sample 1/4 --pcap-cpu-percent 100");
    stage.clients(&Plan::parallel(at(false, 81), 400, 10));
    let run = responder.stop();
    assert_eq!(run.dropped(), 0, "{}", run.text);
    let connections = run.capture().connections();
    assert!((50..150).contains(&connections.len()), "{} of 400", connections.len());
    assert!(connections.values().all(|segments| *segments >= 6), "{connections:?}");
    let ends = tshark(&run.pcap, &["-Y", "tcp.flags.syn == 1 and tcp.flags.ack == 0"]).lines().count();
    assert_eq!(ends, connections.len());
    assert_clean(&run.pcap);
}

#[test]
fn a_snap_length_cuts_frames_and_not_their_lengths() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond("--snaplen 60 --pcap-cpu-percent 100");
    stage.clients(&Plan::sequential(at(false, 81), 5));
    let run = responder.stop();
    let capture = run.capture();
    assert!(capture.packets.iter().all(|packet| packet.captured == packet.length.min(60)));
    // A SYN with the options of Linux is longer.
    assert!(capture.packets.iter().any(|packet| packet.length == 74), "{:?}", capture.packets);
}

#[test]
fn wrong_arguments_end_with_code_2() {
    let Some(stage) = stage(|spec| spec) else { return };
    for (arguments, part) in [
        ("--sample 1/8", "--pcap"),
        ("--pcap x --sample 8", "write 1/100 or 1%"),
        ("--pcap x --snaplen 10", "from 54"),
        ("--pcap x --filter 0", "0"),
        ("--pcap x --pcap-cpu-percent 101", "101"),
    ] {
        let mut command = stage.command();
        command.args(arguments.split_whitespace());
        let ended = Process::start(command).ended();
        assert_eq!(ended.code, Some(2), "{arguments}: {}", ended.text);
        assert!(ended.text.contains(part), "{arguments}: {}", ended.text);
    }
}
