//! The network of one test, and the programs in it.

#[path = "../support/skip.rs"]
mod skip;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use handfast_lab::{CLIENT_DEVICE, Lab, Namespace, SERVER_MAC, Spec};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

pub use skip::root;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// A name that no other test has.
pub fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("b{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A lab of this test's own. `None`, said loudly, where it cannot be made.
pub fn lab(change: impl FnOnce(Spec) -> Spec) -> Option<Lab> {
    root()?;
    Some(Lab::up(&change(Spec::new(name()))).expect("the lab"))
}

/// A server that has said `ready`. Dropping it ends it.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Server {
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Server {
        let mut command = namespace.command(PROGRAM);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("ip netns exec");
        let mut server = Server { out: BufReader::new(child.stdout.take().expect("piped")), child };
        let mut line = String::new();
        while !line.starts_with("ready") {
            line.clear();
            let length = server.out.read_line(&mut line).expect("text");
            assert!(length > 0, "{arguments:?} ended before it was ready");
        }
        server
    }

    /// Asks it to end, and reads its report.
    pub fn stop(self) -> Value {
        let text = self.end();
        let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Asks it to end, and returns what it says on its way out.
    pub fn end(mut self) -> String {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("it is there");
        let mut text = String::new();
        self.out.read_to_string(&mut text).expect("text");
        assert!(self.child.wait().expect("waited").success(), "{text}");
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bare client to its end, and its report.
pub fn replay_client(lab: &Lab, peer: &str, arguments: &[&str]) -> Value {
    let mut command = lab.client().command(PROGRAM);
    command.args(["lab", "ceiling", "replay-client", "--dev", CLIENT_DEVICE, "--peer-mac", SERVER_MAC]);
    report(command.args(["--peer", peer, "--seconds", "60"]).args(arguments))
}

fn report(command: &mut Command) -> Value {
    let output = command.output().expect("ip netns exec");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

/// Several counts of a report at once.
pub fn counts<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| report[name].as_u64().unwrap_or_else(|| panic!("no {name} in {report}")))
}
