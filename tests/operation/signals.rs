//! Signals: after any number of them the results are printed and the labs are removed.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{ChildGuard, Ended, Process, json, program, root, run, wait_until};

use crate::commands::{Stage, stage};

/// As timeout(1) sends it: to the program, and to its process group.
#[test]
fn two_signals_at_once_leave_the_summary() {
    let Some(stage) = stage() else { return };
    let mut responder = respond(&stage, "");
    responder.await_line("ready");
    let mut bench = timed(stage.bench("--concurrency 2 --duration 60 --json"), "3");
    bench.arg(stage.file("bench.json"));
    let ended = run(bench);
    assert_eq!(ended.code, Some(124), "{ended:?}");
    assert!(ended.out.contains("ended early"), "{ended:?}");
    assert!(json(&stage.file("bench.json"))["connections"]["completed"].as_u64() > Some(0));
    for signal in [Signal::SIGTERM, Signal::SIGTERM] {
        responder.signal(signal);
    }
    let Ended { code, text, .. } = responder.ended();
    assert_eq!(code, Some(0), "{text}");
    assert!(json(&stage.file("respond.json"))["total"]["established"].as_u64() > Some(0), "{text}");
}

/// The same command under timeout(1).
fn timed(command: Command, seconds: &str) -> Command {
    let mut timed = Command::new("timeout");
    timed.args(["--kill-after", "30", seconds]).arg(command.get_program()).args(command.get_args());
    timed
}

fn respond(stage: &Stage, arguments: &str) -> Process {
    let mut command = stage.respond(arguments);
    command.arg("--json").arg(stage.file("respond.json"));
    Process::start(command)
}

/// Connections whose peers never close, of which an end by FIN waits for five minutes.
#[test]
fn a_storm_of_signals_cuts_the_end_short_and_the_summary_stays() {
    let Some(stage) = stage() else { return };
    for storm in [2, 40] {
        let hold = "--listen 198.18.1.9:7=hold --on-stop fin --on-stop-within 300";
        let mut responder = respond(&stage, hold);
        responder.await_line("ready");
        let connect = || TcpStream::connect("198.18.1.9:7").expect("connected");
        let streams: Vec<TcpStream> =
            stage.in_client(|| (0..5).map(|_| connect()).collect()).expect("inside");
        responder.signal(Signal::SIGTERM);
        responder.await_line("ending");
        for number in 1..storm {
            let signal = if number % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM };
            // It may have ended by now.
            let _ = kill(Pid::from_raw(responder.id() as i32), signal);
            thread::sleep(Duration::from_millis(20));
        }
        let Ended { code, text, .. } = responder.ended();
        assert_eq!(code, Some(0), "{storm}: {text}");
        let summary = json(&stage.file("respond.json"));
        let total = |name: &str| summary["total"][name].as_u64().expect("a count");
        assert_eq!((total("established"), total("stop_notices")), (5, 5), "{text}");
        drop(streams);
    }
}

#[test]
fn a_storm_of_signals_leaves_a_bench_its_results() {
    let Some(stage) = stage() else { return };
    let mut responder = respond(&stage, "--listen 198.18.1.9:7=hold");
    responder.await_line("ready");
    for load in ["--concurrency 8 --duration 600", "--connections 100 --workload hold --duration 600"] {
        let mut command = stage.bench(load);
        command.arg("--json").arg(stage.file("bench.json"));
        let mut bench = Process::start(command);
        bench.await_line("active");
        // Something is measured by then.
        thread::sleep(Duration::from_millis(500));
        for _ in 0..20 {
            let _ = kill(Pid::from_raw(bench.id() as i32), Signal::SIGINT);
            thread::sleep(Duration::from_millis(5));
        }
        let Ended { text, .. } = bench.ended();
        let results = json(&stage.file("bench.json"));
        assert!(results["connections"]["attempted"].as_u64() > Some(0), "{load}: {text}");
        std::fs::remove_file(stage.file("bench.json")).expect("it is there");
    }
}

/// The end of the terminal ends the program like any other signal, unless nohup(1) ignores it.
#[test]
fn a_hangup_leaves_the_summary_and_nohup_the_run() {
    let Some(stage) = stage() else { return };
    for (ignored, ends) in [(false, true), (true, false)] {
        let command = stage.respond("--json");
        let mut env = stage.server().command("env");
        env.arg(if ignored { "--ignore-signal=HUP" } else { "--default-signal=HUP" });
        // Behind `ip netns exec NAME`.
        env.args(command.get_args().skip(3)).arg(stage.file("respond.json"));
        let mut responder = Process::start(env);
        responder.await_line("ready");
        responder.signal(Signal::SIGHUP);
        if !ends {
            let bench = run(stage.bench("--connections 10 --concurrency 1"));
            assert_eq!(bench.code, Some(0), "{bench:?}");
            responder.signal(Signal::SIGTERM);
        }
        let Ended { code, text, .. } = responder.ended();
        assert_eq!(code, Some(0), "{text}");
        let established = if ends { 0 } else { 10 };
        assert_eq!(json(&stage.file("respond.json"))["total"]["established"], established, "{text}");
    }
}

fn namespaces(of: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&format!("hf-{of}"))).collect()
}

/// Ctrl-C on a terminal goes to `ip` as well, which makes and removes the namespaces.
#[test]
fn what_plays_in_labs_leaves_none_whenever_it_is_interrupted() {
    let Some(()) = root() else { return };
    let name = format!("i{}", std::process::id());
    for (signal, after) in [(Signal::SIGINT, 1), (Signal::SIGTERM, 300), (Signal::SIGHUP, 700)] {
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP", program(), "lab", "trace", "--all", "--name", &name]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut playing = ChildGuard(command.spawn().expect("it runs"));
        wait_until("a lab is there", || !namespaces(&name).is_empty());
        thread::sleep(Duration::from_millis(after));
        for _ in 0..5 {
            let _ = kill(Pid::from_raw(-(playing.0.id() as i32)), signal);
            thread::sleep(Duration::from_millis(20));
        }
        let code = playing.code();
        assert_eq!(namespaces(&name), [""; 0], "after {signal}");
        assert_eq!(code, Some(130), "{signal}");
    }
}

#[test]
fn a_lab_that_is_interrupted_while_it_is_made_is_taken_down() {
    let Some(()) = root() else { return };
    let name = format!("u{}", std::process::id());
    let mut command = Command::new(program());
    command.args(["lab", "up", "--bridge", "--name", &name]).stdout(Stdio::null()).process_group(0);
    let mut making = ChildGuard(command.spawn().expect("it runs"));
    wait_until("a namespace is there", || !namespaces(&name).is_empty());
    let _ = kill(Pid::from_raw(-(making.0.id() as i32)), Signal::SIGINT);
    assert_eq!(making.code(), Some(130));
    assert_eq!(namespaces(&name), [""; 0]);
}
