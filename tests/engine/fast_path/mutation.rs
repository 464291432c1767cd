//! Mutations of the segments of a correct peer.

use handfast_stack::wire::Flags;

use super::frame::{Sent, Spoiled};
use super::peer::NEIGHBOURS;
use super::random::Random;
use super::setting::{CLOSED_PORT, PORTS};

/// Changes one thing, now and then several.
pub fn mutate(sent: &mut Sent, random: &mut Random) {
    loop {
        match random.below(4) {
            0 => numbers(sent, random),
            1 => options(sent, random),
            2 => addresses(sent, random),
            _ => spoil(sent, random),
        }
        if random.percent(80) {
            return;
        }
    }
}

fn numbers(sent: &mut Sent, random: &mut Random) {
    let off = random.pick(&[1, 1u32.wrapping_neg(), 2, 1000, 70_000, 1 << 31]);
    match random.below(8) {
        0 => sent.seq += off,
        1 => sent.ack += off,
        2 => sent.flags = Flags(random.next() as u8),
        3 => sent.flags = Flags(sent.flags.0 ^ 1 << random.below(8)),
        4 => sent.window = random.pick(&[0, 1, 65_535]),
        5 => (sent.flags, sent.urgent) = (sent.flags.with(Flags::URG), 3),
        6 => sent.reserved = random.below(16) as u8,
        _ => {
            let len = random.pick(&[0, 1, 3, 333, 1400]);
            sent.payload = (0..len).map(|at| at as u8 ^ sent.flags.0).collect();
        }
    }
}

fn options(sent: &mut Sent, random: &mut Random) {
    let stamped = sent.options.starts_with(&[1, 1, 8, 10]);
    match random.below(7) {
        // Older or newer, by little or by half of the range.
        0..3 if stamped => {
            let value =
                u32::from_be_bytes([sent.options[4], sent.options[5], sent.options[6], sent.options[7]]);
            let off = random.pick(&[1u32.wrapping_neg(), 5000u32.wrapping_neg(), 1, 1 << 31, (1 << 31) - 1]);
            sent.options[4..8].copy_from_slice(&value.wrapping_add(off).to_be_bytes());
        }
        3 if stamped => sent.options[8..12].copy_from_slice(&(random.next() as u32).to_be_bytes()),
        4 if stamped => {
            // The same, with the padding after it.
            sent.options.drain(..2);
            sent.options.extend([0, 0]);
        }
        5 => {
            let block = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9];
            sent.options.extend(&block[..if sent.options.len() > 28 { 0 } else { 12 }]);
        }
        6 => {
            let other: [&[u8]; 6] = [
                &[2, 4, 5, 0xb4],
                &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0],
                &[8, 1, 1, 1],
                &[1, 1, 1, 0],
                &[3, 3, 7, 253],
                &[2, 4, 0, 0],
            ];
            sent.options = random.pick(&other).to_vec();
        }
        _ => sent.options.clear(),
    }
}

fn addresses(sent: &mut Sent, random: &mut Random) {
    match random.below(9) {
        0 => sent.source = random.pick(&NEIGHBOURS),
        1 => sent.source = [3, 0, 0, 0, 0, 9],
        2 => sent.destination = random.pick(&[[2, 0, 0, 0, 0, 7], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]]),
        3 => sent.tags = vec![[0x8100, 5]],
        4 => sent.tags = vec![[0x88a8, 9], [0x8100, 0x2005]],
        5 => sent.tags.clear(),
        6 => sent.ports[1] = random.pick(&[PORTS[0], PORTS[1], PORTS[2], CLOSED_PORT, 0]),
        7 => sent.ports[0] = random.pick(&[0, 4000, 4100, 4200]),
        _ => {
            let odd4 = ["192.0.2.255", "192.0.2.15", "224.0.0.1", "127.0.0.1", "0.0.0.0", "255.255.255.255"];
            let odd6 = ["ff02::1", "::1", "::", "::ffff:192.0.2.9", "2001:db8::1", "fe80::1"];
            let odd = random.pick(if sent.remote.is_ipv4() { &odd4 } else { &odd6 }).parse().unwrap();
            if random.percent(50) {
                sent.remote = odd;
            } else {
                sent.local = odd;
            }
        }
    }
}

fn spoil(sent: &mut Sent, random: &mut Random) {
    match random.below(11) {
        0 => sent.spoiled = Spoiled::TcpChecksum(1 << random.below(16)),
        1 => sent.spoiled = Spoiled::TcpChecksum(0xffff),
        2 => sent.spoiled = Spoiled::PartialChecksum,
        3 => sent.spoiled = Spoiled::IpHeader,
        4 => sent.spoiled = Spoiled::IpLength(random.pick(&[1, -1, 40, -20, -41])),
        5 => sent.spoiled = Spoiled::DataOffset(random.below(16) as u8),
        6 => sent.spoiled = Spoiled::Fragment(random.pick(&[0, 0x2000, 1, 0x8000])),
        7 => sent.spoiled = Spoiled::Truncated(random.pick(&[1, 4, 20, 60])),
        8 if sent.remote.is_ipv4() => {
            sent.ip_options = random.pick(&[vec![1; 4], vec![148, 4, 0, 0], vec![1; 40]])
        }
        9 => sent.class = random.next() as u8,
        _ => sent.padding = random.pick(&[1, 6, 46]),
    }
}
