//! What a test needs of the machine. Where it is missing, the test prints `SKIPPED` and why, and fails in CI.

use std::fmt::Display;
use std::process::{Command, Stdio};

/// `None` without root.
pub fn root() -> Option<()> {
    if nix::unistd::geteuid().is_root() { Some(()) } else { skipped("network namespaces need root") }
}

/// `None` where a program is not installed. Debian's package has its name.
pub fn tool(name: &str) -> Option<()> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if found { Some(()) } else { skipped(format!("{name} is not installed: apt-get install {name}")) }
}

/// Prints why a test does not run. Panics in CI, where every test runs.
pub fn skipped<T>(why: impl Display) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "in CI no privileged test is skipped: {why}");
    eprintln!("SKIPPED: {why}");
    None
}
