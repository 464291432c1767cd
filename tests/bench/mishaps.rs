//! What goes wrong on the way: loss, a server that dies, too few 4-tuples, Ctrl-C.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use handfast_lab::{KERNEL_V4, Loss, SERVER_DEVICE, SegmentKinds, Spec};
use nix::sys::signal::Signal;
use support::OWNED_V4;

use crate::programs::stage;

/// The link program sees what the client's kernel sends: so the kernel is the server here, on the
/// client's side, and the bench calls from the server's.
#[test]
fn half_of_the_syn_acks_lost_cost_time_and_no_connection() {
    let loss = Loss { to_server: SegmentKinds::SYN, ..Loss::NONE };
    let Some(stage) = stage(|spec| Spec { loss, ..spec }) else { return };
    let at: SocketAddr = ([198, 18, 0, 1], 7000).into();
    let _kernel = stage.serve_kernel_at(stage.client(), at, "--workload lifecycle");
    let bench = stage.start_at(
        (stage.server(), SERVER_DEVICE, "198.18.1.1"),
        &format!("{at} --rate 200 --duration 1 --timeout 5"),
    );
    let results = stage.report(bench);
    results.assert_flawless();
    // Each handshake's first SYN-ACK is lost: a second passes (RFC 6298 2.1) before the next one.
    let least = &results.at("histograms.connect.counts")[0][0];
    assert!(least.as_u64().is_some_and(|least| least >= 900_000), "{least}, {}", results.text);
    assert!(results.number("latency_us.connect.p50") < 2_500_000.0, "{}", results.text);
    // Whichever end looks at its clock first brings it about. The kernel's ticks are coarser than ours,
    // but a bench that does not get its core finds the kernel's SYN-ACK there when it does.
    if results.number("load.lag_us.p50") < 1000.0 {
        assert!(results.number("retransmissions") >= 20.0, "{}", results.text);
        results.assert_says(&["were retransmitted", "packets were lost or delayed on the way"]);
    }
}

#[test]
fn a_server_that_dies_is_a_report_and_bounded_memory() {
    let Some(stage) = stage(|spec| spec) else { return };
    let responder = stage.respond(&["9=discard"], "");
    let mut bench =
        stage.start(&format!("{OWNED_V4}:9 --rate 4000 --duration 3 --timeout 1 --connections 100000"));
    bench.await_line("active");
    thread::sleep(Duration::from_millis(1000));
    let before = bench.resident();
    responder.process.signal(Signal::SIGKILL);
    let (results, most) = stage.report_and_resident(bench);
    assert!(results.connections("completed") > 0, "{}", results.text);
    assert!(results.failures() > 1000, "{}", results.text);
    let (silence, ours) = (results.failed("connect-timeout"), results.failed("timeout"));
    // The kernel of the dead responder does not have its addresses, and does not answer for them.
    assert_eq!(silence + ours + results.failed("unreachable"), results.failures(), "{}", results.text);
    assert_eq!(results.at("bottleneck.verdict"), "target", "{}", results.text);
    // At most a second's connections live at a time, 4000 of a few hundred bytes.
    assert!(most < before + (8 << 20), "{before} bytes before, {most} after");
}

/// The first connections of a run each touch another page of the table's index. On a core that other
/// programs use as well their page faults once took the first second of a run: they come before it.
#[test]
fn the_index_of_the_table_is_resident_before_the_first_connection() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    let resident = |connections: &str| {
        let run = format!("{OWNED_V4}:9 --rate 1 --connections 3 --max-connections {connections}");
        let mut bench = stage.start(&run);
        bench.await_line("active");
        let resident = bench.resident();
        stage.report(bench);
        resident
    };
    // 16 bytes for each: 64 MiB, and one.
    let (large, small) = (resident("4M"), resident("64k"));
    assert!(large > small + (48 << 20), "{large} bytes, {small} with a small table");
}

