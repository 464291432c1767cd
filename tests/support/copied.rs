//! The program where anybody may run it: nobody else reads a build directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A copy of the program, with a mode and capabilities of its own. Made by a process that has ended: what
/// another test starts meanwhile would inherit the file open for writing, and until it has become its own
/// program nobody could run the copy (ETXTBSY).
pub fn copy_into(directory: &TempDir) -> PathBuf {
    let copy = directory.path().join("handfast");
    let program = env!("CARGO_BIN_EXE_handfast");
    assert!(Command::new("cp").arg(program).arg(&copy).status().expect("cp").success());
    for path in [directory.path(), &copy] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("ours");
    }
    copy
}
