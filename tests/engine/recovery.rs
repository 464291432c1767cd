//! Timestamps, wrapping numbers, and ports used again.

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::Time;
use handfast_stack::wire::{Seq, TcpOptions, Timestamps};

use crate::client::{Client, FAMILIES, Family, Lab};

fn stamped(value: u32) -> TcpOptions {
    TcpOptions { mss: Some(1460), timestamps: Some(Timestamps { value, echo: 0 }), ..TcpOptions::default() }
}

/// A connection whose client's clock stood at `value`.
fn open_at(lab: &mut Lab, family: Family, value: u32) -> Client {
    let mut client = Client { timestamps: None, ..Client::new(family, 4000) };
    client.handshake(lab, stamped(value));
    client
}

fn at(client: &Client, value: u32) -> Client {
    let echo = client.timestamps.map_or(0, |ts| ts.echo);
    Client { timestamps: Some(Timestamps { value, echo }), ..*client }
}

/// RFC 7323 5.3, with the client's clock anywhere, also at its wrap.
#[test]
fn old_timestamps_are_refused() {
    for clock in [0, 1, 1 << 31, u32::MAX, u32::MAX - 5] {
        for family in FAMILIES {
            let mut lab = Lab::new(Service::Discard);
            let mut client = open_at(&mut lab, family, clock);
            let rows = [(0, true), (10, true), (9, false), (10, true), (0x7fff_ffff, true), (10, false)];
            let mut paws = 0;
            for (ahead, taken) in rows {
                let now = at(&client, clock.wrapping_add(ahead));
                lab.send(&now.segment("P.", b"x"));
                let ack = lab.expect(".").info;
                client.seq += u32::from(taken);
                paws += u64::from(!taken);
                assert_eq!(ack.ack, client.seq, "{clock} + {ahead}");
            }
            lab.assert_dropped(&[(DropReason::Paws, paws)]);
            // A RST needs none.
            Client { timestamps: None, ..client }.abort(&mut lab);
            lab.assert_closed(&[(Closed::ResetByPeer, 1)]);
            lab.over();
        }
    }
}

/// RFC 7323 5.5: after 24 days TS.Recent is invalid.
#[test]
fn a_connection_idle_for_a_month_is_not_cut_off() {
    let mut lab = Lab::new(Service::Discard);
    let client = open_at(&mut lab, Family::V4, 1000);
    lab.wait(31 * 24 * 3_600_000 / 2);
    lab.wait(31 * 24 * 3_600_000 / 2);
    let old = at(&client, 5);
    lab.send(&old.segment("P.", b"x"));
    assert_eq!(lab.expect(".").info.ack, client.seq + 1);
    lab.assert_dropped(&[]);
}

#[test]
fn half_open_connections_have_paws_too() {
    let mut lab = Lab::new(Service::Discard);
    let mut client = Client::new(Family::V4, 4000);
    lab.send(&client.syn_with(stamped(1000)));
    let answer = lab.expect("S.").info;
    (client.seq, client.ack) = (client.seq + 1, answer.seq + 1);
    client.timestamps = Some(Timestamps { value: 999, echo: answer.options.timestamps.unwrap().value });
    lab.send(&client.segment(".", &[]));
    lab.expect(".");
    lab.assert_dropped(&[(DropReason::Paws, 1)]);
    assert_eq!(lab.sim.counters(0).established.value(), 0);
    lab.send(&at(&client, 1000).segment(".", &[]));
    assert_eq!(lab.sim.counters(0).established.value(), 1);
    client.abort(&mut lab);
    lab.over();
}

/// Our own numbers cross 2^32: echo conversations begin at ISNs shortly before the wrap.
#[test]
fn our_sequence_numbers_wrap() {
    let mut wrapped = 0;
    for family in FAMILIES {
        // The ISN is a clock of 4 us: choose the start so that it stands right before the wrap.
        let mut probe = Lab::new(Service::Echo);
        let first = Client::new(family, 4000).handshake(&mut probe, stamped(1)).info.seq;
        let ticks = u64::from(Seq(0xffff_f000).since(first));
        let start = Time { micros: 1_000_000_000 + ticks * 4 };
        let mut lab = Lab::with(Service::Echo, |setup| setup.start = start);
        let mut client = Client::open(family, 4000, &mut lab);
        assert_eq!(client.ack, Seq(0xffff_f001), "the ISN clock");
        for turn in 0..20u8 {
            let frame = client.say(&[turn; 999]);
            lab.send(&frame);
            let echo = lab.expect("P.");
            assert_eq!((echo.info.seq, echo.payload.as_slice()), (client.ack, &[turn; 999][..]));
            wrapped += u32::from((client.ack + 999).0 < client.ack.0);
            client.hear(&echo);
            lab.send(&client.segment(".", &[]));
        }
        client.close(&mut lab);
        lab.over();
    }
    assert_eq!(wrapped, 2);
}

/// Closed by us, then opened again from the same port within 2 MSL.
#[test]
fn a_port_used_again_gets_a_higher_isn() {
    // (old timestamp, new timestamp, new SEQ relative to the old connection's end, reopened)
    let rows = [
        (None, None, 1, true),
        (None, None, -1, false),
        (None, Some(5), -1, true),
        (Some(5), Some(6), -1, true),
        (Some(5), Some(5), 1, true),
        (Some(5), Some(5), -1, false),
        (Some(5), Some(4), 1, false),
        (Some(5), None, 1, true),
        (Some(5), None, -1, false),
    ];
    for (old, new, ahead, reopened) in rows {
        for family in FAMILIES {
            let mut lab = Lab::new(Service::Close);
            let options = |value: Option<u32>| value.map_or(TcpOptions::default(), stamped);
            let mut client = Client::new(family, 4000);
            let first = client.handshake(&mut lab, options(old)).info;
            let fin = lab.expect("F.");
            client.hear(&fin);
            lab.send(&client.segment("F.", &[]));
            lab.expect(".");
            let what = format!("{old:?} then {new:?}, {ahead}");
            let again = Client { seq: client.seq + 1 + ahead as u32, ..client };
            lab.send(&again.syn_with(options(new)));
            if reopened {
                let answer = lab.expect("S.").info;
                assert_eq!(answer.ack, again.seq + 1, "{what}");
                assert!(answer.seq.after(fin.info.seq + 1) && answer.seq.after(first.seq), "{what}");
                lab.assert_closed(&[(Closed::Active, 1), (Closed::TimeWaitReused, 1)]);
                lab.send(&Client { seq: again.seq + 1, ..again }.segment("R", &[]));
            } else {
                assert_eq!(lab.expect(".").info.ack, client.seq + 1, "{what}");
                lab.wait(60_000);
            }
            lab.over();
        }
    }
}
