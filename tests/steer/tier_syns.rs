//! SYNs to a listener in cookie mode: the program against the stack.

use handfast_stack::observe::DropReason;
use handfast_stack::tcp::Time;
use handfast_stack::wire::{Flags, FlowKey4, Packet, PacketKey, ParseConfig, Segment, SegmentInfo, parse};
use handfast_stack::xdp::Verdict::{self, *};

use crate::kernel::{privileged, run};
use crate::tier::{Outcome, Random, Reference, TierBench, hex};
use crate::tier_frames::{OUR_MAC, Tcp, any_syn};

const SYNS: u32 = 100_000;
/// The coarse clock is as late as the last tick, which a hypervisor may hold up: two ticks of 32 ms were
/// seen.
const MAX_LAG_MS: u64 = 200;

/// The stack's decision on a frame.
enum Stack {
    /// It answers the SYN with this frame. Whether the program has answered with the same one.
    Answers(SegmentInfo, Vec<u8>, bool),
    /// It takes another segment.
    Other,
    Drops(DropReason),
}

fn stack(reference: &mut Reference, frame: &[u8], config: &ParseConfig, outcome: &Outcome) -> Stack {
    match parse(frame, config) {
        Ok(Packet::Tcp4(segment)) if is_syn(&segment.info) => answers(reference, frame, &segment, outcome),
        Ok(Packet::Tcp6(segment)) if is_syn(&segment.info) => answers(reference, frame, &segment, outcome),
        Ok(_) => Stack::Other,
        Err(reason) => Stack::Drops(reason),
    }
}

/// The frame has a timestamp: the program's clock is the kernel's as of its last tick.
fn answers<K: PacketKey>(
    reference: &mut Reference,
    frame: &[u8],
    segment: &Segment<K>,
    outcome: &Outcome,
) -> Stack {
    let [before, after] = outcome.times.map(|time| time.micros / 1000);
    let mut times = (before.saturating_sub(MAX_LAG_MS)..=after).rev().map(|ms| Time { micros: ms * 1000 });
    let same = times.any(|now| reference.reply(frame, segment, now) == outcome.frame);
    Stack::Answers(segment.info, reference.reply(frame, segment, outcome.times[1]), same)
}

fn is_syn(info: &SegmentInfo) -> bool {
    let all = Flags::SYN.0 | Flags::ACK.0 | Flags::RST.0 | Flags::FIN.0;
    info.flags.0 & all == Flags::SYN.0
}

/// Options of an extension header that the program does not count to the end.
fn has_many_options(syn: &Tcp) -> bool {
    syn.extensions.iter().any(|(kind, bytes)| *kind != 43 && bytes.len() > 16)
}

/// Whether the program may leave a SYN to the stack that the stack answers.
fn may_be_left(syn: &Tcp, info: &SegmentInfo) -> bool {
    info.payload_len > 0 || !syn.ip_options.is_empty() || has_many_options(syn)
}

/// Whether the two do the same, or the program leaves the frame to the stack for a reason.
fn agrees(syn: &Tcp, outcome: &Outcome, stack: &Stack) -> bool {
    use DropReason::*;
    match (outcome.verdict, stack) {
        (TxSynAck, Stack::Answers(_, _, same)) => *same,
        (SocketSyn, Stack::Answers(info, ..)) => may_be_left(syn, info),
        (DropSynChecksum, Stack::Drops(reason)) => matches!(reason, IpChecksum | TcpChecksum),
        (DropSynHeader, Stack::Drops(reason)) => matches!(reason, TcpHeader | TcpOptions),
        (DropSynSource, Stack::Drops(reason)) => *reason == SourceAddress,
        // The program leaves no check that it makes, unless it cannot read the rest.
        (SocketSyn, Stack::Drops(reason)) => match reason {
            IpChecksum | TcpChecksum | TcpHeader | TcpOptions | SourceAddress => is_unread(syn),
            _ => true,
        },
        // A frame to a group of the link, or without a whole TCP header.
        (SocketTcp, Stack::Drops(reason)) => {
            matches!(reason, LinkGroup | FrameTruncated | IpHeader | TcpHeader | NotForUs)
                || syn.destination_mac[0] & 1 == 1
        }
        // The steering, which knows nothing of SYNs.
        (verdict, Stack::Drops(_)) => !verdict.name().contains("syn"),
        (verdict, Stack::Answers(..)) => matches!(verdict, PassNotOwned | SocketPort | PassOther),
        (_, Stack::Other) => true,
    }
}

/// Whether the program leaves it for another reason than the stack drops it for.
fn is_unread(syn: &Tcp) -> bool {
    let odd_length = syn.longer != 0 || !syn.data.is_empty() || syn.offset.is_some();
    odd_length
        || !syn.options.len().is_multiple_of(4)
        || !syn.ip_options.is_empty()
        || !syn.extensions.is_empty()
        || syn.partial
        || syn.source_mac[0] & 1 == 1
        || syn.destination_mac != OUR_MAC
}

