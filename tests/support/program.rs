//! The program under test.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use tempfile::TempDir;

/// The `handfast` that Cargo built for the test that runs: it lies beside the test's folder.
pub fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's path");
        let program = test.ancestors().nth(2).expect("target/PROFILE/deps/test").join("handfast");
        assert!(program.exists(), "{} is missing: cargo build --bin handfast", program.display());
        program.into_os_string().into_string().expect("UTF-8")
    })
}

/// The optimized program: the other takes minutes for a million connections.
pub fn optimized() -> PathBuf {
    static BUILT: LazyLock<()> = LazyLock::new(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "--quiet", "--bin", "handfast"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cargo build --release");
    });
    LazyLock::force(&BUILT);
    Path::new(program()).ancestors().nth(2).expect("target/PROFILE/handfast").join("release/handfast")
}

/// A copy of the program that every user may run, for a mode and capabilities of its own: other users cannot
/// read a build directory. A process that has ended makes the copy. Had this process written it, a child
/// that another test starts meanwhile would hold the file open for writing until its exec, and the copy
/// could not run (ETXTBSY).
pub fn copy_into(directory: &TempDir) -> PathBuf {
    let copy = directory.path().join("handfast");
    assert!(Command::new("cp").arg(program()).arg(&copy).status().expect("cp").success());
    for path in [directory.path(), &copy] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("ours");
    }
    copy
}
