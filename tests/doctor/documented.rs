//! docs/doctor.md explains every check and no other, and describes the JSON.

use std::collections::BTreeSet;
use std::process::Command;

use handfast_doctor::{CATALOGUE, SCHEMA};
use support::program;

use crate::examination::Examination;

#[test]
fn every_check_is_explained() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md");
    let text = std::fs::read_to_string(path).expect("docs/doctor.md");
    // Rows of the tables begin with a check's name.
    let explained: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(name, _)| name)
        .collect();
    let known: Vec<&str> = CATALOGUE.iter().flat_map(|group| group.checks).copied().collect();
    assert_eq!(explained, known, "in the catalogue's order");
    for group in CATALOGUE {
        assert!(text.contains(&format!("\n## {}\n", group.title)), "{} has a heading", group.title);
    }
}

/// Each step has its check, by its name, and those that concern a NIC are all there.
#[test]
fn the_guide_for_a_nic_names_the_checks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nic.md");
    let text = std::fs::read_to_string(path).expect("docs/nic.md");
    let known: Vec<&str> = CATALOGUE.iter().flat_map(|group| group.checks).copied().collect();
    let (table, steps) = text.split_once("\n## ").expect("a table of steps, then the steps");
    let named = |text: &str| -> Vec<String> {
        text.split('`').skip(1).step_by(2).filter(|name| known.contains(name)).map(str::to_owned).collect()
    };
    for row in table.lines().filter(|line| line.starts_with("| [")) {
        let heading = row.strip_prefix("| [").and_then(|row| row.split_once(']')).expect("a link").0;
        let step =
            format!("\n## {steps}").split("\n## ").find(|step| step.starts_with(heading)).map(str::to_owned);
        let step = step.unwrap_or_else(|| panic!("no step {heading}"));
        let checks = step.lines().find(|line| line.starts_with("doctor: ")).expect("a line of checks");
        let (listed, explained) = (named(row), named(checks));
        assert!(!listed.is_empty(), "{row}");
        assert!(listed.iter().all(|name| explained.contains(name)), "{heading}: {listed:?}, {explained:?}");
        // No other names in the table than those of checks.
        assert_eq!(row.matches('`').count(), 2 * listed.len(), "{row}");
    }
    for group in CATALOGUE.iter().filter(|group| ["polling", "machine"].contains(&group.title)) {
        for check in group.checks {
            assert!(named(table).iter().any(|name| name == check), "{check}");
        }
    }
}

#[test]
fn the_json_has_the_fields_of_its_schema() {
    let output = Command::new(program()).args(["doctor", "--dev", "lo", "--json"]).output().expect("it runs");
    let found = Examination::read(&output);
    assert_eq!(found.json["schema"], SCHEMA);
    assert_eq!(found.json["interface"], "lo");
    let checks = found.json["checks"].as_array().expect("checks");
    for check in checks {
        let fields: BTreeSet<&str> =
            check.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["name", "level", "found", "why", "fix"]));
        assert!(check["found"].as_str().is_some_and(|text| !text.is_empty()), "{check}");
        let level = check["level"].as_str().expect("a level");
        let fixed = check["fix"].is_null()
            || (check["fix"]["command"].is_string() && check["fix"]["safe"].is_boolean());
        assert!(fixed && ["ok", "unknown", "warning", "error"].contains(&level), "{check}");
        // The loopback is unusable on every machine, and there is no command for it.
        let name = check["name"].as_str().expect("a name");
        assert!(name != "interface" || level == "error" && check["why"].to_string().contains("lab up"));
        let of_caller = ["capabilities", "locked-memory"].contains(&name);
        assert!(of_caller || check["fix"].is_null(), "{check}");
    }
    let counted: u64 = ["ok", "unknown", "warning", "error"]
        .iter()
        .map(|level| found.json["counts"][level].as_u64().expect("a count"))
        .sum();
    assert_eq!(counted, checks.len() as u64);
    assert_eq!(found.code, Some(1));
}

#[test]
fn wrong_arguments_end_with_code_2() {
    for arguments in [
        &["doctor"][..],
        &["doctor", "--dev", "a/b"],
        &["doctor", "--measure", "--fix"],
        &["doctor", "--dev", "lo", "--rounds", "2"],
        &["doctor", "--measure", "--pair", "lo"],
        &["doctor", "--measure", "--rounds", "0"],
    ] {
        let output = Command::new(program()).args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
