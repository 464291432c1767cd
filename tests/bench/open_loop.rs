//! An open loop opens what it was asked for; what is held stays.

use serde_json::Value;
use support::OWNED_V4;

use crate::results::Results;

use crate::programs::{Stage, stage};

#[test]
fn the_rate_asked_for_is_the_rate_achieved() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    for arrivals in ["", " --poisson"] {
        keeps_its_rate(&stage, arrivals);
    }
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no count: {value}"))
}

/// Seconds from an intended start to the end of that connection, at most.
fn slowest(results: &Results) -> f64 {
    results.number("latency_us.completion.max") / 1e6
}

fn keeps_its_rate(stage: &Stage, arrivals: &str) {
    let results = stage.bench(&format!("{OWNED_V4}:9 --rate 5000 --duration 3{arrivals}"));
    results.assert_flawless();
    let attempted = results.connections("attempted") as f64;
    // The schedule is exact; at random, the deviation of 15,000 is 122.
    let (least, most) = if arrivals.is_empty() { (15_000.0, 15_000.0) } else { (14_400.0, 15_600.0) };
    assert!((least..=most).contains(&attempted), "{attempted}");
    let series = results.json["series"].as_array().expect("seconds");
    assert_eq!(series.len(), 3);
    let completed: u64 = series.iter().map(|second| count(&second["completed"])).sum();
    // All were completed in the end.
    assert!((results.number("rate.mean") - attempted / 3.0).abs() < 1e-6, "{}", results.text);
    // What is not completed in these seconds had no more time left than the slowest one took. On a
    // quiet machine that is next to nothing: `figures` holds the rate to one percent.
    let (missing, slowest) = (attempted - completed as f64, slowest(&results));
    assert!((0.0..=5000.0 * slowest + 150.0).contains(&missing), "{missing}, {}", results.text);
}

#[test]
fn twenty_thousand_connections_stay_and_answer() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(&["82=hold"], "");
    let results =
        stage.bench(&format!("{OWNED_V4}:82 --workload hold --connections 20000 --rate 4000 --duration 0.5"));
    results.assert_flawless();
    assert_eq!(results.connections("completed"), 20_000);
    assert_eq!(results.number("latency_us.completion.count"), 20_000.0, "every probe's answer");
    // The time that other programs take counts as the bench's own slowness.
    let late = results.number("load.lag_us.p50") > 1000.0;
    let limit = ["neither: all connections were opened and answered their probe", "the client was the limit"];
    results.assert_says(&[limit[usize::from(late)]]);
    let report = responder.report();
    assert_eq!(report["total"]["established"], 20_000);
    // Each was ended by the RST that follows the answer. A RST is not sent again: what the server's
    // kernel had no room for, while others took the cores, it counts itself.
    let ended = count(&report["total"]["closed"]["reset_by_peer"]);
    let no_room = stage.unseen(&report);
    assert!(ended <= 20_000 && ended + no_room >= 20_000, "{ended} and {no_room}");
}

/// Against a server that refuses every connection no rate holds, and the report has none.
#[test]
fn a_search_ends_with_what_it_found() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "--fault reset=100%");
    let results = stage.unreachable(&format!(
        "{OWNED_V4}:9 --find-max --loss 0.001 --duration 0.1 --ramp 0.02 --timeout 0.5"
    ));
    results.assert_says(&["does not hold", "not even one connection per second holds"]);
}
