//! Files that take no more, and too much to copy: the responder goes on.

use std::process::Command;
use std::time::Duration;
use std::{fs, mem, thread};

use handfast_lab::load::Plan;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use support::{ChildGuard, Process, at, program, wait_until};

use crate::reader::{Capture, tshark};

use crate::capturing::stage;

/// On a disk of 64 KiB, in a mount namespace of the process's own: the capture ends with whole packets
/// and true counts, connections go on.
#[test]
fn a_full_disk_ends_the_capture_and_nothing_else() {
    let Some(stage) = stage(|spec| spec) else { return };
    let (disk, kept) = (stage.file("disk"), stage.file("kept.pcapng"));
    fs::create_dir(&disk).expect("a directory");
    let pcap = disk.join("run.pcapng");
    let respond = stage.command();
    let responder: Vec<String> =
        respond.get_args().skip(3).map(|argument| argument.to_string_lossy().into_owned()).collect();
    let script = "disk=$1 kept=$2; shift 2; mount -t tmpfs -o size=64k none $disk &&
        \"$@\" --pcap $disk/run.pcapng --pcap-cpu-percent 100 --duration 4; code=$?
        cp $disk/run.pcapng $kept; exit $code";
    let mut command = stage.server().command("sh");
    command.args(["-c", script, "sh"]).arg(&disk).arg(&kept).args(&responder);
    let responder = stage.started(command, kept);
    stage.clients(&Plan::parallel(at(false, 81), 300, 10));
    let run = responder.ended();
    assert!(!pcap.exists(), "the disk was this process's alone");
    assert_eq!(run.number("total.established"), 300);
    for part in ["warning: the capture has ended", "No space left", "note: the capture ended early"] {
        assert!(run.text.contains(part), "no {part:?} in\n{}", run.text);
    }
    assert!(run.number("capture.dropped.unwritten") > 500, "{}", run.text);
    assert!(run.number("capture.bytes") <= 65_536 && run.number("capture.captured") > 300, "{}", run.text);
    // Whole blocks to the end.
    run.capture().assert_in_order();
    assert_eq!(tshark(&run.pcap, &["-Y", "_ws.malformed"]), "");
}

#[test]
fn what_cannot_be_written_at_all_ends_it_before_it_starts() {
    let Some(stage) = stage(|spec| spec) else { return };
    let fifo = stage.file("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    for (path, part) in [
        (stage.file("nowhere/run.pcapng"), "fix: name a file in a directory"),
        (fifo, "fix: start the reader of the pipe first, as in: tshark -i "),
    ] {
        let mut command = stage.command();
        command.arg("--pcap").arg(&path);
        let ended = Process::start(command).ended();
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.text.contains("cannot write") && ended.text.contains(part), "{}", ended.text);
    }
}

/// A reader of a pipe gets the file; one that goes away ends the capture.
#[test]
fn a_pipe_is_read_while_it_goes_on() {
    let Some(stage) = stage(|spec| spec) else { return };
    let (fifo, kept) = (stage.file("fifo"), stage.file("kept.pcapng"));
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    let reader = |command: &str| {
        let mut shell = Command::new("sh");
        ChildGuard::spawn(shell.args(["-c", command, "sh"]).arg(&fifo).arg(&kept))
    };
    // Opened for reading and writing, so that it neither waits for a writer nor ends before it.
    let mut cat = reader("exec 3<>\"$1\"; echo >\"$2\".there; exec head -c 60000 <&3 >\"$2\"");
    wait_until("the reader reads", || kept.with_extension("pcapng.there").exists());
    let mut responder = stage.respond_to(fifo.clone(), "--pcap-cpu-percent 100");
    stage.clients(&Plan::sequential(at(false, 81), 300));
    cat.code();
    stage.clients(&Plan::sequential(at(false, 81), 300));
    // The writer has the lowest priority: on a busy machine it finds out later than the end is.
    responder.process.await_line("warning: the capture has ended");
    let run = responder.stop();
    assert_eq!(run.number("total.established"), 600);
    assert!(run.text.contains("Broken pipe"), "{}", run.text);
    let bytes = fs::read(&kept).expect("what was read");
    assert_eq!(bytes.len(), 60_000);
    let ours = Command::new(program()).args(["trace", "--pcap"]).arg(&kept).output().expect("runs");
    let text = String::from_utf8_lossy(&ours.stdout);
    assert!(text.contains("connections in"), "{text}");
}

