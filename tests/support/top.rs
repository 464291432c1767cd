//! The top of the repository, from a test of any package.

use std::path::{Path, PathBuf};

/// A file or folder below the top.
pub fn top(path: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    top.expect("a folder with Cargo.lock").join(path)
}
