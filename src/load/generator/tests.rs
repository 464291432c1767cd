//! Whole runs against a script instead of an engine, in virtual time.

use std::time::Duration;

use super::super::source::SourceArg;
use super::super::{Arrivals, Closer, Failure, Load, Plan, Probes, ResponseKind, RunStage, Workload};
use super::script::{Script, ScriptedPeer, ScriptedRun};
use handfast_stack::engine::OpenError;

fn plan(workload: Workload, load: Load) -> Plan {
    let sources = "10.0.0.0/24".parse::<SourceArg>().unwrap().resolve(None).unwrap();
    Plan {
        load,
        duration: Some(Duration::from_secs(2)),
        ..Plan::new("10.9.0.1:80".parse().unwrap(), sources, workload)
    }
}

const LIFECYCLE: Workload = Workload::Lifecycle { closer: Closer::Client };

fn steady(per_second: u64) -> Load {
    Load::Rate { per_second, arrivals: Arrivals::Steady }
}

#[test]
fn an_open_loop_opens_exactly_what_it_should() {
    let mut bench = ScriptedRun::new(plan(LIFECYCLE, steady(1000)), Script::new(|_| ScriptedPeer::Answers));
    let tally = bench.run();
    assert_eq!((tally.attempted, tally.established, tally.completed), (2000, 2000, 2000));
    assert_eq!((tally.measured_us, tally.seconds.len()), (2_000_000, 2));
    assert!(tally.seconds.iter().all(|second| second.completed.abs_diff(1000) <= 1), "{:?}", tally.seconds);
    // The peer takes 100 µs for each leg, the core polls every 20 µs.
    assert!((100..=120).contains(&tally.connect.max()), "{}", tally.connect.max());
    assert!((200..=220).contains(&tally.completion.min()), "{}", tally.completion.min());
    assert!(tally.lag.max() <= 20, "{}", tally.lag.max());
}