/// A reader that stops reading holds up neither the responder nor its end.
#[test]
fn a_pipe_that_is_not_emptied_is_given_up_at_the_end() {
    let Some(stage) = stage(|spec| spec) else { return };
    let fifo = stage.file("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a pipe");
    let _reader = fs::File::options().read(true).write(true).open(&fifo).expect("both ends");
    let responder = stage.respond_to(fifo, "--pcap-cpu-percent 100");
    stage.clients(&Plan::parallel(at(false, 81), 300, 10));
    let run = responder.stop();
    assert_eq!(run.number("total.established"), 300);
    assert!(run.number("capture.dropped.unwritten") > 300, "{}", run.text);
    assert!(run.text.contains("the reader of the pipe does not read"), "{}", run.text);
}

/// What a killed responder leaves can be read.
#[test]
fn a_killed_responder_leaves_whole_packets() {
    /// Of 50 connections with five segments (the client's ACK and FIN in one) or six.
    const PACKETS: usize = 200;
    /// Bytes of a block: its head and end, and the largest frame, Linux's SYN with its options.
    const LARGEST: u64 = 44 + 80;
    let Some(stage) = stage(|spec| spec) else { return };
    let pcap = stage.file("run.pcapng");
    let mut command = stage.command();
    command.args(["--pcap-cpu-percent", "100", "--pcap"]).arg(&pcap);
    let process = Process::ready(command);
    stage.clients(&Plan::sequential(at(false, 81), 50));
    // Of that length it has at least these packets. Then until the file has come to rest: a
    // signal that kills may end a write between two pages.
    let bytes = || fs::metadata(&pcap).map_or(0, |file| file.len());
    wait_until("packets are written", || bytes() > PACKETS as u64 * LARGEST);
    let mut before = 0;
    wait_until("the file rests", || {
        thread::sleep(Duration::from_millis(100));
        bytes() == mem::replace(&mut before, bytes())
    });
    process.signal(Signal::SIGKILL);
    assert_eq!(process.ended().code, None);
    assert!(Capture::read(&pcap).packets.len() >= PACKETS);
}

/// One percent of a core's time is too little for a flood: what is left out is counted, the file notes
/// where, and every SYN is answered all the same.
#[test]
fn copying_keeps_to_its_share_and_says_what_it_left_out() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond("--pcap-cpu-percent 1 --cookies always --cookie-tier engine --cores 0");
    let mut command = stage.client().command(program());
    command.args(["bench", "--dev", handfast_lab::CLIENT_DEVICE, "--source", handfast_lab::SOURCES_V4]);
    command.args(["198.18.1.1:81", "--workload", "flood", "--connections", "100000", "--quiet"]);
    let ended = Process::start(command).ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    // A batch in which the core was taken away is paid for by nothing for a second: which may have been
    // the rest of the flood. After it a frame notes what was left out before it.
    thread::sleep(Duration::from_millis(1_500));
    stage.clients(&Plan::sequential(at(false, 81), 1));
    let run = responder.stop();
    let over = run.number("capture.dropped.over_budget");
    assert!(over > 0 && run.text.contains("budget of copying was used up"), "{}", run.text);
    assert!(run.number("capture.captured") > 0, "{}", run.text);
    let capture: Capture = run.capture();
    capture.assert_in_order();
    assert!(tshark(&run.pcap, &["-Y", "frame.drop_count > 0"]).lines().count() > 0, "the file says where");
    assert_eq!(tshark(&run.pcap, &["-Y", "_ws.malformed"]), "");
}
