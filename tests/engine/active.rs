//! Opening from this side: SYN-SENT, and what follows from it.

use handfast_stack::observe::{Closed::*, DropReason};

use crate::caller::{Act, Callback, calling};
use crate::client::FAMILIES;
use crate::trace::{Row, calls, plain, play_with};

/// SYN, SYN-ACK, ACK.
const OPEN: &str = "! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n";

/// A row that begins with a SYN of ours.
fn sent(
    what: &'static str,
    text: &str,
    closed: &[(handfast_stack::observe::Closed, u64)],
    dropped: &[(DropReason, u64)],
) -> Row {
    plain(what, &format!("! open\n> S 0\n{text}"), closed, dropped)
}

fn opened(
    what: &'static str,
    text: &str,
    closed: &[(handfast_stack::observe::Closed, u64)],
    dropped: &[(DropReason, u64)],
) -> Row {
    plain(what, &format!("{OPEN}{text}"), closed, dropped)
}

/// RFC 9293 3.10.7.3, in its order.
#[test]
fn syn_sent_meets_everything() {
    use DropReason::*;
    let refused = [(ConnectRefused, 1)];
    let rows = [
        // First: an ACK of what was never sent. The RST ends a half-open connection of the peer's.
        sent("old SYN-ACK", "< S. 50 ack -9\n> R -9\n> S 0\n< R. 0 ack 1", &refused, &[(AckUnacceptable, 1)]),
        sent(
            "ACK of the ISN",
            "< S. 50 ack 0\n> R 0\n> S 0\n< R. 0 ack 1",
            &refused,
            &[(AckUnacceptable, 1)],
        ),
        sent(
            "ACK beyond the SYN",
            "< . 50 ack 2\n> R 2\n> S 0\n< R. 0 ack 1",
            &refused,
            &[(AckUnacceptable, 1)],
        ),
        sent(
            "old data",
            "< P. 50:55(5) ack 9\n> R 9\n> S 0\n< R. 0 ack 1",
            &refused,
            &[(AckUnacceptable, 1)],
        ),
        sent("old RST", "< R. 50 ack 2\n< R. 0 ack 1", &refused, &[(RstUnproven, 1)]),
        // Second.
        sent("RST and ACK: refused", "< R. 0 ack 1", &refused, &[]),
        sent("RST without ACK: blind", "< R 0\n< R. 0 ack 1", &refused, &[(RstUnproven, 1)]),
        sent("SYN, RST and ACK", "< SR. 0 ack 1", &refused, &[]),
        sent("SYN and RST", "< SR 0\n< R. 0 ack 1", &refused, &[(RstUnproven, 1)]),
        // Fourth.
        sent("SYN and ACK: established", "< S. 0 ack 1\n> . 1 ack 1\n< R. 1 ack 1", &[(ResetByPeer, 1)], &[]),
        sent("SYN: crossed", "< S 0\n> S. 0 ack 1\n< . 1 ack 1\n< R. 1 ack 1", &[(ResetByPeer, 1)], &[]),
        sent("SYN and FIN", "< SF 0\n< R. 0 ack 1", &refused, &[(SynWithFin, 1)]),
        // Fifth.
        sent("ACK alone", "< . 1 ack 1\n< R. 0 ack 1", &refused, &[(SynSentOther, 1)]),
        sent("FIN and ACK", "< F. 1 ack 1\n< R. 0 ack 1", &refused, &[(SynSentOther, 1)]),
        sent("nothing", "< - 1\n< R. 0 ack 1", &refused, &[(SynSentOther, 1)]),
    ];
    calls(&rows);
}

