//! Metrics of the programs while they work: a benchmark's, and a responder's whose clients are rude.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::load::Plan;
use support::{Ended, Process, at, clients, lab, owned};
use tempfile::TempDir;

use crate::http::{self, connect};
use crate::programs::{METRICS, Responder, bench, json, respond};
use crate::scraped::Scraped;

#[test]
fn a_benchmark_shows_what_it_does_and_never_more_than_it_did() {
    let Some(lab) = lab(|spec| spec) else { return };
    let directory = TempDir::new().expect("a directory");
    let report = directory.path().join("bench.json");
    let listen = owned(false, "80=discard");
    let responder = Responder::start(&lab, &["--listen", &listen, "--msl", "1"]);
    // One port has no listener: a ninth is refused.
    let arguments = "198.18.1.1:80-88 --rate 900 --duration 3";
    let mut process = Process::start(bench(&lab, arguments, &report));
    process.await_line("metrics: ");
    let scrape = || lab.in_client(|| http::get(METRICS, "/metrics")).expect("the namespace");
    let mut scrapes: Vec<Scraped> = Vec::new();
    while let Ok(response) = scrape() {
        scrapes.push(Scraped::read(&response.body));
        thread::sleep(Duration::from_millis(100));
    }
    let Ended { code, text, .. } = process.ended();
    assert_eq!(code, Some(0), "{text}");
    let connections = &json(&report)["connections"];
    assert!(scrapes.len() > 5, "{}", scrapes.len());
    for (metric, most) in [
        ("handfast_bench_attempted_total", connections["attempted"].as_f64()),
        ("handfast_bench_completed_total", connections["completed"].as_f64()),
        (r#"handfast_bench_failed_total{reason="refused"}"#, connections["failed"]["refused"].as_f64()),
        ("handfast_bench_established_total", connections["established"].as_f64()),
    ] {
        let values: Vec<f64> = scrapes.iter().map(|scrape| scrape.value(metric)).collect();
        let most = most.unwrap_or_else(|| panic!("{metric}: {connections}"));
        assert!(values.is_sorted(), "{metric}: {values:?}");
        let last = values.last().copied().unwrap_or_default();
        assert!(last <= most && last > 0.5 * most, "{metric}: {last} of {most}");
    }
    responder.stop();
}

/// Garbage, slow clients and clients that never read, all the time, on as many threads as there are
/// kinds: every connection of the packet path goes to its end, and scrapes get through.
#[test]
fn rude_clients_disturb_neither_scrapes_nor_packets() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listen = owned(false, "7001=close");
    let responder = Responder::start(&lab, &["--listen", &listen, "--msl", "1"]);
    let over = AtomicBool::new(false);
    let rude = |bytes: &'static [u8], pause: Duration| {
        let mut held = Vec::new();
        while !over.load(Ordering::Relaxed) {
            if let Ok(mut stream) = connect(METRICS) {
                let _ = stream.write_all(bytes);
                held.push(stream);
            }
            // Most of them stay, and are thrown out.
            held.drain(..held.len().saturating_sub(64));
            thread::sleep(pause);
        }
        held.len()
    };
    let served = thread::scope(|scope| {
        for bytes in [&b"\x00\xff\x00garbage\r\n\r\n"[..], b"GET /me", b"GET /metrics HTTP/1.1\r\n\r\n"] {
            let lab = &lab;
            let rude = &rude;
            scope.spawn(move || {
                lab.in_server(|| rude(bytes, Duration::from_millis(5))).expect("the namespace")
            });
        }
        clients(&lab, &Plan::parallel(at(false, 7001), 3000, 64));
        // A client that has not asked before sixteen others have come is disconnected, too.
        let is_served = || responder.try_get("/metrics").is_ok_and(|answer| answer.status == 200);
        let served = (0..20).take_while(|_| (0..5).any(|_| is_served())).count();
        over.store(true, Ordering::Relaxed);
        served
    });
    assert_eq!(served, 20);
    assert_eq!(responder.scrape().sum("handfast_connections_established_total"), 3000.0);
    let summary = responder.stop();
    assert_eq!(
        (&summary["total"]["established"], &summary["total"]["frames_lost"]),
        (&3000.into(), &0.into())
    );
}

/// The thread that serves has no capability either, and a taken address is an error before the
/// interface is touched.
#[test]
fn it_serves_without_privileges_and_refuses_an_address_that_is_taken() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = Responder::start(&lab, &["--listen", "198.18.1.1:80"]);
    let began = Instant::now();
    let second = Process::start(respond(&lab, &["--listen", "198.18.1.2:80"])).ended();
    assert_eq!(second.code, Some(1), "{}", second.text);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(second.text.contains("cannot serve metrics at 127.0.0.1:9464"), "{}", second.text);
    assert!(second.text.contains("fix: use another port"), "{}", second.text);
    // Who answers has a name: a thread gives it to itself.
    assert_eq!(responder.get("/metrics").status, 200);
    let mut seen = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", responder.process.id())).expect("it runs") {
        let status = fs::read_to_string(task.expect("a thread").path().join("status")).expect("it runs");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        assert_eq!(field("CapEff:"), Some("0000000000000000"), "{status}");
        seen.push(field("Name:").unwrap_or_default().to_owned());
    }
    assert!(seen.iter().any(|name| name == "hf-metrics"), "{seen:?}");
    responder.stop();
}