#[test]
fn a_port_range_too_small_for_the_rate_is_said_before_and_after() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    let few = (stage.client(), "hf-c", "10.78.0.1:5000-5999");
    let results = stage.report(stage.start_at(few, &format!("{OWNED_V4}:9 --rate 1000 --duration 3")));
    results.assert_says(&[
        "note: 1000 4-tuples last 1.0 s at 1000 connections per second",
        "Add addresses or ports to --source",
        "no tuple",
        "warning: no 4-tuple is free: there are 1,000, each is reused 2 s after its end, which allows 500",
        "the client was the limit",
        "give more source addresses or ports",
    ]);
    let (attempted, missing) = (results.connections("attempted"), results.failed("no-tuple"));
    assert_eq!((attempted, missing), (3000, results.failures()), "{}", results.text);
    // 1000 at once, and each again two seconds (2 MSL) after its end: of three seconds the middle one
    // lacks, and of the third as much as the slowest took. On a quiet machine that is next to nothing.
    let slowest = results.number("latency_us.completion.max") / 1e6;
    let most = 1100 + (1000.0 * slowest) as u64;
    assert!((1000..=most).contains(&missing), "{missing}, not {most} at most: {}", results.text);
}

/// Nothing fails then: the target would look slow.
#[test]
fn a_closed_loop_without_4_tuples_is_the_clients_limit() {
    let Some(stage) = stage(|spec| spec) else { return };
    let _responder = stage.respond(&["9=discard"], "");
    for few in ["10.78.0.1:5000-5999", "10.78.0.1:5000-5999 --reuse-after 0 --msl 60"] {
        let bench = stage.bare(
            &[
                &["--source"][..],
                &few.split(' ').collect::<Vec<_>>(),
                &[&format!("{OWNED_V4}:9"), "--duration", "4", "--json"],
                &[stage.file("bench.json").to_str().expect("UTF-8")],
            ]
            .concat(),
        );
        let results = stage.report(bench);
        assert_eq!(results.connections("completed"), 1000, "{}", results.text);
        assert_eq!(results.at("bottleneck.verdict"), "client", "{}", results.text);
        results.assert_says(&["no 4-tuple was free", "--source", "warning: no 4-tuple is free"]);
        assert!(results.number("load.waited_s.tuple") > 1.0, "{}", results.text);
    }
}

/// As the README has it: the lab knows which sources it routes back.
#[test]
fn in_a_lab_the_target_alone_is_enough() {
    let Some(stage) = stage(|spec| Spec { ipv6: true, ..spec }) else { return };
    let _responder = stage.respond(&["9=discard", "[2001:db8:18::1:1]:9=discard"], "");
    for (target, sources) in [
        (format!("{OWNED_V4}:9"), "10.78.0.0/16:1024-65535"),
        ("[2001:db8:18::1:1]:9".to_owned(), "[2001:db8:78::]/64:1024-65535"),
    ] {
        let mut command = stage.client().command(support::program());
        command.args(["bench", &target, "--connections", "1000", "--json"]).arg(stage.file("bench.json"));
        let results = stage.report(support::Process::start(command));
        results.assert_flawless();
        assert_eq!(results.at("options.source"), sources);
    }
}

#[test]
fn ctrl_c_still_prints_everything() {
    let Some(stage) = stage(|spec| spec) else { return };
    let at = SocketAddr::new(KERNEL_V4.into(), 7000);
    let _kernel = stage.serve_kernel(at, "--workload lifecycle");
    for (load, workload) in [("--concurrency 8", "lifecycle"), ("--connections 500", "hold")] {
        let mut bench = stage.start(&format!("{at} {load} --workload {workload} --duration 60"));
        bench.await_line("active");
        thread::sleep(Duration::from_millis(600));
        bench.signal(Signal::SIGINT);
        let results = stage.report_of(bench, 4);
        results.assert_says(&[
            "the run was ended early, by a signal",
            "limit",
            "p99.9",
            "result ended early",
        ]);
        assert_eq!(results.at("outcome.status"), "ended-early", "{}", results.text);
        assert!(results.connections("attempted") > 0 && results.failures() == 0, "{}", results.text);
        assert!(results.number("duration_s") < 30.0, "of 60 seconds: {}", results.text);
    }
}
