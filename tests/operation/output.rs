//! Standard output and standard error that take nothing: no panic, no lost result, and an exit code.

use std::fs::File;
use std::process::{Command, Stdio};

use support::{ChildGuard, json, program};

use crate::commands::stage;

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

fn code(mut command: Command, out: Stdio, err: Stdio) -> Option<i32> {
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    ChildGuard(child.expect("it runs")).code()
}

fn handfast(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    command
}

#[test]
fn what_takes_nothing_ends_no_run_and_loses_no_result() {
    let Some(stage) = stage() else { return };
    type Open = fn() -> Stdio;
    let streams: [(&str, Open, Open, i32); 4] = [
        ("stderr closed", Stdio::null, closed, 0),
        ("stderr full", Stdio::null, full, 0),
        ("stdout full", full, Stdio::null, 1),
        ("both full", full, full, 1),
    ];
    for (what, out, err, expected) in streams {
        let (served, called) = (stage.file("respond.json"), stage.file("bench.json"));
        let ready = stage.file("ready");
        let mut respond = stage.respond("--duration 3 --interval 0.1");
        respond.arg("--json").arg(&served).arg("--ready-file").arg(&ready);
        let mut responder =
            ChildGuard(respond.stdin(Stdio::null()).stdout(out()).stderr(err()).spawn().expect("it runs"));
        support::wait_until("it is ready", || ready.exists());
        let mut bench = stage.bench("--connections 200 --concurrency 4 --interval 0.01 --json");
        bench.arg(&called);
        assert_eq!(code(bench, out(), err()), Some(expected), "bench, {what}");
        assert_eq!(responder.code(), Some(expected), "respond, {what}");
        assert_eq!(json(&called)["connections"]["completed"], 200, "{what}");
        assert_eq!(json(&served)["total"]["established"], 200, "{what}");
        std::fs::remove_file(&served).and_then(|()| std::fs::remove_file(&called)).expect("both are there");
    }
}

/// Results too: `--json - | head -1` is no failure.
#[test]
fn results_on_standard_output_may_be_read_in_part() {
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/right.json");
    for option in ["--json", "--csv", "--html"] {
        let command = handfast(&["report", "show", results, option, "-"]);
        assert_eq!(code(command, closed(), Stdio::null()), Some(0), "{option}");
        let command = handfast(&["report", "show", results, option, "-"]);
        assert_eq!(code(command, full(), Stdio::null()), Some(1), "{option}");
    }
}

/// Whatever it prints; the first column is what a shell would do.
#[test]
fn every_command_says_by_its_exit_code_that_its_output_is_lost() {
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/right.json");
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/missing.pcap");
    for (good, arguments) in [
        (0, &["--help"][..]),
        (0, &["--version"]),
        (0, &["respond", "--help"]),
        (0, &["report", "show", results]),
        (0, &["completions", "bash"]),
        (0, &["man"]),
        (0, &["lab", "trace"]),
        (1, &["doctor", "--dev", "no-such"]),
        (1, &["doctor", "--json", "--dev", "no-such"]),
        (1, &["trace", "--pcap", capture]),
        (2, &["respond", "--nonsense"]),
        (1, &["respond", "--dev", "no-such", "--listen", "10.0.0.1:80"]),
    ] {
        let prints = good == 0 || arguments[0] == "doctor";
        let lost = if prints { 1 } else { good };
        assert_eq!(code(handfast(arguments), full(), Stdio::null()), Some(lost), "{arguments:?} >/dev/full");
        assert_eq!(code(handfast(arguments), closed(), Stdio::null()), Some(good), "{arguments:?} | true");
        assert_eq!(code(handfast(arguments), Stdio::null(), full()), Some(good), "{arguments:?} 2>/dev/full");
        assert_eq!(code(handfast(arguments), closed(), closed()), Some(good), "{arguments:?} 2>&1 | true");
    }
}

/// A reader that stops reading, as of a pager or a terminal that is held, holds up nothing.
#[test]
fn a_reader_that_takes_nothing_is_not_waited_for() {
    let Some(stage) = stage() else { return };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(flags)).expect("a pipe");
    while std::io::Write::write(&mut writer, &[b'.'; 4096]).is_ok() {}
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).expect("a pipe");
    let (served, ready) = (stage.file("respond.json"), stage.file("ready"));
    let mut respond = stage.respond("--interval 0.1 --json");
    respond.arg(&served).arg("--ready-file").arg(&ready);
    respond.stdout(writer.try_clone().expect("a descriptor")).stderr(Stdio::null());
    let mut responder = ChildGuard(respond.spawn().expect("it runs"));
    support::wait_until("it is ready", || ready.exists());
    let bench = stage.bench("--connections 20 --concurrency 2");
    assert_eq!(code(bench, Stdio::null(), Stdio::null()), Some(0));
    let number = nix::unistd::Pid::from_raw(responder.0.id() as i32);
    nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    assert_eq!(responder.code(), Some(1));
    assert_eq!(json(&served)["total"]["established"], 20);
    drop(reader);
}

/// A responder has no other end than its reader's; a bench with a file for its results has.
#[test]
fn a_reader_that_has_gone_ends_what_has_no_end_of_its_own() {
    let Some(stage) = stage() else { return };
    let (served, called) = (stage.file("respond.json"), stage.file("bench.json"));
    let mut respond = stage.respond("--json");
    respond.arg(&served);
    assert_eq!(code(respond, closed(), Stdio::null()), Some(0));
    assert_eq!(json(&served)["total"]["established"], 0);

    let ready = stage.file("ready");
    let mut respond = stage.respond("--duration 30 --ready-file");
    let respond = respond.arg(&ready).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _respond = ChildGuard(respond.expect("it runs"));
    support::wait_until("it is ready", || ready.exists());
    let mut bench = stage.bench("--connections 100 --concurrency 4 --json");
    bench.arg(&called);
    assert_eq!(code(bench, closed(), Stdio::null()), Some(0));
    assert_eq!(json(&called)["connections"]["completed"], 100);
    let bench = stage.bench("--concurrency 4 --duration 3600");
    assert_eq!(code(bench, closed(), Stdio::null()), Some(0));
}