/// A peer in TIME-WAIT or half-open answers by a challenge ACK (RFC 5961 4.2). The SYN goes again after
/// the RST, once; its time-out goes on from there.
#[test]
fn a_challenged_syn_goes_again_at_once() {
    use DropReason::*;
    let open = "< S. 0 ack 1\n> . 1 ack 1\n< R. 1 ack 1";
    let rows = [
        sent(
            "welcome then",
            &format!("< . 50 ack 9\n> R 9\n> S 0\n{open}"),
            &[(ResetByPeer, 1)],
            &[(AckUnacceptable, 1)],
        ),
        sent(
            "challenged twice",
            &format!("< . 50 ack 9\n> R 9\n> S 0\n< . 50 ack 9\n> R 9\n+ 1999\n+ 1\n> S 0\n{open}"),
            &[(ResetByPeer, 1)],
            &[(AckUnacceptable, 2)],
        ),
        sent(
            "challenged late",
            &format!("+ 1000\n> S 0\n< . 50 ack 9\n> R 9\n+ 1999\n+ 1\n> S 0\n{open}"),
            &[(ResetByPeer, 1)],
            &[(AckUnacceptable, 1)],
        ),
    ];
    calls(&rows);
}

/// Not taken: our ACK covers the SYN alone, and the rest comes again.
#[test]
fn data_and_fin_on_a_syn_ack_are_left_for_later() {
    let again = "< P. 1:6(5) ack 1\n> . 1 ack 6\n< R. 6 ack 1";
    let fin = "< F. 1 ack 1\n> F. 1 ack 2\n< . 2 ack 2";
    let rows = [
        sent("data", &format!("< S. 0:5(5) ack 1\n> . 1 ack 1\n{again}"), &[(ResetByPeer, 1)], &[]),
        sent("FIN", &format!("< SF. 0 ack 1\n> . 1 ack 1\n{fin}"), &[(Passive, 1)], &[]),
    ];
    calls(&rows);
}

/// RFC 9293 3.5, figure 7, from one side; the other may be slower or lose something.
#[test]
fn syns_that_cross() {
    use DropReason::*;
    let end = "< R. 1 ack 1";
    let crossed = |what, text: &str, closed: &[_], dropped: &[_]| {
        sent(what, &format!("< S 0\n> S. 0 ack 1\n{text}"), closed, dropped)
    };
    let reset = [(ResetByPeer, 1)];
    let refused = [(ConnectRefused, 1)];
    let rows = [
        crossed("its SYN-ACK is the ACK", &format!("< S. 0 ack 1\n{end}"), &reset, &[]),
        crossed("its SYN again", &format!("< S 0\n> S. 0 ack 1\n< S. 0 ack 1\n{end}"), &reset, &[]),
        crossed(
            "its SYN-ACK again",
            &format!("< S. 0 ack 1\n< S. 0 ack 1\n> . 1 ack 1\n{end}"),
            &reset,
            &[(OutOfWindow, 1)],
        ),
        crossed("its SYN-ACK lost", &format!("+ 1000\n> S. 0 ack 1\n< . 1 ack 1\n{end}"), &reset, &[]),
        crossed(
            "a SYN-ACK of something else",
            "< S. 0 ack 9\n> R 9\n< R. 1 ack 1",
            &refused,
            &[(AckUnacceptable, 1)],
        ),
        crossed("RST", "< R 1", &refused, &[]),
        crossed("another SYN", "< S 9\n> . 1 ack 1\n< R 1", &refused, &[(OutOfWindow, 1)]),
        crossed("data with the SYN-ACK", &format!("< S. 0:4(4) ack 1\n{end}"), &reset, &[]),
    ];
    calls(&rows);
    let text = "! when close\n! open\n> S 0\n< S 0\n> S. 0 ack 1\n< S. 0 ack 1\n> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000";
    calls(&[plain("closed as soon as open", text, &[(Active, 1), (TimeWaitEnded, 1)], &[])]);
}

