//! Why a privileged test cannot run: said loudly, and in CI a failure.

use std::fmt::Display;

/// `None`, said loudly, without root.
pub fn root() -> Option<()> {
    if nix::unistd::geteuid().is_root() { Some(()) } else { skipped("network namespaces need root") }
}

/// Says why a test does not run. In CI none may be left out.
pub fn skipped<T>(why: impl Display) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "in CI no privileged test is skipped: {why}");
    eprintln!("SKIPPED: {why}");
    None
}
