//! What the package ships besides the binary: pages that format without a complaint, completions that
//! their shells take, a unit and a configuration that fit the program. `make deb-test` installs it all.

mod completions;
mod files;
mod pages;

use std::path::Path;
use std::process::{Command, Output};

fn handfast(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(support::program()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs a program that may not be installed: then the test is skipped, and fails in CI.
fn other(program: &str, package: &str, arguments: &[&str], file: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).arg(file).output() {
        Ok(output) => Some(output),
        Err(error) => support::skipped(format!("{program}: {error}; apt-get install {package}")),
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