#[test]
fn a_lost_syn_comes_again_with_back_off() {
    let all = "+ 999\n+ 1\n> S 0\n+ 2000\n> S 0\n+ 4000\n> S 0\n+ 8000\n> S 0\n+ 16000\n> S 0\n+ 31999\n";
    let rows = [
        sent("never answered", &format!("{all}+ 1"), &[(ConnectTimeout, 1)], &[]),
        sent(
            "answered late",
            &format!("{all}< S. 0 ack 1\n> . 1 ack 1\n< R. 1 ack 1"),
            &[(ResetByPeer, 1)],
            &[],
        ),
        sent("refused late", &format!("{all}< R. 0 ack 1"), &[(ConnectRefused, 1)], &[]),
        sent(
            "crossed late",
            &format!("{all}< S 0\n> S. 0 ack 1\n< . 1 ack 1\n< R. 1 ack 1"),
            &[(ResetByPeer, 1)],
            &[],
        ),
    ];
    calls(&rows);
    let crossed = "< S 0\n> S. 0 ack 1\n+ 1000\n> S. 0 ack 1\n+ 2000\n> S. 0 ack 1\n+ 4000\n> S. 0 ack 1\n+ 8000\n> S. 0 ack 1\n+ 16000\n> S. 0 ack 1\n+ 32000";
    calls(&[sent("crossed, then silence", crossed, &[(ConnectTimeout, 1)], &[])]);
}

/// The SYN-ACK again: our ACK was lost.
#[test]
fn a_lost_ack_is_repeated_for_the_syn_ack() {
    use DropReason::*;
    let rows = [opened(
        "SYN-ACK again",
        "< S. 0 ack 1\n> . 1 ack 1\n< R. 1 ack 1",
        &[(ResetByPeer, 1)],
        &[(OutOfWindow, 1)],
    )];
    calls(&rows);
}

/// The six packets of RFC 9293's figures, with either side closing first, and the three or four of
/// a handshake that is taken back.
#[test]
fn lifecycles() {
    let ours = "! when close\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n+ 59999\n+ 1";
    let seven = "! when close\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> F. 1 ack 1\n< . 1 ack 2\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000";
    let theirs = format!("{OPEN}< F. 1 ack 1\n> F. 1 ack 2\n< . 2 ack 2");
    let crossed = "! when close\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> F. 1 ack 1\n< F. 1 ack 1\n> . 2 ack 2\n< . 2 ack 2\n+ 60000";
    let reset = "! when abort\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> R. 1 ack 1";
    let request = "! when send=5\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> P. 1:6(5) ack 1\n< P. 1:8(7) ack 6\n> . 6 ack 8\n< F. 8 ack 6\n> F. 6 ack 9\n< . 9 ack 7";
    let half = "! when send=5\n! when shutdown\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> FP. 1:6(5) ack 1\n< . 1 ack 7\n< P. 1:10(9) ack 7\n> . 7 ack 10\n< F. 10 ack 7\n> . 7 ack 11\n+ 60000";
    let rows = [
        plain("we close first", ours, &[(Active, 1), (TimeWaitEnded, 1)], &[]),
        plain("we close first, seven", seven, &[(Active, 1), (TimeWaitEnded, 1)], &[]),
        plain("the peer closes first", &theirs, &[(Passive, 1)], &[]),
        plain("FINs that cross", crossed, &[(Simultaneous, 1), (TimeWaitEnded, 1)], &[]),
        plain("taken back", reset, &[(Aborted, 1)], &[]),
        plain("request and answer", request, &[(Passive, 1)], &[]),
        plain("half-closed with the request", half, &[(Active, 1), (TimeWaitEnded, 1)], &[]),
    ];
    calls(&rows);
}

