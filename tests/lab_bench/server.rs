//! The servers and the client of these tests, in the network of one test.

use std::process::Command;

use handfast_lab::{CLIENT_DEVICE, Lab, Namespace, SERVER_MAC};
use serde_json::Value;
use support::{Process, program};

/// A server that is ready. Dropping it ends it.
pub struct Server(Process);

impl Server {
    pub fn start(namespace: &Namespace, arguments: &[&str]) -> Server {
        let mut command = namespace.command(program());
        command.args(arguments);
        Server(Process::ready(command))
    }

    /// Ends it. Its report.
    pub fn stop(self) -> Value {
        let text = self.end();
        let line = text.lines().find(|line| line.starts_with('{')).unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// Ends it. What it printed.
    pub fn end(self) -> String {
        self.0.stop().out
    }
}

/// The bare client to its end, and its report.
pub fn replay_client(lab: &Lab, peer: &str, arguments: &[&str]) -> Value {
    let mut command = lab.client().command(program());
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
