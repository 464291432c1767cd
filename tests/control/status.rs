use std::thread;
use std::time::Duration;

use handfast_lab::load::Plan;
use handfast_lab::{Spec, client_addresses};
use support::{at, clients, lab, owned, wait_until};

use crate::asked::Asked;

/// Once traffic has stopped, the socket reports the figures of the summary.
#[test]
fn the_status_is_the_summary_when_nothing_moves() {
    let Some(lab) = lab(|spec| Spec { queues: 2, ..spec }) else { return };
    let listener = owned(false, "7001=close");
    let asked = Asked::start(&lab, &["--cores", "0,1", "--listen", &listener]);
    clients(&lab, &Plan::parallel(at(false, 7001), 1_000, 50).sources(client_addresses(false)));

    // The clients are done before their last ACKs have arrived, and a turn counts one thing after another.
    wait_until("every connection has closed", || asked.status().total.closed.named("active") == 1_000);
    let frames = || {
        let total = asked.status().total;
        (total.frames_in, total.frames_out)
    };
    wait_until("nothing moves", || {
        let before = frames();
        thread::sleep(Duration::from_millis(300));
        before == frames()
    });
    let status = asked.status();
    assert_eq!((status.schema.as_str(), status.program.as_str()), ("handfast-status/1", "respond"));
    assert_eq!((status.pid, status.user.as_str()), (asked.responder.id(), "root"));
    assert_eq!(status.listeners, [listener]);
    assert_eq!(status.active.cpus, [0, 1]);
    assert!(status.bench.is_none() && status.states.is_none());
    assert_eq!(status.detail.cores.len(), 2);
    assert!(status.uptime_s > 0.0 && status.started_at.starts_with("20"));
    assert_eq!(status.total.established, 1_000);
    let queues: Vec<_> = status.detail.queues.iter().map(|queue| (queue.queue, queue.core)).collect();
    assert_eq!(queues, [(0, 0), (1, 1)]);
    // A client that sends again after a time-out may do so on another queue, and so to another core.
    let received = status.detail.queues.iter().map(|queue| queue.received).sum::<u64>();
    assert_eq!(received + status.total.forwarded_in, status.total.frames_in);
    assert!(status.detail.queues.iter().all(|queue| queue.device == "hf-s" && queue.kernel.is_some()));

    let told = serde_json::to_value(&status.total).expect("JSON");
    let summary = asked.responder.stop();
    for (name, count) in told.as_object().expect("counts by name") {
        // Time goes on, and a wake-up without work too.
        if name == "idle_ns" || name == "batches" {
            continue;
        }
        match count.as_object() {
            Some(named) => {
                let all = match name.as_str() {
                    "closed" => named.iter().map(|(how, count)| (summary.closed(how), count)).collect(),
                    "drops" => named.iter().map(|(why, count)| (summary.dropped(why), count)).collect(),
                    _ => Vec::new(),
                };
                assert!(all.iter().all(|(count, told)| *told == count), "{name}: {named:?}");
            }
            None => assert_eq!(count, summary.total(name), "{name}\n{}", summary.text),
        }
    }
}
