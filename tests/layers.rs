//! Holds the architecture: imports go down only, `unsafe` lives in named files, files stay small.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use std::process::Command;
use support::{files, top};

/// Every file with `unsafe` in it, and why it needs it.
const UNSAFE: &[(&str, &str)] = &[
    ("allocator.rs", "a global allocator"),
    ("cli/root_files.rs", "fork"),
    ("stack/engine/priority.rs", "sched_setscheduler"),
    ("stack/table/scan.rs", "a vector load of words that other cores write"),
    ("stack/table/slots.rs", "values have one owner, which the compiler cannot see"),
    ("stack/table/prefetch.rs", "the prefetch instruction"),
    ("stack/table/region.rs", "zeroed memory that is not touched: mmap"),
    ("stack/xdp/ethtool.rs", "ioctl"),
    ("stack/xdp/link.rs", "libbpf's link calls"),
    ("stack/xdp/flow_filter.rs", "counters in memory that the eBPF program reads"),
    ("stack/xdp/mapping.rs", "mmap and munmap"),
    ("stack/xdp/ring.rs", "entries of a ring shared with the kernel"),
    ("stack/xdp/rings.rs", "which ring of a socket holds which entries"),
    ("stack/xdp/socket.rs", "the calls on an AF_XDP socket"),
    ("stack/xdp/umem.rs", "memory shared with the kernel"),
];

/// Lines of a file, tests at its end included.
const MAX_LINES: usize = 420;

/// Crates besides handfast's that an embedding program compiles, build dependencies included.
const MAX_CRATES: usize = 48;

fn sources() -> Vec<PathBuf> {
    files(&["src"], &["rs"])
}

fn relative(path: &Path) -> String {
    path.strip_prefix(top("src")).unwrap().to_string_lossy().into_owned()
}

/// The code of every file below a folder, by the folder's name, without comments.
fn code(folder: &str) -> Vec<(String, String)> {
    let below = format!("{folder}/");
    let code = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let files = sources().into_iter().filter(|path| relative(path).starts_with(&below));
    files.map(|path| (relative(&path), code(&path))).collect()
}