#[test]
fn what_is_opened_while_warming_up_does_not_count() {
    let second = Duration::from_secs(1);
    let plan = Plan { ramp_up: second, warm_up: second, ramp_down: second, ..plan(LIFECYCLE, steady(500)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
    let tally = bench.run();
    assert_eq!((tally.attempted, tally.completed), (1000, 1000));
    assert_eq!(bench.script.opened, 250 + 500 + 1000 + 250);
    assert_eq!(bench.control.progress().attempted, 2000);
}

#[test]
fn a_closed_loop_keeps_its_number_in_flight() {
    let mut bench =
        ScriptedRun::new(plan(LIFECYCLE, Load::Concurrency(300)), Script::new(|_| ScriptedPeer::Answers));
    bench.script.connect_us = 5_000;
    let mut max = 0;
    for _ in 0..2000 {
        bench.poll();
        max = max.max(bench.core.live);
        bench.pass();
    }
    assert_eq!(max, 300);
    assert!(bench.script.opens_per_poll.iter().all(|opens| *opens <= 128), "no herd at the start");
    let tally = bench.run();
    // Each takes 10 ms.
    assert!(tally.completed.abs_diff(60_000) < 1_000, "{}", tally.completed);
    assert_eq!(tally.lag.len(), 0, "nothing is late in a closed loop");
}

#[test]
fn every_workload_completes_with_a_peer_that_plays_along() {
    let segment = Workload::Request { request: b"ping".to_vec(), response: ResponseKind::Segment };
    for workload in [
        Workload::Handshake,
        LIFECYCLE,
        Workload::Lifecycle { closer: Closer::Server },
        segment,
        Workload::http("x", "/"),
    ] {
        let name = workload.name();
        let mut bench =
            ScriptedRun::new(plan(workload, Load::Concurrency(4)), Script::new(|_| ScriptedPeer::Answers));
        bench.script.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let tally = bench.run();
        assert!(tally.completed > 1000 && tally.failed() == 0, "{name}: {tally:?}");
        assert!(tally.in_flight == 0 && tally.seconds.len() == 2, "{name}");
    }
}

#[test]
fn every_failure_is_counted_under_its_name() {
    for (peer, workload, failure) in [
        (ScriptedPeer::Refuses, LIFECYCLE, Failure::Refused),
        (ScriptedPeer::Silent, LIFECYCLE, Failure::ConnectTimeout),
        (ScriptedPeer::Dies, LIFECYCLE, Failure::Timeout),
        (ScriptedPeer::Resets, LIFECYCLE, Failure::Reset),
        (ScriptedPeer::Answers, Workload::http("x", "/"), Failure::WrongResponse),
    ] {
        let plan = Plan { timeout: Duration::from_millis(800), ..plan(workload, steady(100)) };
        let mut bench = ScriptedRun::new(
            plan,
            Script::new(move |count| if count % 2 == 0 { peer } else { ScriptedPeer::Silent }),
        );
        let tally = bench.run();
        let silent = if failure == Failure::ConnectTimeout { 0 } else { 100 };
        assert_eq!(tally.failed_by(failure), 200 - silent, "{:?}", tally.failures().collect::<Vec<_>>());
        assert_eq!(tally.failed(), 200);
    }
}

#[test]
fn an_icmp_error_names_the_time_out() {
    let plan = Plan { connections: Some(1), ..plan(LIFECYCLE, Load::Concurrency(1)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Silent));
    while bench.script.opened == 0 {
        bench.poll();
        bench.pass();
    }
    bench.core.on_icmp_error(0);
    assert_eq!(bench.run().failed_by(Failure::Unreachable), 1);
}

#[test]
fn a_number_of_connections_ends_the_run() {
    let plan = Plan { connections: Some(777), duration: None, ..plan(LIFECYCLE, Load::Concurrency(10)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
    let tally = bench.run();
    assert_eq!((tally.attempted, tally.completed, bench.script.opened), (777, 777, 777));
    // 78 rounds of ten, 200 µs each.
    assert!((15_000..25_000).contains(&tally.measured_us), "{}", tally.measured_us);
}

#[test]
fn what_is_in_flight_after_the_drain_is_neither_completed_nor_failed() {
    let plan = Plan {
        drain: Duration::from_millis(100),
        connections: Some(500),
        ..plan(LIFECYCLE, Load::Concurrency(500))
    };
    let mut bench = ScriptedRun::new(
        plan,
        Script::new(|count| if count < 300 { ScriptedPeer::Dies } else { ScriptedPeer::Answers }),
    );
    let tally = bench.run();
    assert_eq!((tally.completed, tally.in_flight, tally.failed()), (200, 300, 0));
    assert!(bench.script.aborts_per_poll.iter().all(|aborts| *aborts <= 128), "in portions");
}

#[test]
fn a_stop_ends_the_run_with_what_there_is() {
    let mut bench = ScriptedRun::new(plan(LIFECYCLE, steady(1000)), Script::new(|_| ScriptedPeer::Answers));
    let start = bench.script.now.micros;
    let tally = bench.run_until(|bench| bench.script.now.micros > start + 1_520_000);
    assert!((1495..=1560).contains(&tally.attempted), "{}", tally.attempted);
    assert_eq!((tally.completed, tally.seconds.len()), (tally.attempted, 1));
    assert!((1_490_000..1_560_000).contains(&tally.measured_us), "{}", tally.measured_us);
}

#[test]
fn too_few_4_tuples_are_said_by_name_and_never_spun_on() {
    let sources = "10.0.0.1:1000-1099".parse::<SourceArg>().unwrap().resolve(None).unwrap();
    let open = Plan { sources: sources.clone(), ..plan(LIFECYCLE, steady(1000)) };
    let mut bench = ScriptedRun::new(open, Script::new(|_| ScriptedPeer::Answers));
    let tally = bench.run();
    assert_eq!((tally.completed, tally.failed_by(Failure::NoTuple)), (100, 1900));
    // A closed loop waits for them to be free again.
    let reuse_after = Duration::from_millis(500);
    let closed = Plan { sources, reuse_after, ..plan(LIFECYCLE, Load::Concurrency(10)) };
    let mut bench = ScriptedRun::new(closed, Script::new(|_| ScriptedPeer::Answers));
    let tally = bench.run();
    assert!((400..=500).contains(&tally.completed) && tally.failed() == 0, "{}", tally.completed);
    assert!(tally.refused.no_tuple > 0 && bench.polls < 20_000, "{} polls", bench.polls);
}

#[test]
fn a_line_that_refuses_makes_connections_late_and_then_fail() {
    for (refusal, failure) in [(OpenError::NoFrame, Failure::NoFrame), (OpenError::Full, Failure::NoSlot)] {
        let plan = Plan { timeout: Duration::from_millis(300), ..plan(LIFECYCLE, steady(100)) };
        let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
        bench.script.refusal = Some(refusal);
        let start = bench.script.now.micros;
        while bench.script.now.micros < start + 1_020_000 {
            bench.poll();
            bench.pass();
        }
        bench.script.refusal = None;
        let tally = bench.run();
        let late = if failure == Failure::NoFrame { 70 } else { 100 };
        assert!(tally.failed_by(failure).abs_diff(late) <= 2, "{:?}", tally.failures().collect::<Vec<_>>());
        assert_eq!(tally.failed() + tally.completed, 200);
        if failure == Failure::NoFrame {
            // What was opened late took so long from its intended start.
            assert!((250_000..=305_000).contains(&tally.connect.max()), "{}", tally.connect.max());
            assert!((250_000..=305_000).contains(&tally.lag.max()));
        }
    }
}

#[test]
fn a_4_tuple_in_use_is_passed_over() {
    let mut bench = ScriptedRun::new(plan(LIFECYCLE, steady(100)), Script::new(|_| ScriptedPeer::Answers));
    bench.script.refusal = Some(OpenError::InUse);
    let start = bench.script.now.micros;
    while bench.script.now.micros < start + 50_000 {
        bench.poll();
        bench.pass();
    }
    bench.script.refusal = None;
    let tally = bench.run();
    assert_eq!(tally.completed, 200);
    assert!(tally.refused.in_use > 0 && tally.refused.in_use <= 128 * bench.polls);
}

#[test]
fn a_client_that_is_too_slow_says_so() {
    let plan = Plan { timeout: Duration::from_millis(100), ..plan(LIFECYCLE, steady(1000)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
    let mut tally = None;
    while tally.is_none() {
        bench.poll();
        tally = bench.control.take();
        // A core that is polled every half second only.
        bench.script.now.micros += 500_000;
        bench.deliver();
    }
    let tally = tally.unwrap();
    assert_eq!((tally.attempted, tally.completed + tally.failed()), (2000, 2000));
    assert!(tally.failed_by(Failure::ClientLate) > 1500, "{:?}", tally.failures().collect::<Vec<_>>());
}

/// A pause does not make the client too slow, also at the end of the run.
#[test]
fn what_a_pause_at_the_end_has_put_off_is_still_opened() {
    let mut bench = ScriptedRun::new(plan(LIFECYCLE, steady(1000)), Script::new(|_| ScriptedPeer::Answers));
    let start = bench.script.now.micros;
    while bench.script.now.micros < start + 1_800_000 {
        bench.poll();
        bench.pass();
    }
    bench.script.now.micros += 300_000;
    let tally = bench.run();
    assert_eq!(
        (tally.attempted, tally.completed),
        (2000, 2000),
        "{:?}",
        tally.failures().collect::<Vec<_>>()
    );
    assert!((200_000..=300_200).contains(&tally.lag.max()), "{}", tally.lag.max());
    assert_eq!(tally.measured_us, 2_000_000);
}

fn hold(connections: u64) -> Plan {
    Plan {
        connections: Some(connections),
        probes: Probes { per_second: 10_000, ..Probes::default() },
        ..plan(Workload::Hold, Load::Concurrency(50))
    }
}

#[test]
fn held_connections_are_all_kept_and_probed() {
    let mut bench = ScriptedRun::new(hold(3000), Script::new(|_| ScriptedPeer::Answers));
    let start = bench.script.now.micros;
    let mut max = 0;
    while bench.script.probes.is_empty() {
        bench.poll();
        max = max.max(bench.core.live);
        bench.pass();
    }
    assert_eq!(max, 3000, "all at a time, though only 50 handshakes are");
    assert!(bench.script.now.micros - start >= 2_000_000, "kept for the duration");
    let before = bench.script.now.micros;
    let tally = bench.run();
    assert_eq!((tally.established, tally.completed, bench.script.probes.len()), (3000, 3000, 3000));
    assert!(bench.script.now.micros - before >= 290_000, "at the rate for probes");
    assert!((100..=120).contains(&tally.completion.max()), "{}", tally.completion.max());
}

#[test]
fn the_silent_are_asked_again_and_then_lost() {
    let mut bench = ScriptedRun::new(hold(100), Script::new(|_| ScriptedPeer::Answers));
    bench.script.deaf = Box::new(|number| number < 10);
    let tally = bench.run();
    assert_eq!((tally.completed, tally.failed_by(Failure::ProbeLost)), (90, 10), "{tally:?}");
    assert_eq!(bench.script.probes.len(), 100 + 10 + 10);
}

#[test]
fn a_peer_that_is_slow_to_answer_probes_is_not_asked_faster() {
    // 20 ms each: a window of 1024 is some 50,000 a second, and the rate for probes is ten times that.
    let probes = Probes { per_second: 500_000, ..Probes::default() };
    let mut bench = ScriptedRun::new(Plan { probes, ..hold(3000) }, Script::new(|_| ScriptedPeer::Answers));
    bench.script.connect_us = 20_000;
    while bench.script.probes.is_empty() {
        bench.poll();
        bench.pass();
    }
    let before = bench.script.now.micros;
    let tally = bench.run();
    assert_eq!((tally.completed, bench.script.probes.len()), (3000, 3000));
    let took = bench.script.now.micros - before;
    // And the end comes no faster than the answers did.
    assert!((100_000..300_000).contains(&took), "{took}");
}

#[test]
fn a_peer_that_answers_no_probe_at_all_is_not_asked_twice() {
    let mut bench = ScriptedRun::new(hold(5000), Script::new(|_| ScriptedPeer::Answers));
    bench.script.deaf = Box::new(|_| true);
    let tally = bench.run();
    assert_eq!((tally.completed, tally.failed_by(Failure::ProbeLost)), (0, 5000));
    assert_eq!(bench.script.probes.len(), 5000);
}

#[test]
fn a_flood_sends_at_its_rate_and_waits_for_nothing() {
    let mut bench =
        ScriptedRun::new(plan(Workload::Flood, steady(10_000)), Script::new(|_| ScriptedPeer::Silent));
    let tally = bench.run();
    assert_eq!((tally.attempted, tally.completed, tally.established), (20_000, 20_000, 0));
    assert!(tally.seconds.iter().all(|second| second.completed.abs_diff(10_000) <= 1), "{:?}", tally.seconds);
    assert!(tally.lag.max() <= 20, "{}", tally.lag.max());
}

#[test]
fn without_a_rate_a_flood_is_as_fast_as_the_line() {
    let plan = Plan { connections: Some(5000), ..plan(Workload::Flood, Load::Concurrency(1)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Silent));
    let tally = bench.run();
    assert_eq!((tally.completed, bench.script.opened), (5000, 5000));
    assert!(bench.script.opens_per_poll.iter().all(|opens| *opens <= 64));
    let polls = bench.script.opens_per_poll.iter().filter(|opens| **opens > 0).count();
    assert_eq!(polls, 5000usize.div_ceil(64), "none is left out");
}

#[test]
fn steps_follow_one_another_and_4_tuples_rest_between_them() {
    let sources = "10.0.0.1:1000-1999".parse::<SourceArg>().unwrap().resolve(None).unwrap();
    let plan = Plan { sources, ..plan(LIFECYCLE, steady(300)) };
    let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
    assert_eq!(bench.control.begin(), Err(crate::BeginError::Busy));
    assert_eq!(bench.run().completed, 600);
    assert_eq!(bench.control.progress().stage, RunStage::Finished);
    bench.control.step(steady(400)).unwrap();
    let tally = bench.run();
    assert_eq!((tally.completed, tally.failed_by(Failure::NoTuple)), (400, 400));
}

#[test]
fn a_core_that_ends_in_the_middle_hands_in_what_it_has() {
    let mut bench = ScriptedRun::new(plan(LIFECYCLE, steady(1000)), Script::new(|_| ScriptedPeer::Dies));
    let start = bench.script.now.micros;
    while bench.script.now.micros < start + 1_000_000 {
        bench.poll();
        bench.pass();
    }
    assert!(bench.control.take().is_none());
    let ScriptedRun { core, control, .. } = bench;
    drop(core);
    let tally = control.take().unwrap();
    assert!(tally.in_flight > 900 && tally.attempted == tally.in_flight, "{tally:?}");
}

/// In a closed loop no connection fails for lack of a 4-tuple or a slot: the time waited is counted.
#[test]
fn a_closed_loop_tells_how_long_it_waited_for_something_of_its_own() {
    let loop_of = |sources: &str, reuse_after| Plan {
        sources: sources.parse::<SourceArg>().unwrap().resolve(None).unwrap(),
        reuse_after: Duration::from_secs(reuse_after),
        ..plan(LIFECYCLE, Load::Concurrency(4))
    };
    let wait = |plan: Plan, refusal| {
        let mut bench = ScriptedRun::new(plan, Script::new(|_| ScriptedPeer::Answers));
        bench.script.refusal = refusal;
        let waited = bench.run().waited;
        (waited.tuple_us, waited.slot_us, bench.control.progress().waited_for_tuple_us)
    };
    // Ten of them, in a millisecond, and then none for a minute.
    let (tuple, slot, live) = wait(loop_of("10.0.0.1:1000-1009", 60), None);
    assert!((1_990_000..=2_000_000).contains(&tuple) && slot == 0, "{tuple} {slot}");
    assert!(live >= tuple, "{live}");
    // Our own end still has each of them.
    let (tuple, slot, _) = wait(loop_of("10.0.0.1:1000-1009", 0), Some(OpenError::InUse));
    assert!((1_990_000..=2_000_000).contains(&tuple) && slot == 0, "{tuple} {slot}");
    let (tuple, slot, _) = wait(loop_of("10.0.0.0/24", 60), Some(OpenError::Full));
    assert!((1_990_000..=2_000_000).contains(&slot) && tuple == 0, "{tuple} {slot}");
    let (tuple, slot, _) = wait(loop_of("10.0.0.0/24", 60), None);
    assert_eq!((tuple, slot), (0, 0));
}
