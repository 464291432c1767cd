//! What is printed without a terminal, and what is printed on one.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{ChildGuard, Ended, Process, run, wait_until};

use crate::commands::{Stage, stage};

fn lines(text: &str, with: &str) -> usize {
    text.lines().filter(|line| line.contains(with)).count()
}

fn responder(stage: &Stage) -> Process {
    let mut responder = Process::start(stage.respond(""));
    responder.await_line("ready");
    responder
}

#[test]
fn no_line_of_rates_goes_to_a_file_unless_asked() {
    let Some(stage) = stage() else { return };
    for (arguments, wanted) in
        [("", 0..=0), ("--interval 0.1", 5..=100), ("--interval 0", 0..=0), ("--interval 0.1 --quiet", 0..=0)]
    {
        let ended = run(stage.respond(&format!("--duration 1.5 {arguments}")));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(wanted.contains(&lines(&ended.out, " SYN/s ")), "{arguments}: {ended:?}");
        assert!(ended.out.contains("summary of") && ended.err.is_empty(), "{arguments}: {ended:?}");
    }
    let _responder = responder(&stage);
    for (arguments, wanted) in [("", 0..=0), ("--interval 0.1", 5..=100), ("--interval 0.1 --quiet", 0..=0)] {
        let ended = run(stage.bench(&format!("--duration 1.5 --rate 50 {arguments}")));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(wanted.contains(&lines(&ended.err, " in flight ")), "{arguments}: {ended:?}");
        assert!(ended.out.contains("p99"), "{arguments}: {ended:?}");
    }
}

/// What a program prints to a terminal of 80 columns, as far as it has.
struct Terminal {
    child: ChildGuard,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    /// In its foreground, or in its background, as with a shell's `&`.
    fn show(command: &Command, foreground: bool) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a pseudo-terminal");
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        let mut session = Command::new("setsid");
        session.arg("--ctty");
        if !foreground {
            session.args(["bash", "-c", "set -m; \"$@\" & wait", "bash"]);
        }
        session.arg(command.get_program()).args(command.get_args()).env_remove("NO_COLOR");
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it runs");
        let seen = Arc::<Mutex<String>>::default();
        let (mut master, shown) = (File::from(master), seen.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                shown.lock().expect("no panic").push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Terminal { child: ChildGuard(child), seen }
    }

    fn text(&self) -> String {
        self.seen.lock().expect("no panic").replace('\r', "")
    }

    fn sees(&self, what: &str) {
        wait_until(what, || self.text().contains(what));
    }

    fn assert_fits(&self) {
        let text = self.text();
        // A colour has no width: ESC [ digits m.
        let width = |line: &str| {
            let parts = line.split('\x1b').enumerate();
            let seen = |(number, part): (usize, &str)| match number {
                0 => part.chars().count(),
                _ => part.split_once('m').map_or(0, |(_, rest)| rest.chars().count()),
            };
            parts.map(seen).sum::<usize>()
        };
        let long = text.lines().find(|line| width(line) > 80);
        assert_eq!(long, None, "{text}");
    }
}

#[test]
fn on_a_terminal_a_line_says_what_happened_and_none_that_nothing_did() {
    let Some(stage) = stage() else { return };
    let seen = Terminal::show(&stage.respond("--duration 8"), true);
    seen.sees("ready: ");
    let ended = run(stage.bench("--connections 20 --concurrency 2"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    seen.sees(" established/s");
    seen.sees("summary of");
    let mut seen = seen;
    assert_eq!(seen.child.code(), Some(0));
    let text = seen.text();
    // Frames of the client's kernel come now and then; no second in which nothing does has a line.
    let rates: Vec<&str> = text.lines().filter(|line| line.contains(" SYN/s ")).collect();
    let idle = rates.iter().filter(|line| line.contains("    0 frames/s")).count();
    assert!(!rates.is_empty() && rates.len() < 8, "{text}");
    // Such a line reports connections that have left TIME-WAIT.
    assert!(idle <= 1, "{text}");
    seen.assert_fits();
}

#[test]
fn in_the_background_of_a_terminal_it_leaves_the_prompt_alone() {
    let Some(stage) = stage() else { return };
    let mut seen = Terminal::show(&stage.respond("--duration 4"), false);
    seen.sees("ready: ");
    let ended = run(stage.bench("--duration 1.5 --rate 50"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    seen.sees("summary of");
    assert_eq!(seen.child.code(), Some(0));
    assert_eq!(lines(&seen.text(), " SYN/s "), 0, "{}", seen.text());
    seen.assert_fits();
}

#[test]
fn what_bench_doctor_and_mistakes_print_fits_the_terminal() {
    let Some(stage) = stage() else { return };
    let _responder = responder(&stage);
    let mut doctor = stage.server().command(support::program());
    doctor.args(["doctor", "--dev", handfast_lab::SERVER_DEVICE]);
    let mistake = stage.respond("--dev a-name-that-no-interface-has-not-even-by-far-with-so-many-letters");
    for command in [stage.bench("--duration 2.5 --rate 50"), doctor, mistake] {
        let mut seen = Terminal::show(&command, true);
        let _ = seen.child.code();
        wait_until("it has printed", || !seen.text().is_empty());
        thread::sleep(std::time::Duration::from_millis(200));
        seen.assert_fits();
    }
}

/// A script waits for the file, and finds whom to signal in it.
#[test]
fn a_script_knows_when_it_answers() {
    let Some(stage) = stage() else { return };
    let ready = stage.file("ready");
    let mut command = stage.respond("--quiet --ready-file");
    let child = command.arg(&ready).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = ChildGuard(child.expect("it runs"));
    wait_until("it is ready", || ready.exists());
    let number: i32 = std::fs::read_to_string(&ready).expect("a file").trim().parse().expect("a number");
    assert_eq!(number, child.0.id() as i32);
    let Ended { code, out, err, .. } = run(stage.bench("--connections 10 --concurrency 1"));
    assert_eq!(code, Some(0), "{out}{err}");
    kill(Pid::from_raw(number), Signal::SIGTERM).expect("it runs");
    assert_eq!(child.code(), Some(0));
    assert!(!ready.exists());
}
