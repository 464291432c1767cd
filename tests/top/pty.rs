//! The view in a terminal that a test holds the other end of.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlowArg, Termios, tcflow, tcgetattr};
use nix::unistd::Pid;
use support::{ChildGuard, TIMEOUT, program};

use crate::live::Pair;

/// Between two pictures.
const INTERVAL: Duration = Duration::from_millis(200);
/// Sequences at start and end: the alternate screen, the normal screen, the cursor.
const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";
const CURSOR: &str = "\x1b[?25h";

/// `handfast top` in 80 columns and 24 lines. Killed when dropped.
struct Watched {
    child: ChildGuard,
    terminal: OwnedFd,
    keys: File,
    output: Receiver<Vec<u8>>,
    seen: String,
    before: Termios,
}

impl Watched {
    fn start(socket: &Path, environment: &[(&str, &str)]) -> Watched {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).expect("a pseudo-terminal");
        let before = tcgetattr(&slave).expect("a terminal");
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        // With its controlling terminal: that has the size, and signals a new one.
        let mut command = Command::new("setsid");
        command.args(["--ctty", program(), "top", "--socket"]).arg(socket);
        command.args(["--interval", &INTERVAL.as_secs_f64().to_string()]);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(environment.iter().copied());
        command.stdin(end()).stdout(end()).stderr(end());
        let child = ChildGuard::spawn(command);
        let keys = File::from(master.try_clone().expect("a descriptor"));
        let mut reader = File::from(master);
        let (say, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if say.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Watched { child, terminal: slave, keys, output, seen: String::new(), before }
    }

    /// Reads until the output contains it.
    fn sees(&mut self, what: &str) {
        let deadline = Instant::now() + TIMEOUT;
        while !self.seen.contains(what) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("no {what:?} in the end of it, {:?}", self.end())
            };
            self.seen += &String::from_utf8_lossy(&bytes);
        }
    }

    /// What comes from now on.
    fn forget(&mut self) {
        while self.output.recv_timeout(Duration::from_millis(50)).is_ok() {}
        self.seen.clear();
    }

    /// Enough of what came last.
    fn end(&self) -> String {
        let characters: Vec<char> = self.seen.chars().rev().take(1_500).collect();
        characters.into_iter().rev().collect()
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// It has left by itself, and the terminal is as it was.
    fn left(mut self) {
        let code = self.child.code();
        assert_eq!(code, Some(0), "{:?}", self.end());
        self.sees(LEFT);
        self.sees(CURSOR);
        assert_eq!(tcgetattr(&self.terminal).expect("a terminal"), self.before);
    }

    fn resize(&self, columns: u16, lines: u16) {
        let terminal = self.terminal.try_clone().expect("a descriptor");
        let size = ["cols", &columns.to_string(), "rows", &lines.to_string()].map(str::to_owned);
        let done = Command::new("stty").args(size).stdin(terminal).status().expect("it runs");
        assert!(done.success());
    }

    /// While its terminal takes no output, so that it finds both, the size first, when it looks next.
    fn resize_and_press(&mut self, columns: u16, lines: u16, keys: &str) {
        tcflow(&self.terminal, FlowArg::TCOOFF).expect("a terminal");
        thread::sleep(2 * INTERVAL);
        self.resize(columns, lines);
        thread::sleep(INTERVAL / 4);
        self.press(keys);
        thread::sleep(INTERVAL / 4);
        tcflow(&self.terminal, FlowArg::TCOON).expect("a terminal");
    }
}

#[test]
fn it_is_watched_in_a_terminal_and_leaves_it_as_it_was() {
    let Some(mut pair) = Pair::start(&["--rate", "500"]) else { return };
    let mut watched = Watched::start(&pair.sockets[0], &[]);
    for part in [ENTERED, "handfast respond", "established", "? help", "\x1b[38;5;"] {
        watched.sees(part);
    }
    watched.press("?");
    watched.sees("explains");
    watched.press("x");
    watched.forget();
    watched.press("p");
    watched.sees("paused: p resumes");
    watched.press("p\t");
    watched.sees("? help");
    watched.forget();
    watched.resize(160, 50);
    watched.sees("frames/wake-up");
    watched.forget();
    watched.resize(80, 24);
    watched.press("q");
    watched.left();

    // A signal gives the terminal back as well; and where NO_COLOR is set, there was none.
    let mut watched = Watched::start(&pair.sockets[0], &[("NO_COLOR", "1")]);
    watched.sees("established");
    assert!(!watched.seen.contains("\x1b[38;5;"), "{:?}", watched.end());
    kill(Pid::from_raw(watched.child.id() as i32), Signal::SIGTERM).expect("it runs");
    watched.left();

    // After the end of the program the view shows that and the last figures; any key leaves.
    let mut watched = Watched::start(&pair.sockets[1], &[]);
    watched.sees("p99.9");
    watched.forget();
    let running = handfast_pid(&pair);
    kill(running, Signal::SIGTERM).expect("it runs");
    pair.bench.code();
    watched.sees("the program has ended: last figures; any key quits");
    watched.press("x");
    watched.left();
}

/// The benchmark itself, however it was started.
fn handfast_pid(pair: &Pair) -> Pid {
    let status = crate::live::status(&pair.sockets[1]).expect("it answers");
    Pid::from_raw(status.pid as i32)
}

/// One of two events must not wait for a third: a key counts while the window changes its size.
#[test]
fn a_key_in_the_instant_of_a_new_size_counts() {
    let Some(pair) = Pair::start(&["--rate", "500"]) else { return };
    let mut watched = Watched::start(&pair.sockets[0], &[]);
    watched.sees("? help");
    watched.resize_and_press(120, 24, "?");
    watched.sees("explains");
    watched.resize_and_press(80, 24, "x");
    watched.resize_and_press(160, 50, "q");
    watched.left();
}

/// The program answers nothing, the view takes keys: one can leave it.
#[test]
fn quitting_does_not_wait_for_a_program_that_hangs() {
    let Some(pair) = Pair::start(&["--rate", "500"]) else { return };
    let mut watched = Watched::start(&pair.sockets[1], &[]);
    watched.sees("? help");
    let running = handfast_pid(&pair);
    kill(running, Signal::SIGSTOP).expect("it runs");
    watched.press("?");
    watched.sees("explains");
    watched.press("xq");
    watched.left();
    kill(running, Signal::SIGCONT).expect("it runs");
}
