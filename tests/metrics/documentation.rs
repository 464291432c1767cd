//! `docs/metrics.md` and `docs/grafana.json` name what is served.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use handfast_metrics::{all, documentation};
use serde_json::Value;
use support::tool;
use tempfile::TempDir;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
const DASHBOARD: &str = include_str!("../../docs/grafana.json");
/// Behind it, the page is generated.
const MARK: &str = "<!-- metrics -->\n";

#[test]
fn documentation_has_every_metric() {
    let page = fs::read_to_string(PAGE).expect("docs/metrics.md");
    let (written, generated) = page.split_once(MARK).expect("the mark");
    let wanted = format!("\n{}", documentation());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, format!("{written}{MARK}{wanted}")).expect("docs/metrics.md");
        return;
    }
    assert_eq!(generated, wanted, "UPDATE_DOCS=1 cargo test --test metrics documentation");
    for name in named_in(written) {
        assert!(all().iter().any(|metric| metric.name == name), "docs/metrics.md asks for {name}");
    }
}

/// What of a text may be the name of a metric.
fn named_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("handfast_")).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).expect("JSON")
}

/// Every query of the dashboard, with its legend.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            let text = |name: &str| target[name].as_str().expect("text").to_owned();
            found.push((text("expr"), text("legendFormat")));
        }
    }
    found
}

#[test]
fn the_dashboard_asks_for_what_is_served() {
    let known = all();
    let queries = queries();
    let mut shown = BTreeSet::new();
    assert!(queries.len() > 20, "panels have their queries where this test looks");
    for (query, legend) in &queries {
        let names = named_in(query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            let metric = known.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("no metric {name}, which is asked for"));
            shown.insert(name.to_owned());
            for label in used_labels(query, legend) {
                let served = label == "instance" || metric.labels.contains(&label.as_str());
                assert!(served, "{name} has no label {label}: {query}");
            }
        }
    }
    let variables = dashboard()["templating"]["list"].to_string();
    assert!(variables.contains("label_values(handfast_build_info, instance)"), "{variables}");
    for name in ["handfast_drops_total", "handfast_connections", "handfast_steering_frames_total"] {
        assert!(shown.contains(name), "{name} is not shown");
    }
}

/// Of `by (a, b)` and of `{{a}}`.
fn used_labels(query: &str, legend: &str) -> BTreeSet<String> {
    let by = query.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let by = by.flat_map(|list| list.split(',')).map(|label| label.trim().to_owned());
    let shown = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::to_owned);
    by.chain(shown).collect()
}

#[test]
fn panels_have_numbers_of_their_own_and_do_not_overlap() {
    let dashboard = dashboard();
    let mut numbers = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(numbers.insert(panel["id"].as_u64().expect("a number")), "{panel}");
        let at = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24, "{panel}");
        for cell in (0..at("w")).flat_map(|x| (0..at("h")).map(move |y| (x, y))) {
            assert!(cells.insert((at("x") + cell.0, at("y") + cell.1)), "{panel} lies on another one");
        }
    }
}

/// As rules: promtool parses their queries as the server does.
#[test]
fn promtool_understands_every_query() {
    if tool("promtool").is_none() {
        return;
    }
    let page = fs::read_to_string(PAGE).expect("docs/metrics.md");
    let of_page = page.lines().filter(|line| line.contains("| `") && line.contains("handfast_"));
    let of_page =
        of_page.filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`')).map(|(_, query)| query);
    let mut rules = String::from("groups:\n- name: handfast\n  rules:\n");
    let queries = queries();
    let all: Vec<&str> = queries.iter().map(|(query, _)| query.as_str()).chain(of_page).collect();
    for (number, query) in all.iter().enumerate() {
        let query = query.replace("$__rate_interval", "1m").replace("$instance", ".*");
        rules += &format!("  - record: handfast:query{number}\n    expr: |-\n      {query}\n");
    }
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rules.yml");
    fs::write(&file, rules).expect("a file");
    let said = Command::new("promtool").args(["check", "rules"]).arg(&file).output().expect("promtool");
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success(), "{text}");
    assert!(text.contains(&format!("{} rules found", all.len())) && all.len() > queries.len(), "{text}");
}
