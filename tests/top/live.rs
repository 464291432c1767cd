//! The command with programs that run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use handfast_control::{Client, Status};
use handfast_lab::{CLIENT_DEVICE, Lab, SOURCES_V4, Spec};
use support::{ChildGuard, Responder, lab, owned, program, wait_until_within};
use tempfile::TempDir;

/// A responder, and a benchmark that calls it until it is dropped.
pub struct Pair {
    _responder: Responder,
    pub bench: ChildGuard,
    /// Of the responder, of the benchmark.
    pub sockets: [PathBuf; 2],
    _folder: TempDir,
    _lab: Lab,
}

impl Pair {
    /// Called all the time; `None` where there is no lab.
    pub fn start(workload: &[&str]) -> Option<Pair> {
        Pair::on(2, &["--cores", "0,1"], workload)
    }

    /// With this number of queues, and these arguments to either side.
    pub fn on(queues: u32, answers: &[&str], workload: &[&str]) -> Option<Pair> {
        let lab = lab(|spec| Spec { queues, ..spec })?;
        let folder = TempDir::new().expect("a directory");
        let sockets = ["respond.sock", "bench.sock"].map(|name| folder.path().join(name));
        let listener = owned(false, "80=close");
        let place = sockets[0].to_str().expect("UTF-8");
        let answers = [answers, &["--listen", &listener, "--max-connections", "20000", "--control", place]];
        let responder = Responder::start(&lab, &answers.concat());
        let mut command = lab.client().command(program());
        command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "198.18.1.1:80", "--quiet"]);
        command.args(["--duration", "600", "--poll", "adaptive", "--cores", "1"]).args(workload);
        command.arg("--control").arg(&sockets[1]).stdout(Stdio::null());
        let bench = ChildGuard::spawn(command);
        let pair = Pair { _responder: responder, bench, sockets, _folder: folder, _lab: lab };
        // Where everything else on the machine is at work too, the first ones take long.
        wait_until_within(Duration::from_secs(90), "connections", || {
            std::thread::sleep(Duration::from_millis(100));
            status(&pair.sockets[1]).is_some_and(|status| status.total.established > 20)
        });
        Some(pair)
    }
}

pub fn status(socket: &Path) -> Option<Status> {
    Client::connect(socket).ok()?.status().ok()
}

/// What `top` prints with these arguments.
pub fn printed(socket: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program())
        .args(["top", "--once", "--socket"])
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// The figure in the line with this name, at this place after it.
fn figure(picture: &str, name: &str, place: usize) -> f64 {
    let line = picture.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let words: Vec<&str> = line.unwrap_or_else(|| panic!("{name}\n{picture}")).split_whitespace().collect();
    words
        .get(place)
        .and_then(|word| word.replace(',', "").parse().ok())
        .unwrap_or_else(|| panic!("{picture}"))
}

#[test]
fn a_locale_without_utf8_gets_ascii() {
    let Some(pair) = Pair::start(&["--rate", "500"]) else { return };
    for (locale, is_ascii) in [("C", true), ("C.UTF-8", false)] {
        let mut top = Command::new(program());
        let top = top.args(["top", "--once", "--socket"]).arg(&pair.sockets[0]).env("LC_ALL", locale);
        let output = top.stdin(Stdio::null()).output().expect("it runs");
        assert!(output.status.success() && output.stdout.len() > 500, "{output:?}");
        assert_eq!(output.stdout.is_ascii(), is_ascii, "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn it_prints_what_both_sides_do() {
    let Some(pair) = Pair::start(&["--rate", "500"]) else { return };
    let look = || status(&pair.sockets[0]).expect("it answers");
    let before = look();
    let picture = printed(&pair.sockets[0], &["--interval", "2"]);
    let after = look();
    assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    let total = figure(&picture, "established", 1);
    let around = before.total.established as f64..=after.total.established as f64;
    assert!(around.contains(&total), "{around:?}:\n{picture}");
    // 500 a second are asked for; how many there are is the machine's. But no more were established in the
    // 2 s of the picture, a late first answer taken off, than in the time around them; nor far fewer.
    let rate = figure(&picture, "established", 0);
    let (all, seconds) = (around.end() - around.start(), after.uptime_s - before.uptime_s);
    assert!(1.5 * rate <= all && 4.0 * rate * seconds >= all, "{all} in {seconds} s:\n{picture}");
    for part in [
        "handfast respond on hf-s",
        "198.18.1.0/24:80=close",
        "hf-s 0",
        "hf-s 1",
        "socket_tcp",
        "ended so far",
    ] {
        assert!(picture.contains(part), "{part}\n{picture}");
    }

    let picture = printed(&pair.sockets[1], &["--width", "120"]);
    for part in ["handfast bench on hf-c", "target 198.18.1.1:80", "p99.9", "SYN sent"] {
        assert!(picture.contains(part), "{part}\n{picture}");
    }
    assert!(picture.lines().any(|line| line.chars().count() > 100), "{picture}");
    let [p50, p99, most] = [0, 1, 3].map(|place| {
        let latency = picture.split("latency, µs").nth(1).expect("latencies");
        figure(latency, "established", place)
    });
    assert!(0.0 < p50 && p50 <= p99 && p99 <= most, "{picture}");
}

/// Without a terminal there is nothing to watch on, and without a program nothing to watch.
#[test]
fn what_cannot_be_shown_is_said_with_the_way_out() {
    for (arguments, says) in [
        (&["top"][..], "fix: handfast top --once"),
        (&["top", "--once", "--socket", "/nonexistent"], "no program answers at /nonexistent"),
        (&["top", "--once", "--interval", "0.01"], "write seconds from 0.1 to 30"),
    ] {
        let output = Command::new(program()).args(arguments).stdin(Stdio::null()).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}
