//! The program as it is released, for tests that would otherwise take minutes.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The optimized program: the other takes minutes for a million connections.
pub fn optimized() -> PathBuf {
    static BUILT: LazyLock<()> = LazyLock::new(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--release", "--locked", "--quiet", "--bin", "handfast"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cargo build --release");
    });
    LazyLock::force(&BUILT);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_handfast"));
    program.ancestors().nth(2).expect("target/PROFILE/handfast").join("release/handfast")
}
