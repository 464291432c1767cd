//! Every reason for a drop is raised and counted.

use std::fs;

use handfast_stack::engine::simulation::Setup;
use handfast_stack::observe::{DROP_REASONS, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::{CookieMode, WhenFull};
use handfast_stack::wire::{FlowKey4, TcpOptions, Timestamps, TupleSecret};

use crate::active_errors::complaint;
use crate::caller::{Order, calling, ends};
use crate::client::{Client, Family, Lab, SERVER4};
use crate::datagrams::{CLIENT4, UDP, datagram, icmp, ipv4, ipv4_from, ipv6};
use crate::limits::{arp, ping};
use crate::trace::{OPEN, play, play_with};

/// How a reason is shown to be raised.
enum Shown {
    /// By what happened in this lab.
    Here(Lab),
    /// By a test elsewhere: its file and its name.
    By(&'static str, &'static str),
}

use Shown::{By, Here};

/// A new reason does not compile before it has its row.
fn shown(reason: DropReason) -> Shown {
    use DropReason::*;
    let udp = || ipv4(UDP, &datagram(4));
    match reason {
        FrameTruncated => frame(ipv4(UDP, &[0; 7]).frame()),
        NotForUs => frame(ipv4(2, &[0x11, 0, 0xee, 0xff, 0, 0, 0, 0]).frame()),
        LinkGroup => frame(udp().frame_to([0xff; 6], &[])),
        IpHeader => frame(changed_syn(|syn| syn[14] = 0x44)),
        IpChecksum => frame(changed_syn(|syn| syn[24] ^= 1)),
        IpFragment => frame(udp().with(|packet| packet[7] = 9).frame()),
        IpSourceRoute => frame(ipv4_from(CLIENT4, UDP, &[131, 7, 4, 1, 2, 3, 4, 0], &[0; 8]).frame()),
        IpExtension => frame(ipv6(50, &[1; 9]).frame()),
        SourceAddress => frame(ipv4_from([224, 0, 0, 1], UDP, &[], &datagram(4)).frame()),
        DestinationAddress => {
            frame(udp().with(|packet| packet[16..20].copy_from_slice(&[224, 0, 0, 1])).frame())
        }
        TcpHeader => frame(changed_syn(|syn| syn[TCP + 12] = 0x40)),
        // The MSS with a length of one; the checksum is right.
        TcpOptions => frame(changed_syn(|syn| {
            syn[TCP + 21] = 1;
            let sum = u16::from_be_bytes([syn[TCP + 16], syn[TCP + 17]]);
            let (sum, carry) = sum.overflowing_add(3);
            syn[TCP + 16..TCP + 18].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
        })),
        TcpChecksum => frame(changed_syn(|syn| syn[TCP + 16] ^= 1)),
        TcpPartialChecksum => frame(changed_syn(|syn| {
            let len = (syn.len() - TCP) as u16;
            let sum = etherparse::checksum::Sum16BitWords::new()
                .add_slice(&syn[26..34])
                .add_2bytes([0, 6])
                .add_2bytes(len.to_be_bytes());
            syn[TCP + 16..TCP + 18].copy_from_slice(&(!sum.ones_complement()).to_ne_bytes());
        })),
        IcmpChecksum => frame(ipv4(1, &[8, 0, 1, 2, 0, 0, 0, 0]).frame()),
        IcmpOther => frame(ipv4(1, &icmp(0, 0, &[])).frame()),
        IcmpForeign => frame(ipv4(1, &icmp(3, 3, &udp().bytes)).frame()),
        IcmpTooBig => {
            let (mut lab, script) = calling(|_| {});
            script.order(Order::Open(ends(Family::V4, 7000)));
            lab.sim.run();
            let syn = lab.sim.collect().expect("a SYN");
            lab.send(&complaint(Family::V4, (3, 4), &syn, 8));
            Here(lab)
        }
        ArpOther => frame(arp([192, 0, 2, 2])),
        NoArp => frames(Lab::with(Service::Discard, |setup| setup.bounds.no_arp = true), [arp(SERVER4)]),
        ListenRst => conversation(Service::Discard, "< R 0"),
        ListenNoSyn => conversation(Service::Discard, "< - 1"),
        SynWithFin => conversation(Service::Discard, "< SF 0"),
        RstUnproven => call("! open\n> S 0\n< R 0"),
        SynSentOther => call("! open\n> S 0\n< . 1 ack 1"),
        TableFull => table_full(),
        SlotsFull => syns(2, |setup| {
            setup.capacity = 1;
            setup.config.when_full = WhenFull::Drop;
        }),
        // It takes two cores at the same moment, which no test can arrange for threads: the model does.
        InsertRaced => By("tests/model/loom.rs", "of_two_inserters_in_the_home_one_succeeds"),
        OutOfWindow => opened(Service::Discard, "< S 9\n> . 1 ack 1"),
        Paws => {
            let mut lab = Lab::new(Service::Discard);
            let mut client = Client::new(Family::V4, 4000);
            client.handshake(&mut lab, stamped(1000));
            client.timestamps = client.timestamps.map(|stamps| Timestamps { value: 999, ..stamps });
            frames(lab, [client.segment("P.", b"old")])
        }
        TimestampMissing => {
            let mut lab = Lab::with(Service::Discard, |setup| setup.config.strict_timestamps = true);
            let mut client = Client::new(Family::V4, 4000);
            client.handshake(&mut lab, stamped(1000));
            client.timestamps = None;
            frames(lab, [client.segment("P.", b"without")])
        }
        RstOutOfWindow => conversation(Service::Discard, "< S 0\n> S. 0 ack 1\n< R 0"),
        RstTimeWait => opened(Service::Close, "> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n< R 3"),
        AckMissing => opened(Service::Discard, "< P 1:10(9)"),
        AckUnacceptable => opened(Service::Discard, "< P. 1:10(9) ack 2\n> . 1 ack 1"),
        OutOfOrder => opened(Service::Discard, "< P. 9:18(9) ack 1\n> . 1 ack 1"),
        WindowClosed => window_closed(),
        AfterFin => opened(Service::Hold, "< F. 1 ack 1\n> . 1 ack 2\n< P. 2:7(5) ack 1\n> . 1 ack 2"),
        DataAfterClose => opened(Service::Close, "> F. 1 ack 1\n< P. 1:6(5) ack 1\n> R. 2 ack 1"),
        NoSendBuffer => {
            let mut lab = Lab::with(Service::Echo, |setup| setup.bounds.send_buffers = 1);
            let mut clients = [4000, 4001].map(|port| Client::open(Family::V4, port, &mut lab));
            let data = clients.each_mut().map(|client| client.say(b"hello"));
            frames(lab, data)
        }
        ChallengeLimited => opened(Service::Discard, "< S 9\n> . 1 ack 1\n< S 9"),
        RstLimited => {
            let lab = Lab::with(Service::Discard, |setup| setup.bounds.rst_rate = 1);
            frames(lab, [(); 3].map(|()| Client::new(Family::V4, 4000).segment(".", &[])))
        }
        IcmpLimited => frames(
            Lab::with(Service::Discard, |setup| setup.bounds.icmp_rate = 1),
            [(); 3].map(|()| ping(SERVER4)),
        ),
        CookieInvalid => {
            let mut lab = Lab::with(Service::Discard, |setup| setup.config.cookies = CookieMode::Always);
            let mut client = Client::new(Family::V4, 4000);
            lab.send(&client.syn());
            (client.seq, client.ack) = (client.seq + 1, lab.expect("S.").info.seq + 9);
            frames(lab, [client.segment(".", &[])])
        }
        ForwardQueueFull => {
            let mut lab = Lab::with(Service::Discard, |setup| (setup.cores, setup.frames) = (4, 4096));
            let client = Client::open(Family::V4, 4000, &mut lab);
            for frame in 0..6000 {
                assert!(lab.sim.inject_at(1 + frame % 3, &client.segment(".", &[])));
            }
            lab.run();
            Here(lab)
        }
        // Two SYN-ACKs again, and one frame.
        NoFrame => {
            let mut lab = Lab::with(Service::Discard, |setup| setup.frames = 1);
            for port in [4000, 4001] {
                lab.send(&Client::new(Family::V4, port).syn());
            }
            lab.sim.advance_ms(1000);
            Here(lab)
        }
        NoHop => By("src/stack/engine/link_cache/tests.rs", "without_memory_for_lines_there_is_no_way"),
        FloodAnswer => {
            let (mut lab, script) = calling(|_| {});
            script.board().floods = true;
            script.order(Order::Syn(ends(Family::V4, 7000)));
            lab.run();
            let mut peer = Client::new(Family::V4, 7000);
            peer.hear(&lab.expect("S"));
            frames(lab, [peer.segment("S.", &[])])
        }
        FaultDrop => syns(1, |setup| setup.fault.drop = 1.0),
    }
}

/// Where TCP begins in a frame over IPv4.
const TCP: usize = 34;

fn stamped(value: u32) -> TcpOptions {
    TcpOptions { mss: Some(1460), timestamps: Some(Timestamps { value, echo: 0 }), ..TcpOptions::default() }
}

fn changed_syn(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame = Client::new(Family::V4, 4000).syn();
    change(&mut frame);
    frame
}

fn frame(frame: Vec<u8>) -> Shown {
    frames(Lab::new(Service::Discard), [frame])
}

fn frames<const N: usize>(mut lab: Lab, frames: [Vec<u8>; N]) -> Shown {
    for frame in frames {
        assert!(lab.sim.inject(&frame));
        lab.sim.run();
    }
    Here(lab)
}

fn syns(count: u16, change: impl FnOnce(&mut Setup)) -> Shown {
    let mut lab = Lab::with(Service::Discard, change);
    (0..count).for_each(|port| lab.send(&Client::new(Family::V4, 4000 + port).syn()));
    Here(lab)
}

fn conversation(service: Service, text: &str) -> Shown {
    let mut lab = Lab::new(service);
    play(&mut lab, Family::V4, text);
    Here(lab)
}

fn opened(service: Service, text: &str) -> Shown {
    conversation(service, &format!("{OPEN}{text}"))
}

fn call(text: &str) -> Shown {
    let (mut lab, script) = calling(|_| {});
    play_with(&mut lab, Some(&script), Family::V4, text);
    Here(lab)
}

/// A byte beyond a window of 65,535.
fn window_closed() -> Shown {
    let mut lab = Lab::new(Service::Hold);
    let mut client = Client::open(Family::V4, 4000, &mut lab);
    for len in std::iter::repeat_n(1400, 46).chain([1135, 1]) {
        let data = client.say(&vec![b'x'; len]);
        lab.send(&data);
    }
    Here(lab)
}

/// More connections of one home than the index has places for them.
fn table_full() -> Shown {
    const PLACES: usize = 63;
    let mut lab = Lab::with(Service::Discard, |setup| {
        setup.config.when_full = WhenFull::Drop;
        setup.config.cookies = CookieMode::Never;
    });
    let secret = TupleSecret::fixed(Setup::default().seed);
    let key = |port| FlowKey4 { remote: CLIENT4, local: SERVER4, remote_port: port, local_port: 80 };
    // The first of 16 homes, for 64 slots.
    let of_one_home = (1024..=u16::MAX).filter(|port| secret.prf(&key(*port)).hash >> 28 == 0);
    of_one_home.take(PLACES + 1).for_each(|port| lab.send(&Client::new(Family::V4, port).syn()));
    Here(lab)
}

#[test]
fn every_reason_is_raised() {
    let top = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for reason in DROP_REASONS {
        match shown(reason) {
            Here(lab) => {
                let cores = if reason == DropReason::ForwardQueueFull { 4 } else { 1 };
                let on = |core: usize| lab.sim.counters(core).drops[reason as usize].value();
                let counted: u64 = (0..cores).map(on).sum();
                assert!(counted > 0, "{} is not raised", reason.name());
            }
            By(file, test) => {
                let source = fs::read_to_string(format!("{top}/{file}")).expect(file);
                assert!(
                    source.contains(&format!("fn {test}(")),
                    "{}: no test {test} in {file}",
                    reason.name()
                );
            }
        }
    }
}