#[test]
fn what_a_handler_does_between_segments() {
    let rows = [
        sent("abort before anything came", "! abort", &[(Aborted, 1)], &[]),
        sent("close before anything came", "! close", &[(Aborted, 1)], &[]),
        sent("abort, then the SYN-ACK", "! abort\n< S. 0 ack 1\n> R 1", &[(Aborted, 1)], &[]),
        sent(
            "data before anything came",
            "! send=3\n< S. 0 ack 1\n> . 1 ack 1\n> P. 1:4(3) ack 1\n< R. 1 ack 4",
            &[(ResetByPeer, 1)],
            &[],
        ),
        sent("abort when crossed", "< S 0\n> S. 0 ack 1\n! abort\n> R. 1 ack 1", &[(Aborted, 1)], &[]),
        sent(
            "probes in the handshake",
            "! probe\n< S 0\n> S. 0 ack 1\n! probe\n< . 1 ack 1\n< R. 1 ack 1",
            &[(ResetByPeer, 1)],
            &[],
        ),
        opened("send", "! send=4\n> P. 1:5(4) ack 1\n< . 1 ack 5\n< R. 1 ack 5", &[(ResetByPeer, 1)], &[]),
        opened(
            "close",
            "! close\n> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000",
            &[(Active, 1), (TimeWaitEnded, 1)],
            &[],
        ),
        opened("abort", "! abort\n> R. 1 ack 1", &[(Aborted, 1)], &[]),
        opened(
            "abort with data in flight",
            "! send=4\n> P. 1:5(4) ack 1\n! abort\n> R. 5 ack 1",
            &[(Aborted, 1)],
            &[],
        ),
        opened(
            "close with data in flight",
            "! send=4\n> P. 1:5(4) ack 1\n! close\n< . 1 ack 5\n> F. 5 ack 1\n< R. 1 ack 6",
            &[(ResetByPeer, 1)],
            &[],
        ),
        opened("probe", "! probe\n> . 0 ack 1\n< . 1 ack 1\n< R. 1 ack 1", &[(ResetByPeer, 1)], &[]),
        opened(
            "probe twice",
            "! probe\n> . 0 ack 1\n< . 1 ack 1\n! probe\n> . 0 ack 1\n< R. 1 ack 1",
            &[(ResetByPeer, 1)],
            &[],
        ),
        opened("probe of a peer that has forgotten", "! probe\n> . 0 ack 1\n< R 1", &[(ResetByPeer, 1)], &[]),
    ];
    calls(&rows);
}

/// The callbacks in their order, and only for acceptable segments; none in TIME-WAIT.
#[test]
fn the_callbacks_of_a_connection() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|_| {});
        let text = format!(
            "{OPEN}< . 1 ack 9\n> . 1 ack 1\n< P. 1:4(3) ack 1\n> . 1 ack 4\n! send=2\n> P. 1:3(2) ack 4\n< F. 4 ack 3\n> F. 3 ack 5"
        );
        play_with(&mut lab, Some(&script), family, &text);
        let number = script.board().opens[0].unwrap();
        let heard =
            script.board().callbacks.iter().filter(|callback| **callback == Callback::Heard(number)).count();
        assert_eq!(heard, 2, "not the ACK of what was never sent");
        let expected = [
            Callback::Opened(number),
            Callback::Data(number, 3),
            Callback::Acknowledged(number, 2),
            Callback::PeerClosed(number),
        ];
        assert_eq!(script.callbacks(), expected);
        play_with(&mut lab, Some(&script), family, "< R. 5 ack 4");
        assert_eq!(script.callbacks(), [Callback::Closed(number, ResetByPeer)]);
        play_with(&mut lab, Some(&script), family, "! abort");
        assert_eq!(script.board().found, [true, false]);
        lab.over();
    }
}

#[test]
fn a_connection_in_time_wait_is_over_for_its_caller() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|_| {});
        script.board().when_opened = vec![Act::Close];
        let text =
            format!("{OPEN}> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n! abort\n< F. 1 ack 2\n> . 2 ack 2");
        play_with(&mut lab, Some(&script), family, &text);
        assert_eq!(script.board().found, [false]);
        assert_eq!(
            script.callbacks().last(),
            Some(&Callback::Closed(script.board().opens[0].unwrap(), Active))
        );
        lab.wait(60_000);
        assert_eq!(script.callbacks(), []);
        lab.over();
    }
}
