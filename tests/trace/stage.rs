use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A name for this test's labs, and no other's. `None`, said loudly, where there can be none.
pub fn lab() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if nix::unistd::geteuid().is_root() {
        return Some(format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    }
    assert!(std::env::var_os("CI").is_none(), "in CI no privileged test is skipped: it needs root");
    eprintln!("SKIPPED: network namespaces need root");
    None
}

/// The program as it is shipped, to its end.
pub fn handfast(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_handfast")).args(arguments).output().expect("runs")
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
