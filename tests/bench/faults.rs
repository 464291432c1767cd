//! What the server did on purpose is what the bench counts, one for one.

use support::OWNED_V4;

use crate::programs::stage;

/// Without a second SYN each connection meets one fault or none.
#[test]
fn faults_are_counted_one_for_one() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(&["9=discard"], "--fault drop=10%,reset=10%,delay=20");
    // Each drop holds its place for the second that a SYN is waited for.
    let results = stage.bench(&format!("{OWNED_V4}:9 --rate 2000 --duration 2 --syn-retries 0"));
    let report = responder.report();
    let server = &report["total"];
    let count = |value: &serde_json::Value| value.as_u64().expect("a count");
    let (resets, drops) = (count(&server["closed"]["fault_reset"]), count(&server["drops"]["fault_drop"]));
    assert_eq!(results.connections("attempted"), 4000, "{}", results.text);
    // Nobody sends these SYNs again, nor a RST ever. What either kernel had no room for, while others took
    // the cores, it counts itself; most often none.
    let (unseen, unheard) = (stage.unseen(&report), stage.unheard(&results));
    let missing = 4000 - count(&server["syns"]);
    assert!(missing <= unseen, "{missing} SYNs, of which {unseen} had no room");
    let (refused, silent) = (results.failed("refused"), results.failed("connect-timeout"));
    assert!(refused <= resets && resets <= refused + unheard, "{refused} of {resets}: {}", results.text);
    let expected = drops + missing;
    assert!((expected..=expected + unheard).contains(&silent), "{silent}, not {expected}: {}", results.text);
    assert_eq!(results.failures(), refused + silent, "{}", results.text);
    assert_eq!(results.connections("established"), count(&server["established"]));
    // Dice: 400 expected of each, with a deviation of 19.
    for (what, faults) in [("resets", resets), ("drops", drops)] {
        assert!((300..500).contains(&faults), "{faults} {what}");
    }
    // A client that other programs starve of its core reports that first.
    if results.number("load.lag_us.mean") < 1000.0 {
        assert_eq!(results.at("bottleneck.verdict"), "target", "{}", results.text);
    }
    let p50 = results.number("latency_us.connect.p50");
    // Timers tick by the millisecond.
    assert!(p50 >= 19_000.0, "every SYN-ACK is 20 ms late, not {p50} µs");
}
