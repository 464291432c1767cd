//! A real Prometheus scrapes a responder, and has what the summary has.

use std::thread;
use std::time::Duration;

use handfast_lab::Lab;
use handfast_lab::load::{ClientScript, Plan};
use serde_json::Value;
use support::{at, attempts, clients, lab, owned, tool, wait_until_within};

use crate::programs::{Prometheus, Responder};

/// A count of the summary's total, and its metric.
const TOTALS: &[(&str, &str)] = &[
    ("frames_in", "handfast_frames_received_total"),
    ("frames_out", "handfast_frames_sent_total"),
    ("batches", "handfast_batches_total"),
    ("syns", "handfast_syns_received_total"),
    ("syn_acks", "handfast_syn_acks_sent_total"),
    ("syn_acks_cookie", "handfast_syn_ack_cookies_sent_total"),
    ("syn_ack_retransmissions", "handfast_syn_ack_retransmissions_total"),
    ("opens", "handfast_opens_total"),
    ("syn_retransmissions", "handfast_syn_retransmissions_total"),
    ("established", "handfast_connections_established_total"),
    ("established_by_cookie", "handfast_connections_established_by_cookie_total"),
    ("retransmissions", "handfast_retransmissions_total"),
    ("challenge_acks", "handfast_challenge_acks_sent_total"),
    ("resets_sent", "handfast_resets_sent_total"),
    ("arp_replies", "handfast_arp_replies_sent_total"),
    ("neighbour_adverts", "handfast_neighbour_advertisements_sent_total"),
    ("echo_replies", "handfast_echo_replies_sent_total"),
    ("icmp_unreachables_sent", "handfast_icmp_unreachables_sent_total"),
    ("announcements", "handfast_announcements_sent_total"),
    ("icmp_errors", "handfast_icmp_errors_received_total"),
    ("forwarded_out", "handfast_segments_forwarded_out_total"),
    ("forwarded_in", "handfast_segments_forwarded_in_total"),
    ("relayed_out", "handfast_frames_relayed_out_total"),
    ("relayed_in", "handfast_frames_relayed_in_total"),
    ("frames_lost", "handfast_frames_lost_total"),
    ("connections", "handfast_connections"),
];

/// Not its wake-ups: the end of a core is one more.
const QUEUE: &[(&str, &str)] = &[
    ("received", "handfast_queue_frames_received_total"),
    ("transmitted", "handfast_queue_frames_sent_total"),
    ("wakeup_stalls", "handfast_queue_wakeup_stalls_total"),
    ("tx_ring_full", "handfast_queue_transmit_ring_full_total"),
    ("link_down", "handfast_queue_link_down_total"),
    ("bad_descriptors", "handfast_queue_bad_descriptors_total"),
    ("split", "handfast_queue_split_total"),
];

const CONNECTIONS: u64 = 2000;
/// So long must nothing have changed before it counts as the end of all traffic.
const QUIET: Duration = Duration::from_millis(1500);

fn traffic(lab: &Lab) {
    clients(lab, &Plan::parallel(at(false, 7001), CONNECTIONS, 64));
    let first = Plan::parallel(at(false, 9), CONNECTIONS / 2, 64).script(ClientScript::CloseFirst);
    clients(lab, &first);
    // No listener there: refused, with a RST each.
    assert_eq!(attempts(lab, &Plan::sequential(at(false, 4444), 50)).failed(), 50);
}

#[test]
fn what_it_scraped_equals_the_summary_to_the_packet() {
    let Some(lab) = lab(|spec| spec) else { return };
    if tool("prometheus").is_none() {
        return;
    }
    let prometheus = Prometheus::start(&lab);
    let (close, discard) = (owned(false, "7001=close"), owned(false, "9=discard"));
    let responder = Responder::start(&lab, &["--listen", &close, "--listen", &discard, "--msl", "1"]);
    wait_until_within(Duration::from_secs(60), "Prometheus scrapes", || {
        prometheus.query("up").is_some_and(|up| up.iter().any(|(_, value)| *value == 1.0))
    });
    traffic(&lab);
    let settled = || prometheus.query(r#"{__name__=~"handfast_.*",__name__!~".*_seconds.*"}"#);
    // Nothing at all is not settled but late, and a TIME-WAIT is an end to come.
    let is_over = |series: &[(Value, f64)]| {
        let mut connections = series.iter().filter(|(at, _)| at["__name__"] == "handfast_connections");
        connections.clone().count() > 0 && connections.all(|(_, value)| *value == 0.0)
    };
    wait_until_within(Duration::from_secs(60), "nothing changes any more", || {
        let before = settled();
        thread::sleep(QUIET);
        before.as_deref().is_some_and(is_over) && before == settled()
    });
    let read = |rows: &[(&'static str, &str)]| -> Vec<(&'static str, f64)> {
        rows.iter().map(|(name, metric)| (*name, prometheus.sum(metric))).collect()
    };
    let (totals, queues) = (read(TOTALS), read(QUEUE));
    let named = |metric: &str, label: &str| -> Vec<(String, f64)> {
        let series = prometheus.last(&format!("sum by ({label})"), metric);
        series.into_iter().map(|(at, n)| (at[label].as_str().expect("a label").to_owned(), n)).collect()
    };
    let drops = named("handfast_drops_total", "reason");
    let closed = named("handfast_connections_closed_total", "how");
    let verdicts = named("handfast_steering_frames_total", "verdict");
    let kernel = named("handfast_queue_kernel_events_total", "event");
    let summary = responder.stop();
    prometheus.stop();

    let total = &summary["total"];
    assert_eq!(total["established"], CONNECTIONS + CONNECTIONS / 2, "{summary:#}");
    equal(&totals.iter().map(|(name, value)| (*name, *value)).collect::<Vec<_>>(), total);
    equal(&drops, &total["drops"]);
    equal(&closed, &total["closed"]);
    assert_eq!(drops.len(), total["drops"].as_object().expect("drops").len());
    let only = |list: &'static str| {
        let list = summary[list].as_array().expect("a list");
        assert_eq!(list.len(), 1, "one device with one queue");
        &list[0]
    };
    equal(&queues, only("queues"));
    equal(&kernel, &only("queues")["kernel"]);
    equal(&verdicts, &only("steering")["verdicts"]);
}

/// All differences at once.
fn equal<Name: AsRef<str>>(scraped: &[(Name, f64)], summary: &Value) {
    assert!(!scraped.is_empty());
    let differences: Vec<_> = scraped
        .iter()
        .map(|(name, value)| (name.as_ref(), *value, summary[name.as_ref()].as_f64()))
        .filter(|(_, scraped, summary)| Some(*scraped) != *summary)
        .collect();
    assert!(differences.is_empty(), "scraped, and summary: {differences:?}");
}