fn compare(seed: u64, syns: u32, config: ParseConfig) -> Vec<(Verdict, u32)> {
    let (mut random, mut reference) = (Random(seed), Reference::new());
    let mut bench = TierBench::usual().with_parse(config);
    let mut seen: Vec<(Verdict, u32)> = Vec::new();
    for number in 0..syns {
        let syn = any_syn(&mut random);
        let frame = syn.frame();
        let outcome = bench.run(&frame);
        let stack = stack(&mut reference, &frame, &bench.parse, &outcome);
        let says = match &stack {
            Stack::Answers(_, reply, _) => format!("answers {}", hex(reply)),
            Stack::Other => "takes it".to_owned(),
            Stack::Drops(reason) => format!("drops it: {reason:?}"),
        };
        assert!(
            agrees(&syn, &outcome, &stack),
            "seed {seed}, number {number}: {:?} {}\nthe stack {says}\nframe {}\n{syn:?}",
            outcome.verdict,
            hex(&outcome.frame),
            hex(&frame),
        );
        match seen.iter_mut().find(|(verdict, _)| *verdict == outcome.verdict) {
            Some((_, count)) => *count += 1,
            None => seen.push((outcome.verdict, 1)),
        }
    }
    seen
}

/// Byte for byte as the stack answers, and no drop that the stack would not make.
#[test]
fn every_syn_is_answered_as_by_the_stack() {
    if !privileged() {
        return;
    }
    let subnets = vec!["10.0.0.0/24".parse().unwrap(), "10.0.0.0/25".parse().unwrap()];
    let configs = [
        ParseConfig { mac: Some(OUR_MAC), subnets, accept_partial_checksum: false },
        ParseConfig { accept_partial_checksum: true, ..ParseConfig::default() },
    ];
    for (seed, config) in configs.into_iter().enumerate() {
        let seen = compare(seed as u64, SYNS / 2, config);
        let share = |verdict| {
            let of = |(_, count): &&(Verdict, u32)| f64::from(*count) / f64::from(SYNS / 2);
            seen.iter().find(|(seen, _)| *seen == verdict).as_ref().map_or(0.0, of)
        };
        assert!(share(TxSynAck) > 0.4, "{seen:?}");
        for verdict in [SocketSyn, DropSynChecksum, DropSynHeader, DropSynSource] {
            assert!(share(verdict) > 0.005, "{verdict:?}: {seen:?}");
        }
    }
}

/// `cargo test --release --test steer nanoseconds -- --ignored --nocapture`
#[test]
#[ignore = "prints times, proves nothing"]
fn nanoseconds_per_answer() {
    if !privileged() {
        return;
    }
    let bench = TierBench::usual();
    let linux = |ipv6| Tcp::of(ipv6);
    for (name, tcp) in [
        ("Linux", linux(false)),
        ("Linux, IPv6", linux(true)),
        ("MSS alone, to be shortened", linux(false).with(|tcp| tcp.options = vec![2, 4, 5, 180]).with(pad)),
        ("no options", linux(false).with(|tcp| tcp.options.clear())),
        ("options in another order", linux(false).with(|tcp| tcp.options.rotate_left(4))),
        ("ACK without a cookie", linux(false).with(|tcp| tcp.flags = 0x10)),
        ("ACK without a cookie, IPv6", linux(true).with(|tcp| tcp.flags = 0x10)),
        ("to the socket", linux(false).with(|tcp| tcp.destination_mac = [0xff; 6])),
    ] {
        let frame = tcp.frame();
        let runs = 200_000;
        let mut times: Vec<u32> = (0..runs).map(|_| run(&bench.program, &frame, 1).1).collect();
        times.sort_unstable();
        println!(
            "{name}: {} ns, one in 20 below {}",
            times.iter().sum::<u32>() / runs,
            times[times.len() / 20]
        );
    }
}

/// Frames that stay as they are can be run in a loop, which shows the times of a busy core.
#[test]
#[ignore = "prints times, proves nothing"]
fn nanoseconds_in_a_loop() {
    if !privileged() {
        return;
    }
    let bench = TierBench::usual();
    let key = FlowKey4 { remote: [192, 0, 2, 9], local: [10, 0, 0, 8], remote_port: 40_000, local_port: 80 };
    bench.tier.filter().add(&key);
    for (name, tcp) in [
        ("to the socket, broadcast", Tcp::ipv4().with(|tcp| tcp.destination_mac = [0xff; 6])),
        ("ACK without a cookie", Tcp::ipv4().with(|tcp| tcp.flags = 0x10)),
        ("ACK without a cookie, IPv6", Tcp::ipv6().with(|tcp| tcp.flags = 0x10)),
        ("RST", Tcp::ipv4().with(|tcp| tcp.flags = 0x04)),
        ("known SYN", Tcp::ipv4().with(|tcp| tcp.destination = vec![10, 0, 0, 8])),
        ("wrong checksum", Tcp::ipv4().with(|tcp| tcp.tcp_checksum = 1)),
    ] {
        println!("{name}: {} ns", run(&bench.program, &tcp.frame(), 1_000_000).1);
    }
}

fn pad(tcp: &mut Tcp) {
    tcp.padding = vec![0; 2];
}
