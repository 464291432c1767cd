//! Exit codes for scripts: a requirement that is not met, a target that is not there. (An early end:
//! `mishaps`.)

use crate::stage::{SERVED, stage};

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
        let bench = stage.start(&format!("{SERVED}:9 --concurrency 8 --duration 1 {required}"));
        let results = stage.report_of(bench, code);
        results.assert_says(parts);
        let status = if code == 0 { "ok" } else { "requirements-failed" };
        assert_eq!(results.at("outcome.status"), status, "{}", results.text);
        assert!(results.at("outcome.requirements")[0]["measured"].is_f64(), "{}", results.text);
    }
    // A URL is a request; what is not found there fails, and meets no requirement of success.
    let url = format!("http://{SERVED}/");
    let results = stage.report_of(stage.start(&format!("{url} --connections 20 --require-success 1")), 0);
    assert_eq!((results.at("workload"), results.connections("completed")), (&"request".into(), 20));
    let refused = format!("{SERVED}:9 --connections 20 --workload request --timeout 1 --require-success 50%");
    let results = stage.report_of(stage.start(&refused), 3);
    assert_eq!(results.at("outcome.requirements")[0]["measured"], 0.0, "{}", results.text);
}

#[test]
fn a_target_that_is_not_there_has_its_own_exit_code() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    // Closed ports are refused; the MAC of nobody stays silent.
    for target in [format!("{SERVED}:10"), format!("{SERVED}:9 --gateway 02:00:00:99:99:99")] {
        let results = stage.unreachable(&format!("{target} --connections 10 --timeout 1"));
        results.assert_says(&["result unreachable: none of", "connections was established"]);
        assert_eq!(results.at("outcome.status"), "unreachable", "{}", results.text);
    }
}
