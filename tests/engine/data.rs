//! Data in both directions.

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::wire::TcpOptions;

use crate::client::{Client, FAMILIES, Lab};
use crate::trace::{opened, table};

#[test]
fn old_early_and_overlapping_text() {
    use DropReason::*;
    let over = [(Closed::ResetByPeer, 1)];
    let rows = [
        opened(
            "again",
            "< P. 1:10(9) ack 1\n> . 1 ack 10\n< P. 1:10(9) ack 1\n> . 1 ack 10\n< R 10",
            &over,
            &[(OutOfWindow, 1)],
        ),
        opened(
            "too early",
            "< P. 9:18(9) ack 1\n> . 1 ack 1\n< P. 1:9(8) ack 1\n> . 1 ack 9\n< R 9",
            &over,
            &[(OutOfOrder, 1)],
        ),
        opened(
            "half known",
            "< P. 1:10(9) ack 1\n> . 1 ack 10\n< P. 5:14(9) ack 1\n> . 1 ack 14\n< R 14",
            &over,
            &[],
        ),
        opened("one byte before", "< P. 0:1(1) ack 1\n> . 1 ack 1\n< R 1", &over, &[(OutOfWindow, 1)]),
        opened(
            "one byte past the window",
            "< P. 65536:65537(1) ack 1\n> . 1 ack 1\n< R 1",
            &over,
            &[(OutOfWindow, 1)],
        ),
        opened(
            "window's last byte",
            "< P. 65535:65536(1) ack 1\n> . 1 ack 1\n< R 1",
            &over,
            &[(OutOfOrder, 1)],
        ),
        opened("no ACK", "< P 1:10(9)\n< R 1", &over, &[(AckMissing, 1)]),
        opened(
            "ACK of nothing sent",
            "< P. 1:10(9) ack 2\n> . 1 ack 1\n< R 1",
            &over,
            &[(AckUnacceptable, 1)],
        ),
        opened("keep-alive", "< . 0 ack 1\n> . 1 ack 1\n< R 1", &over, &[(OutOfWindow, 1)]),
        opened("keep-alive with a byte", "< . 0:1(1) ack 1\n> . 1 ack 1\n< R 1", &over, &[(OutOfWindow, 1)]),
    ];
    table(Service::Discard, &rows);
}

/// MUST-58, MUST-59: one ACK when all that came together has been processed.
#[test]
fn one_ack_for_one_batch() {
    let over = [(Closed::ResetByPeer, 1)];
    let rows = [
        opened("alone", "< P. 1:6(5) ack 1\n> . 1 ack 6\n< R 6", &over, &[]),
        opened(
            "three",
            "& P. 1:6(5) ack 1\n& P. 6:11(5) ack 1\n< P. 11:16(5) ack 1\n> . 1 ack 16\n< R 16",
            &over,
            &[],
        ),
        opened("with FIN", "& P. 1:6(5) ack 1\n< F. 6:11(5) ack 1\n> F. 1 ack 12\n< R 12", &over, &[]),
        opened("FIN, and no answer to a peer that is gone", "& F. 1 ack 1\n< R 2", &over, &[]),
        opened("FIN, and more behind it", "& F. 1 ack 1\n< . 2 ack 1\n> F. 1 ack 2\n< R 2", &over, &[]),
    ];
    table(Service::Discard, &rows);
}

#[test]
fn a_full_window_refuses_and_answers_probes() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Hold);
        let mut client = Client::open(family, 4000, &mut lab);
        let mut left = 65_535u16;
        while left > 0 {
            let text = vec![b'x'; usize::from(left.min(1460))];
            let frame = client.say(&text);
            lab.send(&frame);
            left -= text.len() as u16;
            let ack = lab.expect(".").info;
            assert_eq!((ack.window, ack.ack), (left, client.seq));
        }
        lab.send(&client.segment("P.", b"?"));
        let ack = lab.expect(".").info;
        assert_eq!((ack.window, ack.ack), (0, client.seq));
        assert_eq!(lab.dropped(DropReason::WindowClosed), 1);
        // MUST-66: RST and ACK still count.
        client.abort(&mut lab);
        lab.assert_closed(&[(Closed::ResetByPeer, 1)]);
        lab.over();
    }
}

