//! Every way from ESTABLISHED to CLOSED.

use handfast_stack::observe::Closed::{self, *};
use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;

use crate::client::{Client, FAMILIES, Lab};
use crate::trace::{opened, plain, table};

#[test]
fn the_peer_closes_first() {
    use DropReason::*;
    let rows = [
        opened("FIN, FIN, ACK", "< F. 1 ack 1\n> F. 1 ack 2\n< . 2 ack 2", &[(Passive, 1)], &[]),
        opened("data and FIN", "< F. 1:8(7) ack 1\n> F. 1 ack 9\n< . 9 ack 2", &[(Passive, 1)], &[]),
        opened(
            "data, FIN in one batch",
            "& P. 1:8(7) ack 1\n< F. 8 ack 1\n> F. 1 ack 9\n< . 9 ack 2",
            &[(Passive, 1)],
            &[],
        ),
        opened(
            "FIN before its data",
            "< F. 8 ack 1\n> . 1 ack 1\n< P. 1:8(7) ack 1\n> . 1 ack 8\n< F. 8 ack 1\n> F. 1 ack 9\n< . 9 ack 2",
            &[(Passive, 1)],
            &[(OutOfOrder, 1)],
        ),
        opened(
            "FIN again in LAST-ACK",
            "< F. 1 ack 1\n> F. 1 ack 2\n< F. 1 ack 1\n> . 2 ack 2\n< . 2 ack 2",
            &[(Passive, 1)],
            &[(OutOfWindow, 1)],
        ),
        opened("RST in LAST-ACK", "< F. 1 ack 1\n> F. 1 ack 2\n< R 2", &[(ResetByPeer, 1)], &[]),
        opened(
            "SYN in LAST-ACK",
            "< F. 1 ack 1\n> F. 1 ack 2\n< S 500\n> . 2 ack 2\n< . 2 ack 2",
            &[(Passive, 1)],
            &[(OutOfWindow, 1)],
        ),
        opened(
            "data after FIN",
            "< F. 1 ack 1\n> F. 1 ack 2\n< P. 2:7(5) ack 1\n> . 2 ack 2\n< . 2 ack 2",
            &[(Passive, 1)],
            &[(AfterFin, 1)],
        ),
        opened(
            "our FIN is lost",
            "< F. 1 ack 1\n> F. 1 ack 2\n+ 1010\n> F. 1 ack 2\n< . 2 ack 2",
            &[(Passive, 1)],
            &[],
        ),
    ];
    table(Service::Discard, &rows);
}

