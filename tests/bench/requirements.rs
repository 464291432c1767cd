//! For scripts: exit codes of a requirement that is not met, and of a target that is not there (an early
//! end: `mishaps`); results on standard output.

use handfast_lab::{CLIENT_DEVICE, SOURCES_V4};
use serde_json::Value;
use support::{OWNED_V4, program};

use crate::programs::stage;

#[test]
fn a_requirement_that_is_not_met_has_its_own_exit_code() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard", "80=http"], "");
    for (required, code, parts) in [
        (
            "--require-rate 1 --require-success 99% --require-p99 10s",
            0,
            &["result requirements met: rate"][..],
        ),
        ("--require-rate 100M", 3, &["requirements failed: rate", "required at least 100,000,000/s"]),
        ("--require-p99 1us --require-rate 1", 3, &["requirements failed: p99", "required at most 1 µs"]),
    ] {
        let bench = stage.start(&format!("{OWNED_V4}:9 --concurrency 8 --duration 1 {required}"));
        let results = stage.report_of(bench, code);
        results.assert_says(parts);
        let status = if code == 0 { "ok" } else { "requirements-failed" };
        assert_eq!(results.at("outcome.status"), status, "{}", results.text);
        assert!(results.at("outcome.requirements")[0]["measured"].is_f64(), "{}", results.text);
    }
    // A URL is a request; what is not found there fails, and meets no requirement of success.
    let url = format!("http://{OWNED_V4}/");
    let results = stage.report_of(stage.start(&format!("{url} --connections 20 --require-success 1")), 0);
    assert_eq!((results.at("workload"), results.connections("completed")), (&"request".into(), 20));
    let refused =
        format!("{OWNED_V4}:9 --connections 20 --workload request --timeout 1 --require-success 50%");
    let results = stage.report_of(stage.start(&refused), 3);
    assert_eq!(results.at("outcome.requirements")[0]["measured"], 0.0, "{}", results.text);
}

#[test]
fn a_target_that_is_not_there_has_its_own_exit_code() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    // Closed ports are refused; the MAC of nobody stays silent.
    for target in [format!("{OWNED_V4}:10"), format!("{OWNED_V4}:9 --gateway 02:00:00:99:99:99")] {
        let results = stage.unreachable(&format!("{target} --connections 10 --timeout 1"));
        results.assert_says(&["result unreachable: none of", "connections was established"]);
        assert_eq!(results.at("outcome.status"), "unreachable", "{}", results.text);
    }
}

#[test]
fn results_on_standard_output_are_nothing_else() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    let target = format!("{OWNED_V4}:9");
    let table = stage.file("table.csv");
    let mut command = stage.client().command(program());
    command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "--msl", "1", &target]);
    command.args(["--concurrency", "4", "--duration", "2", "--json", "-", "--csv"]).arg(&table);
    let output = command.output().expect("runs");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
    assert_eq!((&json["schema"], &json["options"]["msl_s"]), (&"handfast-bench/1".into(), &1.0.into()));
    assert!(error.contains("active: ") && error.contains("limit"), "{error}");
    let table = std::fs::read_to_string(table).expect("a table");
    assert_eq!(table.lines().count(), 3, "a header and two seconds: {table}");
}
