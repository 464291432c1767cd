//! ACKs to a listener in cookie mode: cookies of the program and of the stack are the same, and nothing else
//! proves an address.

use handfast_stack::tcp::Time;
use handfast_stack::wire::{FlowKey4, FlowKey6, Packet, ParseConfig, Seq, parse};
use handfast_stack::xdp::Verdict::*;

use crate::kernel::privileged;
use crate::tier::{
    LISTENER, PERIOD, Random, Reference, TIMESTAMP_OFFSET, TierBench, config, epoch_of, period_key,
};
use crate::tier_frames::{ACK, FIN, PSH, RST, SYN, Tcp};

const LIMITLESS: u32 = u32::MAX;

/// The cookie that the stack issues for this SYN.
fn issue(reference: &mut Reference, syn: &Tcp, mss: u16, now: Time) -> u32 {
    let (remote_port, local_port) = syn.ports;
    let cookie = if syn.is_ipv6() {
        let [remote, local] =
            [&syn.source, &syn.destination].map(|at| <[u8; 16]>::try_from(&at[..]).unwrap());
        let key = FlowKey6 { remote, local, remote_port, local_port };
        reference.cookies.issue(&key, Seq(syn.seq), mss, now)
    } else {
        let [remote, local] = [&syn.source, &syn.destination].map(|at| <[u8; 4]>::try_from(&at[..]).unwrap());
        let key = FlowKey4 { remote, local, remote_port, local_port };
        reference.cookies.issue(&key, Seq(syn.seq), mss, now)
    };
    cookie.0
}

/// The ACK of a SYN-ACK with this sequence number.
fn ack_of(syn: &Tcp, cookie: u32) -> Tcp {
    syn.clone().with(|tcp| {
        (tcp.flags, tcp.options) = (ACK, Vec::new());
        (tcp.seq, tcp.ack) = (syn.seq.wrapping_add(1), cookie.wrapping_add(1));
    })
}

fn some_syn(random: &mut Random) -> Tcp {
    Tcp::of(random.one_in(2)).with(|syn| {
        let len = syn.source.len();
        syn.source[2..].copy_from_slice(&random.bytes(len - 2));
        (syn.ports.0, syn.seq) = (random.next() as u16, random.next() as u32);
    })
}

