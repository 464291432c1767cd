use handfast_top::Model;

use crate::figures::{bench, flooded, named, responder, states, watched};

fn rate(model: &Model, name: &str) -> f64 {
    model.series().find(|(rated, _)| rated.name == name).expect("a series").0.per_second
}

#[test]
fn one_status_has_counts_and_no_rates() {
    let model = watched(1, |second| responder(2, second));
    assert_eq!(model.seconds(), None);
    assert!(model.series().all(|(rated, history)| rated.per_second == 0.0 && history.is_empty()));
    assert!(model.series().all(|(rated, _)| rated.total > 0));
    assert!(model.cores().iter().all(|core| core.busy == 0.0));
}

/// By the program's clock: an answer that comes late changes no rate.
#[test]
fn rates_are_differences_over_the_programs_own_time() {
    let mut model = watched(1, |second| responder(2, second));
    // 4 seconds later.
    model.take(responder(2, 5));
    let (before, now) = (responder(2, 1).total, responder(2, 5).total);
    assert_eq!(rate(&model, "established"), (now.established - before.established) as f64 / 4.0);
    assert_eq!(rate(&model, "SYN"), (now.syns - before.syns) as f64 / 4.0);
    assert_eq!(model.states(), Some(&states()), "those that were counted last");
}

#[test]
fn what_the_ebpf_program_answers_counts_as_well() {
    let model = watched(3, flooded);
    let (before, now) = (responder(2, 2).total, responder(2, 3).total);
    assert_eq!(rate(&model, "SYN"), 512_000.0 + (now.syns - before.syns) as f64);
    assert_eq!(rate(&model, "SYN-ACK"), 512_000.0 + 120.0 + (now.syn_acks - before.syn_acks) as f64);
    let cookies = model.cookies().expect("some");
    assert_eq!((cookies.listeners, cookies.by_ebpf, cookies.by_cores), (1, 512_000.0, 120.0));
    assert_eq!(watched(3, |second| responder(2, second)).cookies(), None);
}

#[test]
fn histories_are_as_long_as_the_watch_and_have_an_end() {
    let lengths = |model: &Model| model.series().map(|(_, history)| history.len()).collect::<Vec<_>>();
    assert_eq!(lengths(&watched(10, |second| responder(1, second))), [9; 6]);
    assert_eq!(lengths(&watched(700, |second| responder(1, second))), [600; 6]);
    let model = watched(10, |second| responder(1, second));
    let newest =
        model.series().next().and_then(|(rated, history)| Some((rated.per_second, *history.back()?)));
    let (rate, newest) = newest.expect("a history");
    assert_eq!(rate.round() as u64, newest);
}

/// Rows that come and go are hard to read.
#[test]
fn a_state_that_was_seen_keeps_its_row() {
    let mut model = watched(2, |second| responder(1, second));
    let fewer = [("ESTABLISHED".to_owned(), 7)].into();
    model.count(fewer);
    let states = model.states().expect("counted");
    assert_eq!((states["ESTABLISHED"], states["LAST-ACK"], states.len()), (7, 0, 4));
}

#[test]
fn the_end_of_time_wait_is_no_second_end() {
    let model = watched(2, |second| responder(1, second));
    let closed = &model.status().total.closed;
    let (series, _) = model.series().find(|(rated, _)| rated.name == "closed").expect("a series");
    assert_eq!(series.total, closed.named("active") + closed.named("reset_by_peer"));
    assert!(model.closed().iter().any(|way| way.name == "time_wait_ended"), "listed all the same");
}

#[test]
fn drops_are_those_seen_the_most_first() {
    let model = watched(20, |second| responder(1, second));
    let drops = model.drops();
    let names: Vec<&str> = drops.iter().map(|drop| drop.name.as_str()).collect();
    assert_eq!(names, ["tcp_partial_checksum", "listen_rst", "not_for_us", "paws"]);
    let rates: Vec<f64> = drops.iter().map(|drop| drop.per_second).collect();
    assert_eq!(rates, [1_000.0, 40.0, 0.0, 0.0]);
}

#[test]
fn a_core_is_busy_for_what_it_does_not_spare() {
    let model = watched(3, |second| responder(2, second));
    let cores = model.cores();
    assert_eq!(cores.len(), 2);
    assert!((cores[1].busy - 0.62).abs() < 1e-9, "{cores:?}");
    assert_eq!((cores[0].cpu, cores[1].cpu), (Some(0), Some(1)));
    assert_eq!(cores[0].frames_per_batch, Some(25.0));
    // It may count a sleep that began before the interval did.
    let mut model = watched(1, |second| responder(1, second));
    let mut status = responder(1, 2);
    status.detail.cores[0].idle_ns = 5_000_000_000;
    model.take(status);
    assert_eq!(model.cores()[0].busy, 0.0);
}

#[test]
fn queues_are_told_apart_by_device_and_number() {
    let two = |second| {
        let mut status = responder(2, second);
        status.detail.queues.iter_mut().for_each(|queue| queue.queue = 0);
        status.detail.queues[1].device = "other".into();
        status.detail.queues[1].received = 7 * second;
        status
    };
    let queues = watched(2, two).queues();
    assert_eq!((queues[1].name.as_str(), queues[1].received), ("other 0", 7.0));
    assert!(queues[0].received > 1_000.0);
    assert_eq!((queues[1].rx_ring_full, queues[1].tx_ring_full), (1_234, 2));
}

/// A benchmark's counts begin anew with each step of a sweep.
#[test]
fn a_count_that_begins_anew_grows_by_nothing() {
    let mut model = watched(9, bench);
    let mut status = bench(10);
    if let Some(bench) = &mut status.bench {
        bench.failed = 0;
    }
    model.take(status);
    assert_eq!(rate(&model, "failed"), 0.0);
}

#[test]
fn verdicts_of_several_devices_are_added() {
    let two = |second| {
        let mut status = responder(1, second);
        let mut other = status.detail.steering[0].clone();
        other.verdicts = named(&[("pass_not_owned", 10 * second)]);
        status.detail.steering.push(other);
        status
    };
    let verdicts = watched(2, two).verdicts();
    let passed = verdicts.iter().find(|verdict| verdict.name == "pass_not_owned").expect("seen");
    assert_eq!((passed.total, passed.per_second), (332, 10.0));
    assert!(verdicts.iter().all(|verdict| verdict.total > 0));
}
