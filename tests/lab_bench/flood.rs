//! `handfast lab flood`, short: judged by counts, not by times, so that it passes on a busy machine.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use serde_json::Value;

/// Packets per second that a debug build takes on a machine with four busy loops.
const RATE: &str = "5k";
const CLIENTS: u64 = 200;

/// Floods with these arguments. The output, and the JSON.
fn flood(arguments: &[&str], respond: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("flood.json");
    let name = support::lab_name();
    let output = Command::new(support::program())
        .args(["lab", "flood", "--name", &name, "--seconds", "1.5", "--calm", "0.5", "--clients", "200"])
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .arg("--")
        .args(respond)
        .output()
        .expect("runs");
    let namespaces = Command::new("ip").args(["netns", "list"]).output().expect("ip");
    assert!(!String::from_utf8_lossy(&namespaces.stdout).contains(&format!("hf-{name}-")), "it is left");
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    (output, serde_json::from_str(&text).unwrap_or_default())
}

#[track_caller]
fn count(report: &Value, path: &str) -> u64 {
    let value = report.pointer(path).unwrap_or_else(|| panic!("no {path}: {report:#}"));
    value.as_u64().unwrap_or_else(|| panic!("{path} is {value}: {report:#}"))
}

/// Every connection and every packet is accounted for.
fn accounted(report: &Value) {
    for phase in ["/calm", "/flooded"] {
        let of = |name: &str| count(report, &format!("{phase}{name}"));
        let failures =
            report.pointer(&format!("{phase}/failures")).and_then(Value::as_object).expect("an object");
        let failed: u64 = failures.values().filter_map(Value::as_u64).sum();
        assert_eq!(of("/begun"), of("/completed") + failed, "{report:#}");
        assert!(of("/established") >= of("/completed"), "{report:#}");
        // A machine that is busy may lose some, but not many.
        assert!(of("/completed") * 20 >= of("/begun") * 19, "{report:#}");
    }
    assert_eq!(count(report, "/flooded/begun"), CLIENTS);
    let sent = count(report, "/sent/syns") + count(report, "/sent/acks");
    assert!(sent > 1_000, "{report:#}");
    // The flood began and ended between the two looks at the interfaces.
    let (out, into) =
        (count(report, "/link/client_end/tx_packets"), count(report, "/link/server_end/rx_packets"));
    let lost = count(report, "/link/client_end/tx_dropped");
    let unsent = count(report, "/sent/unsent");
    assert!(out.max(into) + lost + unsent >= sent, "{report:#}");
    assert_eq!(count(report, "/responder/forged"), 0, "{report:#}");
    assert_eq!(report["responder"]["summary"]["total"]["frames_lost"], 0, "{report:#}");
}

#[test]
fn kernel_clients_complete_beside_a_flood_of_syns() {
    let Some(()) = support::root() else { return };
    let (output, report) = flood(&["--flood", "syn", "--rate", RATE], &["--cookies", "always"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    accounted(&report);
    let total = &report["responder"]["summary"]["total"];
    let (cookies, replies) =
        (total["syn_acks_cookie"].as_u64().expect("a count"), count(&report, "/sent/replies"));
    assert!(replies > 1_000 && cookies + replies > 0, "{report:#}");
    let ratio = report["responder"]["out_per_in"].as_f64().expect("a ratio");
    assert!(ratio > 0.5 && ratio <= 1.0, "{report:#}");
    for part in
        ["flood of syn packets, 5,000 a second", "clients completed", "connect p99", "not NIC figures"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    documented(&report);
}

#[test]
fn forged_acks_make_no_connection_over_ipv6_and_in_native_mode() {
    let Some(()) = support::root() else { return };
    for (kind, mode, more) in [("ack", "native", &[][..]), ("mixed", "generic", &["--ipv6"])] {
        let arguments = [&["--flood", kind, "--rate", RATE, "--mode", mode], more].concat();
        let (output, report) = flood(&arguments, &["--cookies", "always"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        accounted(&report);
        assert_eq!(report["sent"]["mode"], mode, "{report:#}");
        let (syns, acks) = (count(&report, "/sent/syns"), count(&report, "/sent/acks"));
        match kind {
            "ack" => assert_eq!(syns, 0, "{report:#}"),
            _ => assert!(syns.abs_diff(acks) <= 1, "{report:#}"),
        }
        assert!(count(&report, "/responder/frames_to_socket") > 0, "{report:#}");
    }
}

#[test]
fn a_contract_that_is_not_kept_ends_with_3_if_it_is_required() {
    let Some(()) = support::root() else { return };
    // Every second SYN is not answered, so every second client sends it again.
    let respond = ["--fault", "drop=0.5"];
    for (require, code) in [(&[][..], 0), (&["--require"], 3)] {
        let arguments = [&["--rate", "100"], require].concat();
        let (output, report) = flood(&arguments, &respond);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let requirement = |figure: &str| {
            let all = report["requirements"].as_array().expect("requirements").iter();
            all.clone().find(|one| one["figure"] == figure).cloned().expect("one")
        };
        assert_eq!(requirement("syn_retransmitted")["met"], false, "{report:#}");
        assert!(count(&report, "/flooded/syn_retransmitted") >= CLIENTS / 5, "{report:#}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("not kept"));
    }
}

#[test]
fn options_that_respond_does_not_have_are_said() {
    let Some(()) = support::root() else { return };
    let (output, _) = flood(&[], &["--no-such-option"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && complaint.contains("--no-such-option"), "{complaint}");
}

/// Objects whose names are data, or documented elsewhere.
const NAMED: [&str; 5] = [
    "calm.failures",
    "flooded.failures",
    "link.client_end.driver",
    "link.server_end.driver",
    "responder.summary",
];

fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(_) if NAMED.contains(&at) => _ = found.insert(format!("{at}.*")),
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                paths(value, &path, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| paths(value, &format!("{at}[]"), found)),
        _ => _ = found.insert(at.to_owned()),
    }
}

/// Every field of the JSON is in `docs/reliability.md`, and no other.
fn documented(report: &Value) {
    let page = std::fs::read_to_string(support::top("docs/reliability.md")).expect("the page");
    let (_, page) = page.split_once("# The JSON of a flood").expect("its fields");
    let field = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    let documented: BTreeSet<String> = page.lines().filter_map(field).collect();
    let mut found = BTreeSet::new();
    paths(report, "", &mut found);
    assert_eq!(found, documented, "fields, and those of the page");
}
