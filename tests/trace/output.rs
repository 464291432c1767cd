//! What the program prints.

use std::process::{Command, Output};

use support::program;

/// The program as it is shipped, to its end.
pub fn handfast(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("runs")
}

/// What it printed, after it ended well.
pub fn printed(arguments: &[&str]) -> String {
    let output = handfast(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What it complained of, after it ended with an error.
pub fn complaint(arguments: &[&str]) -> String {
    let output = handfast(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}