#[test]
fn half_closed_by_the_peer() {
    use DropReason::*;
    let wait = "< F. 1 ack 1\n> . 1 ack 2\n";
    let row = |what, text: &str, closed: &[_], dropped: &[_]| {
        opened(what, &format!("{wait}{text}"), closed, dropped)
    };
    let rows = [
        row("RST in CLOSE-WAIT", "< R 2", &[(ResetByPeer, 1)], &[]),
        row("RST near by", "< R 9\n> . 1 ack 2\n< R 2", &[(ResetByPeer, 1)], &[(RstOutOfWindow, 1)]),
        row("SYN in CLOSE-WAIT", "< S 500\n> . 1 ack 2\n< R 2", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
        row("FIN again", "< F. 1 ack 1\n> . 1 ack 2\n< R 2", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
        row("data after FIN", "< P. 2:7(5) ack 1\n> . 1 ack 2\n< R 2", &[(ResetByPeer, 1)], &[(AfterFin, 1)]),
    ];
    table(Service::Hold, &rows);
}

#[test]
fn we_close_first() {
    use DropReason::*;
    let over = [(Active, 1), (TimeWaitEnded, 1)];
    let row = |what, text: &str, closed: &[_], dropped: &[_]| {
        opened(what, &format!("> F. 1 ack 1\n{text}"), closed, dropped)
    };
    let rows = [
        row("four segments", "< . 1 ack 2\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000", &over, &[]),
        row("FIN and ACK merged", "< F. 1 ack 2\n> . 2 ack 2\n+ 60000", &over, &[]),
        row("ACK, FIN in one batch", "& . 1 ack 2\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000", &over, &[]),
        row(
            "both at once",
            "< F. 1 ack 1\n> . 2 ack 2\n< . 2 ack 2\n+ 60000",
            &[(Simultaneous, 1), (TimeWaitEnded, 1)],
            &[],
        ),
        row(
            "both at once, our FIN is lost",
            "< F. 1 ack 1\n> . 2 ack 2\n+ 1010\n> F. 1 ack 2\n< . 2 ack 2\n+ 60000",
            &[(Simultaneous, 1), (TimeWaitEnded, 1)],
            &[],
        ),
        row("RST in FIN-WAIT-1", "< R 1", &[(ResetByPeer, 1)], &[]),
        row("RST in FIN-WAIT-2", "< . 1 ack 2\n< R 1", &[(ResetByPeer, 1)], &[]),
        row("RST in CLOSING", "< F. 1 ack 1\n> . 2 ack 2\n< R 2", &[(ResetByPeer, 1)], &[]),
        row("SYN in FIN-WAIT-1", "< S 9\n> . 2 ack 1\n< R 1", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
        row(
            "SYN in FIN-WAIT-2",
            "< . 1 ack 2\n< S 9\n> . 2 ack 1\n< R 1",
            &[(ResetByPeer, 1)],
            &[(OutOfWindow, 1)],
        ),
        row(
            "SYN in CLOSING",
            "< F. 1 ack 1\n> . 2 ack 2\n< S 9\n> . 2 ack 2\n< R 2",
            &[(ResetByPeer, 1)],
            &[(OutOfWindow, 1)],
        ),
        row(
            "data in FIN-WAIT-1",
            "< P. 1:6(5) ack 1\n> R. 2 ack 1",
            &[(Closed::DataAfterClose, 1)],
            &[(DropReason::DataAfterClose, 1)],
        ),
        row(
            "data in FIN-WAIT-2",
            "< . 1 ack 2\n< P. 1:6(5) ack 2\n> R. 2 ack 1",
            &[(Closed::DataAfterClose, 1)],
            &[(DropReason::DataAfterClose, 1)],
        ),
        row("no FIN ever", "< . 1 ack 2\n+ 60000", &[(FinWait2Timeout, 1)], &[]),
    ];
    table(Service::Close, &rows);
}

#[test]
fn time_wait_answers_for_the_connection() {
    use DropReason::*;
    let over = [(Active, 1), (TimeWaitEnded, 1)];
    let row = |what, text: &str, closed: &[_], dropped: &[_]| {
        opened(what, &format!("> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n{text}"), closed, dropped)
    };
    let reused = [(Active, 1), (TimeWaitReused, 1), (HandshakeReset, 1)];
    let reset = [(Active, 1), (TimeWaitReset, 1)];
    let rows = [
        row("RST at the number awaited", "< R 2\n< . 2 ack 2\n> R 2", &reset, &[]),
        row("RST with an ACK", "< R. 2 ack 2", &reset, &[]),
        row("RST near by (RFC 1337)", "< R 3\n< R 1\n< R 70000\n+ 60000", &over, &[(RstTimeWait, 3)]),
        row("older SYN, and the RST it leads to", "< S -9\n> . 2 ack 2\n< R 2", &reset, &[(OutOfWindow, 1)]),
        row(
            "older SYNs: the second one's challenge is withheld, its client comes again",
            "< S -9\n> . 2 ack 2\n+ 400\n< S -9\n+ 200\n< S -9\n> . 2 ack 2\n< R 2",
            &reset,
            &[(OutOfWindow, 2), (ChallengeLimited, 1)],
        ),
        row(
            "old data, and the RST it leads to",
            "< P. 1:2(1) ack 2\n> . 2 ack 2\n< R 2",
            &reset,
            &[(OutOfWindow, 1)],
        ),
        row(
            "FIN again starts 2 MSL anew",
            "+ 40000\n< F. 1 ack 2\n> . 2 ack 2\n+ 59999\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000",
            &over,
            &[],
        ),
        row("ACK again", "< . 2 ack 2\n+ 60000", &over, &[]),
        row("old data", "< P. 1:2(1) ack 2\n> . 2 ack 2\n+ 60000", &over, &[(OutOfWindow, 1)]),
        row("new data", "< P. 2:11(9) ack 2\n> . 2 ack 2\n+ 60000", &over, &[(OutOfWindow, 1)]),
        row("old SYN", "< S 0\n> . 2 ack 2\n+ 60000", &over, &[(OutOfWindow, 1)]),
        row("SYN and FIN", "< SF 900\n> . 2 ack 2\n+ 60000", &over, &[(OutOfWindow, 1)]),
        row("SYN-ACK", "< S. 900 ack 2\n> . 2 ack 2\n+ 60000", &over, &[(OutOfWindow, 1)]),
        row("no ACK", "< - 2\n+ 60000", &over, &[(AckMissing, 1)]),
        row("newer SYN", "< S 900\n> S. 0 ack 901\n< R 901", &reused, &[]),
    ];
    table(Service::Close, &rows);
}

#[test]
fn the_service_resets() {
    let rows = [
        opened("RST at once", "> R. 1 ack 1", &[(Aborted, 1)], &[]),
        plain(
            "data with the ACK",
            "< S 0\n> S. 0 ack 1\n< P. 1:5(4) ack 1\n> R. 1 ack 5",
            &[(Aborted, 1)],
            &[],
        ),
        plain(
            "data beyond a gap with the ACK",
            "< S 0\n> S. 0 ack 1\n< P. 9:13(4) ack 1\n> R. 1 ack 1",
            &[(Aborted, 1)],
            &[(DropReason::OutOfOrder, 1)],
        ),
    ];
    table(Service::Reset, &rows);
}

/// What is queued goes out before our FIN, one segment at a time.
#[test]
fn a_half_closed_peer_still_hears_all_of_it() {
    let text = "& P. 1:1401(1400) ack 1\n& P. 1401:2801(1400) ack 1\n< F. 2801 ack 1\n> P. 1:1401(1400) ack 2802\n\
        < . 2802 ack 1401\n> FP. 1401:2801(1400) ack 2802\n+ 1010\n> FP. 1401:2801(1400) ack 2802\n< . 2802 ack 2801\n\
        + 1010\n> F. 2801 ack 2802\n< . 2802 ack 2802";
    table(Service::Echo, &[opened("echo to a half-closed peer", text, &[(Passive, 1)], &[])]);
}

#[test]
fn half_closed_by_us() {
    let text = "< P. 1:6(5) ack 1\n> FP. 1:125(124) ack 6\n< . 6 ack 126\n< P. 6:1006(1000) ack 126\n> . 126 ack 1006\n\
        + 59000\n< P. 1006:1016(10) ack 126\n> . 126 ack 1016\n+ 59000\n< F. 1016 ack 126\n> . 126 ack 1017\n+ 60000";
    let row =
        opened("data for longer than FIN-WAIT-2's time-out", text, &[(Active, 1), (TimeWaitEnded, 1)], &[]);
    table(Service::Http, &[row]);
}

/// Data and the peer's reset in one batch: the data is not acknowledged.
#[test]
fn a_connection_that_ends_within_its_batch_sends_nothing() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = Client::open(family, 4000, &mut lab);
        let data = client.say(b"hello");
        lab.batch(&[data, client.segment("R.", &[])]);
        lab.assert_closed(&[(ResetByPeer, 1)]);
        lab.over();
    }
}
