//! Two queues on two cores: every connection completes, also while the segments of one flow
//! alternate between the queues and so between the cores.

use std::thread::available_parallelism;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{Spec, client_addresses};
use support::{Responder, at, clients, lab, owned, skipped};

const CONNECTIONS: u64 = 2_000;

#[test]
fn every_connection_completes_on_its_own_queue() {
    run(false);
}

#[test]
fn every_connection_completes_while_its_segments_alternate_between_the_queues() {
    run(true);
}

fn run(scatter: bool) {
    if available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        skipped::<()>("it takes two cores");
        return;
    }
    let Some(lab) = lab(|spec| Spec { queues: 2, scatter, ..spec }) else { return };
    // Native: in generic mode veth does not report on which queue a frame came, so that all count as
    // the first queue's.
    let listeners = [owned(false, "7=echo"), owned(false, "7001=close")];
    let arguments =
        ["--mode", "native", "--cores", "0,1", "--listen", &listeners[0], "--listen", &listeners[1]];
    let mut responder = Responder::start(&lab, &arguments);
    let sources = || client_addresses(false);
    let echo = ClientScript::Echo(b"there and back".into());
    clients(&lab, &Plan::parallel(at(false, 7), CONNECTIONS / 2, 50).sources(sources()).script(echo));
    clients(&lab, &Plan::parallel(at(false, 7001), CONNECTIONS / 2, 50).sources(sources()));
    responder.await_open(0);

    let summary = responder.stop();
    // One connection for each 4-tuple: a second one would have been established, too.
    assert_eq!(summary.total("established"), CONNECTIONS, "{}", summary.text);
    assert_eq!(summary.closed("passive"), CONNECTIONS / 2, "{}", summary.text);
    assert_eq!(summary.closed("active"), CONNECTIONS / 2, "{}", summary.text);
    assert_eq!(summary.dropped("forward_queue_full"), 0, "{}", summary.text);
    let [first, second] = summary.received_by_queue()[..] else { panic!("two queues: {}", summary.text) };
    assert!(first > 0 && second > 0, "{first} and {second} frames: {}", summary.text);
    let forwarded = summary.total("forwarded_out");
    if scatter {
        // Half of the segments that follow a SYN land on the other core.
        assert!(forwarded > CONNECTIONS / 2, "{forwarded} forwarded: {}", summary.text);
    }
}
