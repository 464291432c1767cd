use std::io::Write;
use std::process::{Command, Stdio};

use handfast_metrics::{MetricKind, all};
use handfast_stack::engine::Snapshot;
use support::tool;

use crate::sample::{LARGEST, page, snapshot};
use crate::scraped::Scraped;

#[test]
fn every_metric_is_served_as_the_catalogue_has_it_and_no_other() {
    let text = page(&snapshot(), true);
    let scraped = Scraped::read(&text);
    let names = scraped.names();
    let known: Vec<_> = all();
    assert_eq!(names.len(), known.len(), "{names:?}");
    for metric in known {
        let kind = if metric.kind == MetricKind::Counter { "counter" } else { "gauge" };
        assert_eq!(names.get(metric.name).map(Vec::as_slice), Some(metric.labels), "{}", metric.name);
        assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        assert!(text.contains(&format!("# TYPE {} {kind}\n", metric.name)), "{}", metric.name);
    }
}

#[test]
fn counts_are_exact_and_each_has_its_place() {
    let scraped = Scraped::read(&page(&snapshot(), true));
    for (series, value) in [
        (r#"handfast_build_info{version="0.1.0"}"#, 1.0),
        ("handfast_uptime_seconds", 1.5),
        (r#"handfast_core_info{core="1",cpu="1"}"#, 1.0),
        (r#"handfast_frames_received_total{core="0"}"#, LARGEST as f64),
        (r#"handfast_connections{core="0",state="half_open"}"#, 20.0),
        (r#"handfast_connections{core="0",state="open"}"#, 10.0),
        (r#"handfast_connections{core="1",state="open"}"#, 110.0),
        (r#"handfast_connections{core="1",state="time_wait"}"#, 30.0),
        (r#"handfast_idle_seconds_total{core="0"}"#, 1.5),
        (r#"handfast_stage_seconds_total{core="0",stage="receive"}"#, 1.0),
        (r#"handfast_connections_closed_total{core="1",how="passive"}"#, 100.0),
        (r#"handfast_drops_total{core="1",reason="frame_truncated"}"#, 1100.0),
        (r#"handfast_queue_frames_received_total{device="h\"f\\0",queue="0",core="0"}"#, 11.0),
        (
            r#"handfast_queue_kernel_events_total{device="h\"f\\0",queue="0",core="0",event="rx_ring_full"}"#,
            12.0,
        ),
        (
            r#"handfast_device_info{device="h\"f\\0",driver="veth",mode="generic",copy="copy",cookies="ebpf"}"#,
            1.0,
        ),
        ("handfast_cookie_tier_listeners", 2.0),
        ("handfast_cookie_tier_verifying", 1.0),
        ("handfast_cookie_tier_begun_total", 5.0),
        ("handfast_cookie_tier_ended_total", 3.0),
        ("handfast_bench_attempted_total", 9.0),
        (r#"handfast_bench_failed_total{reason="client-late"}"#, 1.0),
    ] {
        assert_eq!(scraped.value(series), value, "{series}");
    }
}

/// A responder has no benchmark, a stack without accounting no stages, a closed socket no kernel.
#[test]
fn what_is_not_there_is_left_out() {
    let mut snapshot = snapshot();
    for core in &mut snapshot.cores {
        core.stages_ns.0.iter_mut().for_each(|(_, ns)| *ns = 0);
    }
    snapshot.queues.iter_mut().for_each(|queue| queue.kernel = None);
    let text = page(&snapshot, false);
    for gone in ["handfast_bench", "handfast_stage", "handfast_queue_kernel"] {
        assert!(!text.contains(gone), "{gone}");
    }
    assert!(text.contains("handfast_queue_wakeups_total"));
}

/// Gauges that were read one after the other may not fit each other.
#[test]
fn no_state_has_fewer_than_no_connections() {
    let mut snapshot = snapshot();
    snapshot.cores.iter_mut().for_each(|core| core.connections = 1);
    let scraped = Scraped::read(&page(&snapshot, false));
    assert_eq!(scraped.value(r#"handfast_connections{core="0",state="open"}"#), 0.0);
}

#[test]
fn promtool_has_no_complaint() {
    if tool("promtool").is_none() {
        return;
    }
    for (snapshot, bench) in [(snapshot(), true), (Snapshot::default(), false)] {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool");
        let text = page(&snapshot, bench);
        promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
        let said = promtool.wait_with_output().expect("promtool");
        let complaints = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.status.success() && complaints.is_empty(), "{complaints}\n{text}");
    }
}
