//! Holds `docs/bench-schema.md`: every field is in it, and it has no other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::diff::Diff;
use super::sample::{active, lag, measured, open_loop, results};
use super::{Measured, Outcome, Requirements, Results, comparison, merge};

const PAGE: &str = include_str!("../../../docs/bench-schema.md");
/// Objects whose names are data.
const NAMED: [&str; 8] = [
    "options",
    "drops",
    "connections.failed",
    "connections.http_statuses",
    "parts[].connections.failed",
    "parts[].connections.http_statuses",
    "rows[].ratios",
    "rows[].syn",
];

/// The paths of all values: `a.b`, `a[]`, `a.*` where names are data.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if NAMED.contains(&at) { "*" } else { name };
                let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
                paths(value, &path, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| paths(value, &format!("{at}[]"), found)),
        // What is not there in one sample is there in the other.
        Value::Null => {}
        _ => _ = found.insert(at.to_owned()),
    }
}

/// The fields that a part of the page has in its tables' first column.
fn documented(page: &str) -> BTreeSet<String> {
    let field = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    page.lines().filter_map(field).collect()
}

#[test]
fn every_field_is_documented_and_no_other() {
    let mut late = Measured { lag: lag(10.0), idle: Some(0.5), ..measured(8, 1000) };
    late.cpu.iter_mut().for_each(|sample| sample.cores.values_mut().for_each(|ticks| ticks.steal = 1));
    late.http_statuses.insert("404".into(), 3);
    late.path.router = Some("198.18.0.254".into());
    late.path.on_link.push("198.18.0.1/32".into());
    let mut open = Results::new(&open_loop(1000.0), &active(), &late);
    open.outcome = Outcome::of(&open, &Requirements { rate: Some(1.0), ..Default::default() }, None, true);
    let sum = merge(&[("a".to_owned(), open), ("b".to_owned(), results())], true).unwrap();
    let (results_page, rest) = PAGE.split_once("# The JSON of a difference").unwrap();
    let (diff_page, comparison_page) = rest.split_once("# The JSON of a comparison").unwrap();
    let runs = [("a".to_owned(), results()), ("b".to_owned(), results())];
    let mut diff = Diff::of_runs(("a", &runs), ("b", &runs));
    diff.differences.push("target".to_owned());
    let mut comparison = comparison::tests::comparison();
    comparison.runs[0].busiest = Some("cc1".to_owned());
    let syns = comparison::syn_tests::compared((0.96, 1.05));
    comparison.runs.extend(syns.runs);
    comparison.rows.extend(syns.rows);
    comparison.goals.extend(syns.goals);
    for (value, page, object) in [
        (serde_json::to_value(&sum).unwrap(), results_page, "load.lag_us"),
        (serde_json::to_value(&diff).unwrap(), diff_page, ""),
        (serde_json::to_value(&comparison).unwrap(), comparison_page, ""),
    ] {
        let mut found = BTreeSet::new();
        paths(&value, "", &mut found);
        let mut documented = documented(page);
        // `null` or an object: it has a line of its own.
        assert!(object.is_empty() || documented.remove(object));
        assert_eq!(found.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "undocumented");
        assert_eq!(documented.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "not there");
        assert!(found.len() > 15);
    }
}
