//! The files of the repository, from a test of any package.

use std::fs;
use std::path::{Path, PathBuf};

/// A file or folder below the top.
pub fn top(path: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    top.expect("a folder with Cargo.lock").join(path)
}

/// All files with one of these endings below folders of the top, sorted.
#[allow(dead_code, reason = "tests that include this file alone look up paths only")]
pub fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), folders.iter().map(|folder| top(folder)).collect::<Vec<_>>());
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            match path.is_dir() {
                true => left.push(path),
                false if endings.contains(&ending) => found.push(path),
                false => {}
            }
        }
    }
    assert!(!found.is_empty(), "no {endings:?} in {folders:?}");
    found.sort();
    found
}