/// The first words behind `crate::`, also inside braces.
fn imports(code: &str) -> BTreeSet<String> {
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or("").split(',').map(first_word).collect(),
            None => vec![first_word(rest)],
        })
        .filter(|word| !word.is_empty())
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// The table "Packages and folders" of docs/architecture.md: each folder below `prefix` and what it uses,
/// in the order of the rows.
fn folders(prefix: &str) -> Vec<(String, BTreeSet<String>)> {
    let page = fs::read_to_string(top("docs/architecture.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.trim_end_matches([' ', '|']).split('|').collect();
        let name = cells.first()?.trim().strip_suffix("/`")?.strip_prefix(prefix)?;
        let uses =
            cells.get(2).into_iter().flat_map(|uses| uses.split(',')).map(|word| word.trim().to_owned());
        (!name.contains('/')).then(|| (name.to_owned(), uses.filter(|word| !word.is_empty()).collect()))
    };
    page.lines().filter_map(row).collect()
}

fn layers() -> Vec<(String, BTreeSet<String>)> {
    folders("src/stack/")
}

/// The stack is a row for each of its layers.
fn packages() -> Vec<(String, BTreeSet<String>)> {
    let mut packages = folders("src/");
    packages.push(("stack".to_owned(), BTreeSet::new()));
    packages
}

#[test]
fn each_layer_of_the_stack_uses_what_is_said_there() {
    let layers = layers();
    assert!(layers.len() >= 8, "{layers:?}");
    for (index, (layer, uses)) in layers.iter().enumerate() {
        let mut used = BTreeSet::new();
        for (_, code) in code(&format!("stack/{layer}")) {
            used.extend(
                imports(&code).into_iter().filter(|word| layers.iter().any(|(layer, _)| layer == word)),
            );
        }
        used.remove(layer);
        assert_eq!(used, *uses, "what src/stack/{layer} uses");
        let is_below = |used: &String| layers[..index].iter().any(|(below, _)| below == used);
        assert!(uses.iter().all(is_below), "{layer} uses a layer above it");
    }
}

/// Cargo refuses a circle of packages.
#[test]
fn each_package_uses_what_is_said_there() {
    let packages = packages();
    let folders = fs::read_dir(top("src")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(packages.len(), folders.count(), "a row for each folder of src");
    for (package, uses) in &packages {
        let mut used = BTreeSet::new();
        for (_, code) in code(package) {
            used.extend(code.split("handfast_").skip(1).map(first_word));
        }
        used.retain(|word| packages.iter().any(|(package, _)| package == word));
        assert_eq!(used, *uses, "what src/{package} uses");
        let manifest = fs::read_to_string(top("src").join(package).join("Cargo.toml")).unwrap();
        let declared = manifest.lines().filter_map(|line| line.strip_prefix("handfast-")?.split('.').next());
        assert_eq!(declared.map(str::to_owned).collect::<BTreeSet<_>>(), *uses, "src/{package}/Cargo.toml");
    }
}

#[test]
fn a_program_with_the_stack_compiles_few_crates() {
    let package = ["tree", "--offline", "-p", "handfast", "--no-default-features"];
    let arguments = ["-e", "normal,build", "--prefix", "none"];
    let tree =
        Command::new(env!("CARGO")).args(package).args(arguments).current_dir(top("")).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = text.lines().filter_map(|line| line.split(" (").next()).collect();
    let others = crates.iter().filter(|name| !name.starts_with("handfast"));
    assert!(others.count() <= MAX_CRATES, "{crates:#?}");
    for of_a_tool in ["clap", "ratatui", "plotters", "prometheus", "bindgen"] {
        assert!(!crates.iter().any(|line| line.starts_with(of_a_tool)), "{of_a_tool} in {crates:#?}");
    }
}

#[test]
fn this_test_sees_imports() {
    let text = "use crate::wire::{Seq};\nuse crate::{tcp::Time, xdp};\nlet x = crate::table::Slot(1);";
    let seen: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(seen, ["table", "tcp", "wire", "xdp"]);
}

#[test]
fn unsafe_lives_in_named_files() {
    for path in sources() {
        let (name, text) = (relative(&path), fs::read_to_string(&path).unwrap());
        let allows = text.contains("allow(unsafe_code");
        let named = UNSAFE.iter().any(|(file, _)| *file == name);
        assert_eq!(allows, named, "{name}: unsafe must be allowed in exactly the files named in this test");
    }
}

#[test]
fn files_are_small() {
    for path in sources() {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines: split it by what it does", relative(&path));
    }
}

#[test]
fn every_folder_says_what_lives_there() {
    let layers = layers().into_iter().map(|(layer, _)| format!("src/stack/{layer}/mod.rs"));
    let packages = packages().into_iter().map(|(package, _)| format!("src/{package}/lib.rs"));
    for path in layers.chain(packages) {
        let text = fs::read_to_string(top(&path)).unwrap_or_else(|_| panic!("{path} is missing"));
        assert!(text.starts_with("//! "), "{path} must begin by saying what lives there");
    }
}

/// A `pub` that no other package can reach is `pub(crate)` or narrower: what is public is chosen.
#[test]
fn unreachable_public_items_are_errors() {
    for (package, _) in packages() {
        let text = fs::read_to_string(top(&format!("src/{package}/lib.rs"))).unwrap();
        let lints =
            text.lines().find(|line| line.starts_with("#![deny(") && line.contains("unreachable_pub"));
        assert!(lints.is_some(), "src/{package}/lib.rs denies unreachable_pub");
        assert!(
            package != "stack" || lints.unwrap().contains("missing_docs"),
            "the stack denies missing_docs"
        );
    }
}