/// The segment's numbers, read by the stack.
fn verifies(reference: &mut Reference, frame: &[u8], now: Time) -> bool {
    let cookies = &mut reference.cookies;
    match parse(frame, &ParseConfig::default()) {
        Ok(Packet::Tcp4(ack)) => cookies.verify(&ack.key, &ack.info, TIMESTAMP_OFFSET, now).is_some(),
        Ok(Packet::Tcp6(ack)) => cookies.verify(&ack.key, &ack.info, TIMESTAMP_OFFSET, now).is_some(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_stack_verifies_what_the_program_issues() {
    if !privileged() {
        return;
    }
    let (mut random, mut bench, mut reference) = (Random(1), TierBench::usual(), Reference::new());
    reference.cookies.note_issued(bench.now());
    for _ in 0..2000 {
        let syn = some_syn(&mut random);
        let outcome = bench.run(&syn.frame());
        assert_eq!(outcome.verdict, TxSynAck);
        let at = 14 + if syn.is_ipv6() { 40 } else { 20 } + 4;
        let cookie = u32::from_be_bytes(outcome.frame[at..at + 4].try_into().unwrap());
        let ack = ack_of(&syn, cookie).frame();
        let now = outcome.times[1];
        let later = |seconds: u64| Time { micros: now.micros + seconds * 1_000_000 };
        assert!(verifies(&mut reference, &ack, now) && verifies(&mut reference, &ack, later(64)));
        reference.cookies.note_issued(later(128));
        assert!(!verifies(&mut reference, &ack, later(128)));
        assert_eq!(bench.verdict(&ack), SocketProven);
    }
}

#[test]
fn the_program_verifies_what_the_stack_issues_in_two_periods() {
    if !privileged() {
        return;
    }
    let (mut random, mut bench, mut reference) = (Random(2), TierBench::usual(), Reference::new());
    let mut proven = 0;
    for _ in 0..2000 {
        let (syn, now) = (some_syn(&mut random), bench.now());
        let mss = random.next() as u16;
        for (before, expected) in [(0, true), (1, true), (2, false), (99, false)] {
            let then = Time { micros: now.micros - before * 64_000_000 };
            // Cookies of other periods have a tuple of their own: a proven one stays proven.
            let syn = syn.clone().with(|syn| syn.ports.0 = syn.ports.0.wrapping_add(before as u16));
            let ack = ack_of(&syn, issue(&mut reference, &syn, mss, then));
            let verdict = bench.verdict(&ack.frame());
            assert_eq!(verdict, if expected { SocketProven } else { DropUnproven }, "{before}: {ack:?}");
            proven += u64::from(expected);
        }
    }
    assert_eq!(bench.tier.counts(LISTENER).unwrap().proven, proven);
}

/// Keys are replaced as time goes on: the program's clock moves by periods here.
#[test]
fn keys_of_many_periods_take_turns() {
    if !privileged() {
        return;
    }
    let (mut random, mut bench, mut reference) = (Random(3), TierBench::usual(), Reference::new());
    for period in PERIOD..PERIOD + 40 {
        bench.tier.set_key(period + 1, period_key(period + 1));
        bench.set_epoch(epoch_of(period));
        let now = bench.now();
        for (before, expected) in
            [(0, SocketProven), (1, SocketProven), (2, DropUnproven), (16, DropUnproven)]
        {
            let syn = some_syn(&mut random);
            let then = Time { micros: now.micros - before * 64_000_000 };
            let ack = ack_of(&syn, issue(&mut reference, &syn, 1460, then));
            assert_eq!(bench.verdict(&ack.frame()), expected, "{period}, {before} before");
        }
        let syn = some_syn(&mut random);
        assert_eq!(bench.verdict(&syn.frame()), TxSynAck, "{period}");
    }
    // No key of this period.
    bench.set_epoch(epoch_of(PERIOD + 50));
    let syn = some_syn(&mut random);
    assert_eq!(bench.verdict(&syn.frame()), SocketSyn);
    let ack = ack_of(&syn, issue(&mut reference, &syn, 1460, bench.now()));
    assert_eq!(bench.verdict(&ack.frame()), DropUnproven);
}

/// Before the first period there is none, whose key would be that of an empty place: all zeros.
#[test]
fn the_first_period_has_no_one_before() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::new(&config(), &[crate::tier::rule("10.0.0.0/8:80", LISTENER)], &[]);
    bench.set_epoch(epoch_of(0));
    let mut forger = Reference::new();
    forger.cookies = handfast_stack::tcp::Cookies::new((0, 0));
    let syn = Tcp::ipv4();
    let key = FlowKey4 { remote: [192, 0, 2, 9], local: [10, 0, 0, 7], remote_port: 40_000, local_port: 80 };
    let mac = siphash_of_zero_key(&key);
    for index in 0..8 {
        let cookie = (mac ^ index).wrapping_add(syn.seq.wrapping_mul(0x9e37_79b1));
        assert_eq!(bench.verdict(&ack_of(&syn, cookie).frame()), DropUnproven);
    }
}

fn siphash_of_zero_key(key: &FlowKey4) -> u32 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher24::new_with_keys(0, 0);
    for word in handfast_stack::wire::FlowKey::to_words(*key) {
        hasher.write(&word.to_le_bytes());
    }
    hasher.finish() as u32
}

#[test]
fn one_bit_in_any_field_makes_a_cookie_invalid() {
    if !privileged() {
        return;
    }
    let (mut random, mut bench, mut reference) = (Random(4), TierBench::usual(), Reference::new());
    for ipv6 in [false, true] {
        let syn = Tcp::of(ipv6);
        let now = bench.now();
        let ack = ack_of(&syn, issue(&mut reference, &syn, 1460, now));
        let mut changed: Vec<Tcp> = Vec::new();
        for bit in 0..32 {
            changed.push(ack.clone().with(|ack| ack.seq ^= 1 << bit));
            // The index of the MSS is in the low bits, combined by exclusive or.
            if bit >= 4 {
                changed.push(ack.clone().with(|ack| ack.ack ^= 1 << bit));
            }
        }
        for bit in 0..16 {
            changed.push(ack.clone().with(|ack| ack.ports.0 ^= 1 << bit));
        }
        for bit in 0..8 {
            for byte in 0..ack.source.len() {
                changed.push(ack.clone().with(|ack| ack.source[byte] ^= 1 << bit));
            }
            let last = ack.destination.len() - 1;
            changed.push(ack.clone().with(|ack| ack.destination[last] ^= 1 << bit));
        }
        changed.push(ack.clone().with(|ack| ack.ports.1 = 81));
        for other in changed {
            assert_eq!(bench.verdict(&other.frame()), DropUnproven, "{other:?}");
        }
        assert_eq!(bench.verdict(&ack.frame()), SocketProven);
    }
    // Of all sequence numbers eight are valid.
    for index in 0..64u32 {
        let syn = some_syn(&mut random);
        let spread = syn.seq.wrapping_mul(0x9e37_79b1);
        let valid = issue(&mut reference, &syn, 1460, bench.now()).wrapping_sub(spread);
        let cookie = ((valid & !7) ^ index).wrapping_add(spread);
        let ack = ack_of(&syn, cookie).with(|ack| ack.flags |= FIN | PSH);
        let expected = if index < 8 { SocketProven } else { DropUnproven };
        assert_eq!(bench.verdict(&ack.frame()), expected, "{index}");
    }
}

/// 2^29 are needed on average.
#[test]
fn no_ack_of_a_million_is_valid_by_chance() {
    if !privileged() {
        return;
    }
    let (mut random, bench) = (Random(5), TierBench::usual());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for _ in 0..1000 {
        frames.push(ack_of(&some_syn(&mut random), random.next() as u32).frame());
    }
    let runs = 1_000_000;
    for number in 0..runs {
        let frame = &mut frames[number % 1000];
        // Other numbers each time; the program does not read the checksum of an ACK.
        let at = frame.len() - 16;
        frame[at..at + 8].copy_from_slice(&random.next().to_ne_bytes());
        let (action, _) = crate::kernel::run(&bench.program, frame, 1);
        assert_eq!(action, crate::kernel::XDP_DROP, "it was not dropped: {}", crate::tier::hex(frame));
    }
    let counts = bench.program.counters().unwrap();
    assert_eq!(counts.sum(DropUnproven), runs as u64);
    assert_eq!(bench.tier.counts(LISTENER).unwrap().proven, 0);
}

#[test]
fn verdicts_by_flags() {
    if !privileged() {
        return;
    }
    let mut limited = config();
    limited.unproven_per_second = LIMITLESS;
    for ipv6 in [false, true] {
        let rules =
            [crate::tier::rule("10.0.0.0/8:80", LISTENER), crate::tier::rule("[2001::]/16:80", LISTENER)];
        let mut bench = TierBench::new(&limited, &rules, &[]);
        let tcp = Tcp::of(ipv6);
        for flags in 0..=255u8 {
            let frame = tcp.clone().with(|tcp| tcp.flags = flags).frame();
            let expected = match flags & (SYN | ACK | RST | FIN) {
                SYN => TxSynAck,
                flags if flags & RST != 0 => DropRst,
                // A SYN with ACK is answered with a RST, as without a tier.
                flags if flags & ACK != 0 => SocketUnproven,
                _ => DropFlags,
            };
            assert_eq!(bench.verdict(&frame), expected, "{flags:#x}");
        }
        bench.tier.set_ready(false);
        for flags in 0..=255u8 {
            let frame = tcp.clone().with(|tcp| tcp.flags = flags).frame();
            let is_syn = flags & (SYN | ACK | RST | FIN) == SYN;
            assert_eq!(bench.verdict(&frame), if is_syn { SocketSyn } else { SocketTcp }, "{flags:#x}");
        }
    }
}

/// A SYN with ACK proves nothing, though its numbers be those of a cookie.
#[test]
fn a_cookie_needs_an_ack_without_syn() {
    if !privileged() {
        return;
    }
    let (mut bench, mut reference) = (TierBench::usual(), Reference::new());
    let syn = Tcp::ipv4();
    let ack = ack_of(&syn, issue(&mut reference, &syn, 1460, bench.now()));
    for (flags, expected) in [
        (SYN | ACK, DropUnproven),
        (RST | ACK, DropRst),
        (ACK | FIN | PSH, SocketProven),
        (SYN | ACK, SocketProven),
        (RST, SocketProven),
        (FIN, SocketProven),
        (0, SocketProven),
    ] {
        let frame = ack.clone().with(|ack| ack.flags = flags).frame();
        assert_eq!(bench.verdict(&frame), expected, "{flags:#x}");
    }
}
