//! Rate limits during floods: clients that need few answers get them.

use handfast_stack::service::Service;
use handfast_stack::wire::{Seq, TcpOptions, TxSegment};

use crate::client::Lab;
use crate::frames::{build_from, flags_of};

/// The essential figures of decision 0024, in the engine: a host whose connection was forgotten, and one
/// that knocks at a closed port, get their RST during a flood of ACKs.
#[test]
fn resets_of_others_are_sent_beside_a_flood_of_acks() {
    // (the flood's sources, the least percent of honest ACKs answered, and of SYNs)
    type Source = fn(u32) -> [u8; 4];
    let floods: [(&str, Source, u32, u32); 3] = [
        ("one /24", |round| [10, 0, 0, round as u8], 100, 100),
        ("20 prefixes", |round| [10, 0, (round * 7 % 20) as u8, 9], 90, 100),
        ("all different", |round| round.wrapping_mul(0x9e37_79b1).to_be_bytes(), 0, 100),
    ];
    for (what, source, least_acks, least_syns) in floods {
        let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.rst_rate = 200);
        let flood = |round: u32| stray(source(round), 80, ".");
        let mut heard = [0; 2];
        for round in 0..8000u32 {
            lab.sim.inject(&flood(round));
            // Past the first second, which spends what a quiet time has left.
            if round >= 4000 && round % 200 == 100 {
                let number = (round / 200) as u8;
                for (heard, frame) in heard
                    .iter_mut()
                    .zip([stray([172, 16, number, 1], 80, "."), stray([172, 17, number, 1], 4444, "S")])
                {
                    lab.sim.run();
                    lab.replies_or_others();
                    lab.sim.inject(&frame);
                    lab.sim.run();
                    *heard += lab.replies_or_others().len() as u32;
                }
            }
            if round % 4 == 3 {
                lab.sim.advance_ms(1);
                lab.replies_or_others();
            }
        }
        let [acks, syns] = heard.map(|heard| heard * 100 / 20);
        println!("{what}: honest ACKs {acks} %, SYNs {syns} %");
        assert!(acks >= least_acks && syns >= least_syns, "{what}: ACKs {acks} %, SYNs {syns} %");
        let sent = lab.sim.counters(0).resets_sent.value();
        assert!((200..=200 * 3).contains(&sent), "{what}: {sent} RSTs in 2 s");
    }
}

/// A segment over IPv4 of no connection.
fn stray(source: [u8; 4], port: u16, flags: &str) -> Vec<u8> {
    let emit = TxSegment {
        seq: Seq(9),
        ack: Seq(5),
        flags: flags_of(flags),
        window: 512,
        options: TcpOptions::default(),
    };
    build_from(source, 40_000, port, &emit)
}
