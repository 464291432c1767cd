//! docs/configuration.md has every key, and docs/handfast.toml is a file that is taken.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Args, Command as Described};
use handfast_cli::RespondArgs;
use std::process::Command;

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).expect(name)
}

/// The options of `handfast respond` that may stand in the file.
fn options() -> BTreeSet<String> {
    let command = RespondArgs::augment_args(Described::new("respond"));
    let names = command.get_arguments().filter_map(|option| option.get_long().map(str::to_owned));
    names.filter(|name| !["config", "check", "help"].contains(&name.as_str())).collect()
}

/// The first column of the tables of keys.
fn documented() -> BTreeSet<String> {
    let text = document("configuration.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(key, _)| key.to_owned()).collect()
}

#[test]
fn every_key_is_documented_and_no_other() {
    let (options, documented) = (options(), documented());
    let missing: Vec<_> = options.difference(&documented).collect();
    let odd: Vec<_> = documented.difference(&options).collect();
    assert!(missing.is_empty() && odd.is_empty(), "not documented: {missing:?}; no such option: {odd:?}");
}

#[test]
fn the_example_is_taken_and_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/handfast.toml");
    let mut command = Command::new(support::program());
    let output = command.args(["respond", "--check", "--config"]).arg(&path).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = document("handfast.toml");
    let key = |line: &str| {
        let (key, _) = line.trim_start_matches("# ").split_once(" = ")?;
        (!key.contains(' ')).then(|| key.to_owned())
    };
    let keys: BTreeSet<String> = text.lines().filter_map(key).collect();
    let missing: Vec<_> = options().difference(&keys).cloned().collect();
    assert!(missing.is_empty(), "the example does not have {missing:?}");
}

/// Keys that mean nothing without `pcap`.
const WITH_PCAP: [&str; 4] = ["snaplen", "sample", "filter", "pcap-cpu-percent"];

/// What is commented out in the example is right as well, one by one.
#[test]
fn the_example_is_right_where_it_is_commented_out() {
    let text = document("handfast.toml");
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("f.toml");
    let options = options();
    let is_key = |line: &&str| {
        line.strip_prefix("# ")
            .and_then(|line| line.split_once(" = "))
            .is_some_and(|(key, _)| options.contains(key))
    };
    let lines: Vec<&str> = text.lines().filter(is_key).collect();
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        let with_pcap = WITH_PCAP.iter().any(|key| line.starts_with(&format!("# {key} = ")));
        let beside = if with_pcap { "pcap = \"x.pcapng\"\n" } else { "" };
        let whole = format!("{beside}{}", text.replace(line, line.trim_start_matches("# ")));
        fs::write(&path, whole).expect("written");
        let mut command = Command::new(support::program());
        let output = command.args(["respond", "--check", "--config"]).arg(&path).output().expect("runs");
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
