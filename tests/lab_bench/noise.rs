//! Runs that other programs disturbed are reported as such.

use std::process::{Command, Stdio};

use serde_json::Value;
use support::ChildGuard;

/// A loop that never ends.
fn busy() -> ChildGuard {
    ChildGuard::spawn(Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()))
}

#[test]
fn other_programs_are_measured_and_said_and_their_runs_made_again() {
    let Some(()) = support::root() else { return };
    // Two for each core of the machine: none is left for the comparison alone.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let _busy: Vec<_> = (0..2 * cores).map(|_| busy()).collect();
    let name = format!("hf-b-{}", std::process::id());
    let mut command = Command::new(support::program());
    command.args([
        "lab",
        "bench",
        "--name",
        &name,
        "--rounds",
        "1",
        "--seconds",
        "500ms",
        "--mode",
        "generic",
    ]);
    command.args(["--servers", "kernel,handfast", "--workloads", "handshake", "--json", "-"]);
    let output = command.output().expect("runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
    let runs = json["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2, "{text}");
    for run in runs {
        let others = run["others"].as_f64().expect("measured");
        assert!(others > 0.1 && run["disturbed"] == true && run["busiest"].is_string(), "{run}");
    }
    // Twice, for all runs together, since there are but two.
    let attempts: u64 = runs.iter().map(|run| run["attempts"].as_u64().expect("a count")).sum();
    assert_eq!(attempts, 4, "{text}");
    assert_eq!(text.matches(" again: others took ").count(), 2, "{text}");
    let doubts = json["doubts"].as_array().expect("doubts");
    assert!(
        doubts[0].as_str().is_some_and(|doubt| doubt.starts_with("2 of 2 runs were disturbed")),
        "{json:#}"
    );
    assert!(text.contains("Not to be relied on: 2 of 2 runs were disturbed"), "{text}");
}
