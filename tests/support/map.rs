//! `tests/README.md` names every test target, and a command for every package of src.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::{files, top};

/// The names in the `[[test]]` tables of a manifest.
fn test_targets(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).expect("a manifest");
    let name = |table: &str| Some(table.split("name = \"").nth(1)?.split('"').next()?.to_owned());
    text.split("[[test]]").skip(1).filter_map(name).collect()
}

/// The first cells of a table, each of one or more names in backquotes.
fn first_cells(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn the_map_names_every_target_and_a_command_for_every_package() {
    let top = top("");
    let map = fs::read_to_string(top.join("tests/README.md")).expect("the map");
    let (_, map) = map.split_once("## Targets").expect("the targets");
    let (targets, packages) = map.split_once("## What concerns one package").expect("the packages");
    let mut manifests = files(&["src", "tests", "benches"], &["toml"]);
    manifests.push(top.join("Cargo.toml"));
    manifests.retain(|path| path.ends_with("Cargo.toml"));
    let existing: BTreeSet<String> = manifests.iter().flat_map(|path| test_targets(path)).collect();
    assert!(existing.len() > 20, "{existing:?}");
    assert_eq!(first_cells(targets), existing, "tests/README.md and the targets that there are");
    let folders = first_cells(packages);
    for folder in manifests.iter().filter_map(|path| path.parent()?.strip_prefix(&top).ok()) {
        if folder.starts_with("src") {
            assert!(folders.contains(&*folder.to_string_lossy()), "no command for {}", folder.display());
        }
    }
}
