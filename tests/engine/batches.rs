//! Batches at their bounds: cookies between cores and periods, a batch from another core in front of one of the
//! core's own, more neighbours than the table of link headers has entries.

use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;
use handfast_stack::tcp::{CookieMode, Time};
use handfast_stack::wire::{TcpOptions, Timestamps};

use crate::client::{Client, FAMILIES, Lab};
use crate::frames::read_with_mac;

fn all(value: u32, scale: u8, mss: u16) -> TcpOptions {
    TcpOptions::of_syn(Some(mss), Some(scale), true, Some(Timestamps { value, echo: 0 }))
}

/// Every cookie that one core issues, another core accepts, also in the next period, and not after.
#[test]
fn cookies_of_one_core_are_those_of_another() {
    const NONE: TcpOptions = TcpOptions::of_syn(None, None, false, None);
    let rows = [
        NONE,
        TcpOptions { mss: Some(1460), ..NONE },
        TcpOptions { mss: Some(1), ..NONE },
        all(7, 7, 1460),
        all(u32::MAX, 255, 9000),
        all(0, 0, 536),
    ];
    for family in FAMILIES {
        for (row, options) in rows.into_iter().enumerate() {
            for (start_s, wait, valid) in [
                (6400, 0, true),
                (6463, 900, true),
                (6463, 1100, true),
                (6400, 127_000, true),
                (6463, 64_500, true),
                (6463, 65_100, false),
            ] {
                for other in [0, 1] {
                    let mut lab = Lab::with(Service::Echo, |setup| {
                        setup.cores = 2;
                        setup.config.cookies = CookieMode::Always;
                        setup.start = Time::from_millis(start_s * 1000);
                    });
                    let mut client = Client::new(family, 4000 + row as u16);
                    lab.send(&client.syn_with(options));
                    let answer = lab.expect("S.");
                    assert_eq!(lab.sim.connections(), 0);
                    (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
                    client.timestamps =
                        options.timestamps.zip(answer.info.options.timestamps).map(|(ours, theirs)| {
                            Timestamps { value: ours.value.wrapping_add(wait), echo: theirs.value }
                        });
                    lab.wait(wait);
                    assert!(lab.sim.inject_at(other, &client.segment(".", &[])));
                    lab.run();
                    let what = format!("{family:?} {row} {start_s} {wait} {other}");
                    if !valid {
                        lab.expect("R");
                        continue;
                    }
                    lab.silent();
                    assert_eq!(lab.sim.connections(), 1, "{what}");
                    let frame = client.say(b"hello");
                    assert!(lab.sim.inject_at(other, &frame));
                    lab.run();
                    let echo = lab.expect("P.");
                    assert_eq!(
                        (echo.payload.as_slice(), echo.info.ack),
                        (&b"hello"[..], client.seq),
                        "{what}"
                    );
                }
            }
        }
    }
}

/// A whole batch from another core and a whole batch received in the same poll, of both families.
#[test]
fn a_batch_forwarded_and_a_batch_received() {
    for mixed in [false, true] {
        let mut lab = Lab::with(Service::Echo, |setup| {
            setup.cores = 2;
            setup.frames = 4096;
            setup.capacity = 4096;
            setup.bounds.send_buffers = 4096;
        });
        let family = |at: u16| FAMILIES[if mixed { usize::from(at % 2) } else { 0 }];
        let mut clients: Vec<Client> =
            (0..300u16).map(|at| Client::open(family(at), 4000 + at, &mut lab)).collect();
        for turn in 0..3 {
            // Core 1 forwards to core 0, which polls first in the next round.
            let frames: Vec<Vec<u8>> = clients.iter_mut().map(|client| client.say(b"hello")).collect();
            for (at, frame) in frames.iter().enumerate() {
                assert!(lab.sim.inject_at(usize::from(at < 150), frame));
            }
            lab.run();
            let replies = lab.all();
            assert_eq!(replies.len(), 300, "turn {turn}");
            for reply in replies {
                let client = &mut clients[usize::from(reply.port - 4000)];
                assert_eq!((reply.info.ack, reply.payload.as_slice()), (client.seq, &b"hello"[..]));
                client.hear(&reply);
            }
            lab.sound();
        }
        assert_eq!(lab.dropped(DropReason::NoFrame), 0);
    }
}

/// More neighbours than the table of link headers has entries; each with a connection; some tagged.
#[test]
fn every_neighbour_gets_its_own_replies() {
    let mut lab = Lab::with(Service::Discard, |setup| {
        setup.capacity = 8192;
        setup.frames = 512;
        setup.bounds.send_buffers = 64;
    });
    let retag = |frame: &[u8], at: u16| {
        let mut frame = frame.to_vec();
        frame[8] = 7;
        frame[9] = (at >> 8) as u8;
        frame[10] = at as u8;
        if at.is_multiple_of(5) {
            let tag = [0x81, 0, (at >> 8) as u8 & 0xf, at as u8];
            frame.splice(12..12, tag);
        }
        frame
    };
    let mut clients: Vec<(u16, Client)> =
        (0..5000u16).map(|at| (at, Client::new(FAMILIES[usize::from(at % 2)], 1000 + at))).collect();
    let step = |lab: &mut Lab,
                clients: &mut [(u16, Client)],
                make: &dyn Fn(&mut Client) -> Vec<u8>,
                answered: bool| {
        for some in clients.chunks_mut(60) {
            for (at, client) in some.iter_mut() {
                let frame = retag(&make(client), *at);
                assert!(lab.sim.inject(&frame));
            }
            lab.sim.run();
            let mut heard = 0;
            while let Some(frame) = lab.sim.collect() {
                let tagged = frame[12] == 0x81;
                let at = u16::from_be_bytes([frame[3], frame[4]]);
                assert_eq!(frame[2], 7);
                let mut plain = frame.clone();
                if tagged {
                    assert_eq!([frame[14], frame[15]], [(at >> 8) as u8 & 0xf, at as u8]);
                    plain.drain(12..16);
                }
                assert_eq!(tagged, at % 5 == 0);
                let (_, reply) = read_with_mac(&plain);
                assert_eq!(reply.port, 1000 + at);
                let (_, client) = some.iter_mut().find(|(number, _)| *number == at).expect("one of them");
                client.ack = reply.info.seq + reply.info.seq_len();
                heard += 1;
            }
            assert_eq!(heard, if answered { some.len() } else { 0 });
        }
    };
    step(&mut lab, &mut clients, &|client| client.syn(), true);
    clients.iter_mut().for_each(|(_, client)| client.seq += 1);
    step(&mut lab, &mut clients, &|client| client.segment(".", &[]), false);
    step(&mut lab, &mut clients, &|client| client.say(b"hello"), true);
    // The other way round, from other neighbours.
    clients.reverse();
    step(&mut lab, &mut clients, &|client| client.say(b"hello"), true);
    step(&mut lab, &mut clients, &|client| client.segment("F.", &[]), true);
    clients.iter_mut().for_each(|(_, client)| client.seq += 1);
    step(&mut lab, &mut clients, &|client| client.segment(".", &[]), false);
    lab.over();
}