/// An echo service's window follows its buffer: all bytes come back, in order.
#[test]
fn a_long_echo_across_the_wrap() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = Client::open(family, 4000, &mut lab);
        let text: Vec<u8> = (0..200_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let (mut sent, mut heard, mut window) = (0, Vec::new(), 4096);
        let mut acked = client.seq;
        for _ in 0..2000 {
            let in_flight = client.seq.since(acked) as usize;
            let len = (text.len() - sent).min(usize::from(window) - in_flight).min(1000);
            if len > 0 {
                let frame = client.say(&text[sent..sent + len]);
                lab.send(&frame);
                sent += len;
            } else {
                lab.send(&client.segment(".", &[]));
            }
            for reply in lab.all() {
                (acked, window) = (reply.info.ack, reply.info.window);
                if reply.info.seq == client.ack {
                    heard.extend_from_slice(&reply.payload);
                    client.ack += reply.payload.len() as u32;
                }
            }
        }
        assert_eq!(sent, text.len());
        assert!(heard == text, "{} of {} bytes came back", heard.len(), text.len());
        assert_eq!(lab.sim.counters(0).retransmissions.value(), 0);
        client.abort(&mut lab);
        lab.over();
    }
}

/// RFC 9293 3.7.1: what we send fits the peer's MSS and our own link.
#[test]
fn a_segment_fits_both_ends() {
    let rows = [
        (None, 536, 1220),
        (Some(65_535), 1460, 1440),
        (Some(9000), 1460, 1440),
        (Some(100), 100, 100),
        (Some(1), 48, 48),
    ];
    for (mss, v4, v6) in rows {
        for (family, expected) in FAMILIES.into_iter().zip([v4, v6]) {
            let mut lab = Lab::new(Service::Echo);
            let mut client = Client::new(family, 4000);
            client.handshake(&mut lab, TcpOptions { mss, ..TcpOptions::default() });
            let frames = [client.say(&[1; 1400]), client.say(&[2; 1400])];
            lab.batch(&frames);
            assert_eq!(lab.expect("P.").payload.len(), expected, "MSS {mss:?} over {family:?}");
            client.abort(&mut lab);
            lab.over();
        }
    }
}

#[test]
fn partial_acknowledgements_leave_the_rest() {
    let text = "< P. 1:1001(1000) ack 1\n> P. 1:1001(1000) ack 1001\n< . 1001 ack 401\n+ 1010\n> P. 401:1001(600) ack 1001\n\
        < . 1001 ack 1001\n+ 5000\n< R 1001";
    table(Service::Echo, &[opened("partial ACK", text, &[(Closed::ResetByPeer, 1)], &[])]);
}

/// What is queued goes out as soon as the ACK makes room, also when it comes with text that has to
/// be dropped.
#[test]
fn an_ack_counts_although_its_text_is_dropped() {
    let text = "< P. 1:11(10) ack 1\n> P. 1:11(10) ack 11\n< P. 11:31(20) ack 1\n> . 11 ack 31\n\
        < P. 51:56(5) ack 11\n> P. 11:31(20) ack 31\n< R 31";
    let dropped = [(DropReason::OutOfOrder, 1)];
    table(Service::Echo, &[opened("ACK on early text", text, &[(Closed::ResetByPeer, 1)], &dropped)]);
}

#[test]
fn without_a_send_buffer_the_peer_sends_again() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Echo, |setup| setup.bounds.send_buffers = 1);
        let mut first = Client::open(family, 4000, &mut lab);
        let mut second = Client::open(family, 4001, &mut lab);
        let frame = first.say(b"first");
        lab.send(&frame);
        let echo = lab.expect("P.");
        let frame = second.say(b"second");
        lab.send(&frame);
        lab.silent();
        assert_eq!(lab.dropped(DropReason::NoSendBuffer), 1);
        first.hear(&echo);
        lab.send(&first.segment(".", &[]));
        lab.silent();
        lab.send(&frame);
        let echo = lab.expect("P.");
        assert_eq!((echo.port, echo.payload.as_slice()), (4001, &b"second"[..]));
        first.abort(&mut lab);
        second.abort(&mut lab);
        lab.over();
    }
}
