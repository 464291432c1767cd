//! LISTEN and SYN-RECEIVED.

use handfast_stack::observe::{Closed::*, DropReason};
use handfast_stack::service::Service;

use crate::client::{Client, FAMILIES, Lab};
use crate::frames::{build, flags_of};
use crate::trace::{opened, plain, table};
use handfast_stack::wire::{Seq, TxSegment};

#[test]
fn listen_takes_a_syn_and_nothing_else() {
    use DropReason::*;
    let rows = [
        plain("RST", "< R 0", &[], &[(ListenRst, 1)]),
        plain("RST and ACK", "< R. 0 ack 5", &[], &[(ListenRst, 1)]),
        plain("RST and SYN", "< SR 0", &[], &[(ListenRst, 1)]),
        plain("ACK", "< . 1 ack 5\n> R 5", &[], &[]),
        plain("SYN and ACK", "< S. 1 ack 5\n> R 5", &[], &[]),
        plain("FIN and ACK", "< F. 1 ack 5\n> R 5", &[], &[]),
        plain("data and ACK", "< P. 1:10(9) ack 5\n> R 5", &[], &[]),
        plain("nothing", "< - 1", &[], &[(ListenNoSyn, 1)]),
        plain("FIN", "< F 1", &[], &[(ListenNoSyn, 1)]),
        plain("data without ACK", "< P 1:6(5)", &[], &[(ListenNoSyn, 1)]),
        plain("SYN and FIN", "< SF 0", &[], &[(SynWithFin, 1)]),
    ];
    table(Service::Discard, &rows);
}

#[test]
fn half_open_connections_meet_everything() {
    use DropReason::*;
    let syn = "< S 0\n> S. 0 ack 1\n";
    let row =
        |what, text: &str, closed: &[_], dropped: &[_]| plain(what, &format!("{syn}{text}"), closed, dropped);
    let end = "< R 1";
    let rows = [
        row("exact RST: LISTEN again", "< R 1", &[(HandshakeReset, 1)], &[]),
        row("RST in the window", "< R 2\n> . 1 ack 1\n< R 1", &[(HandshakeReset, 1)], &[(RstOutOfWindow, 1)]),
        row("RST outside", "< R 0\n< R 1", &[(HandshakeReset, 1)], &[(RstOutOfWindow, 1)]),
        row("SYN again", "< S 0\n> S. 0 ack 1\n< R 1", &[(HandshakeReset, 1)], &[]),
        row("another SYN in the window: LISTEN again", "< S 9", &[(HandshakeReset, 1)], &[]),
        row("old SYN", "< S -9\n> . 1 ack 1\n< R 1", &[(HandshakeReset, 1)], &[(OutOfWindow, 1)]),
        row("no ACK", "< - 1\n< R 1", &[(HandshakeReset, 1)], &[(AckMissing, 1)]),
        row("ACK too far", "< . 1 ack 2\n> R 2\n< R 1", &[(HandshakeReset, 1)], &[(AckUnacceptable, 1)]),
        row("ACK too old", "< . 1 ack 0\n> R 0\n< R 1", &[(HandshakeReset, 1)], &[(AckUnacceptable, 1)]),
        row(
            "outside the window",
            "< . 70000 ack 1\n> . 1 ack 1\n< R 1",
            &[(HandshakeReset, 1)],
            &[(OutOfWindow, 1)],
        ),
        row("ACK, then RST", &format!("< . 1 ack 1\n{end}"), &[(ResetByPeer, 1)], &[]),
        row(
            "the first ACK was lost: data",
            "< P. 1:4(3) ack 1\n> . 1 ack 4\n< R 4",
            &[(ResetByPeer, 1)],
            &[],
        ),
        row("FIN with the ACK", "< F. 1 ack 1\n> F. 1 ack 2\n< . 2 ack 2", &[(Passive, 1)], &[]),
        row("data and FIN", "< F. 1:4(3) ack 1\n> F. 1 ack 5\n< . 5 ack 2", &[(Passive, 1)], &[]),
        row(
            "data beyond a gap",
            "< P. 5:8(3) ack 1\n> . 1 ack 1\n< R 1",
            &[(ResetByPeer, 1)],
            &[(OutOfOrder, 1)],
        ),
    ];
    table(Service::Discard, &rows);
}

#[test]
fn data_on_a_syn_is_left_for_later() {
    let text = "< S 0:10(10)\n> S. 0 ack 1\n< P. 1:11(10) ack 1\n> . 1 ack 11\n< R 11";
    table(Service::Discard, &[plain("SYN with data", text, &[(ResetByPeer, 1)], &[])]);
}

#[test]
fn a_syn_for_what_is_established_is_challenged() {
    use DropReason::*;
    let rows = [
        opened("old SYN", "< S 0\n> . 1 ack 1\n< R 1", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
        opened("new SYN", "< S 900\n> . 1 ack 1\n< R 1", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
        opened("SYN-ACK", "< S. 1 ack 1\n> . 1 ack 1\n< R 1", &[(ResetByPeer, 1)], &[(OutOfWindow, 1)]),
    ];
    table(Service::Discard, &rows);
}

/// RFC 9293 3.10.7.1: a RST for everything but a RST, made so that the sender believes it.
#[test]
fn a_closed_port_resets() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Discard);
        let rows =
            [("S", 0, Some((0, 11))), (".", 5, Some((77, 0))), ("F", 3, Some((0, 14))), ("R", 0, None)];
        for (flags, len, answer) in rows {
            let emit =
                TxSegment { seq: Seq(10), ack: Seq(77), flags: flags_of(flags), ..TxSegment::default() };
            lab.send(&build(family, 4000, 81, &emit, &vec![0; len]));
            match answer {
                None => lab.silent(),
                Some((seq, ack)) => {
                    let reset = lab.reply().expect("a RST").info;
                    assert_eq!((reset.seq, reset.ack), (Seq(seq), Seq(ack)), "{flags} of {len} bytes");
                }
            }
        }
        lab.assert_dropped(&[(DropReason::ListenRst, 1)]);
        assert_eq!(lab.sim.counters(0).resets_sent.value(), 3);
        lab.over();
    }
}

/// A client that gives up and starts anew from the same port, all in one batch.
#[test]
fn a_syn_right_behind_the_end_of_its_predecessor_starts_a_connection() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Discard);
        let old = Client::open(family, 4000, &mut lab);
        let new = Client { seq: old.seq + 100_000, ..Client::new(family, 4000) };
        lab.batch(&[old.segment("R.", &[]), new.syn()]);
        let answer = lab.expect("S.");
        assert_eq!(answer.info.ack, new.seq + 1);
        assert_eq!(lab.sim.connections(), 1);
        lab.send(&Client { seq: new.seq + 1, ..new }.segment("R", &[]));
        lab.assert_closed(&[(ResetByPeer, 1), (HandshakeReset, 1)]);
        lab.over();
    }
}
