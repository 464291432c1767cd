//! Whatever arrives for connections that we opened, and whatever their user does meanwhile: no
//! panic, no lost frame, no amplification, and every end is reported once.

use std::collections::HashSet;

use handfast_stack::tcp::Time;
use handfast_stack::wire::{Flags, Seq, TcpOptions, Timestamps, TxSegment};
use proptest::prelude::*;

use crate::active_errors::complaint;
use crate::caller::{Act, Callback, Order, Script, calling, ends};
use crate::client::{CLIENT_ISN, FAMILIES, Lab};
use crate::frames::{build, read};

const CAPACITY: u32 = 4;

#[derive(Clone, Debug)]
enum Event {
    Open(usize, u16),
    Act(u32, Act),
    Segment {
        family: usize,
        port: u16,
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        len: usize,
        ts: Option<u32>,
    },
    /// An ICMP error about the last frame that the stack sent, this far from it.
    Error(u8, u8, u32),
    Bytes(Vec<u8>),
    /// Milliseconds pass.
    Wait(u32),
}

/// Distances from what the conversation has come to; now and then any.
fn near() -> impl Strategy<Value = u32> {
    prop_oneof![30 => Just(0), 2 => 0..4u32, 1 => 0..3000u32, 2 => (0..3000u32).prop_map(|back| back.wrapping_neg()), 1 => any::<u32>()]
}

fn flags() -> impl Strategy<Value = u8> {
    let [syn, rst] = [Flags::SYN, Flags::RST].map(|flag| flag.with(Flags::ACK).0);
    let [push, fin] = [Flags::PSH, Flags::FIN].map(|flag| flag.with(Flags::ACK).0);
    let usual = vec![syn, syn, syn, Flags::ACK.0, push, fin, Flags::SYN.0];
    prop_oneof![12 => prop::sample::select(usual), 1 => Just(rst), 1 => Just(Flags::RST.0), 1 => any::<u8>()]
}

fn event() -> impl Strategy<Value = Event> {
    let act = prop_oneof![
        2 => (1..600usize).prop_map(Act::Send),
        1 => Just(Act::Close),
        1 => Just(Act::Shutdown),
        1 => Just(Act::Abort),
        1 => Just(Act::Probe)
    ];
    let window = prop_oneof![Just(0), Just(5), Just(1460), Just(65_535), any::<u16>()];
    let len = prop_oneof![4 => Just(0usize), 1 => 0..1400usize];
    let ts = prop_oneof![3 => Just(None), 2 => near().prop_map(Some)];
    let segment = (0..2usize, 1..4u16, near(), near(), flags(), window, len, ts);
    prop_oneof![
        4 => (0..2usize, 1..4u16).prop_map(|(family, port)| Event::Open(family, port)),
        3 => (0..2 * CAPACITY + 1, act).prop_map(|(number, act)| Event::Act(number, act)),
        12 => segment.prop_map(|(family, port, seq, ack, flags, window, len, ts)| Event::Segment {
            family, port, seq, ack, flags, window, len, ts,
        }),
        2 => (1..13u8, 0..6u8, near()).prop_map(|(kind, code, offset)| Event::Error(kind, code, offset)),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Event::Bytes),
        2 => prop_oneof![0..50u32, 0..5_000u32, 0..200_000u32].prop_map(Event::Wait),
    ]
}

/// The stack's RCV.NXT and SND.NXT, from its last segment to one peer.
type Places = [(Seq, Seq); 8];

fn place(family: usize, port: u16) -> usize {
    usize::from(port) * 2 + family
}

/// A router's ICMP error about a frame that we sent, its sequence number changed by `offset`.
fn error(sent: &[u8], kind: (u8, u8), offset: u32) -> Vec<u8> {
    let family = FAMILIES[usize::from(sent[12] == 0x86)];
    let at = 14 + if sent[12] == 0x86 { 40 } else { 20 } + 4;
    let mut sent = sent.to_vec();
    let seq = u32::from_be_bytes(sent[at..at + 4].try_into().unwrap()).wrapping_add(offset);
    sent[at..at + 4].copy_from_slice(&seq.to_be_bytes());
    complaint(family, kind, &sent, 8)
}

fn happens(lab: &mut Lab, script: &Script, places: &Places, last: &[u8], event: &Event) {
    match event {
        Event::Open(family, port) => script.order(Order::Open(ends(FAMILIES[*family], *port))),
        Event::Act(number, act) => script.order(Order::Act(*number, act.clone())),
        Event::Segment { family, port, seq, ack, flags, window, len, ts } => {
            let syn = flags & Flags::SYN.0 != 0;
            let options = TcpOptions::of_syn(
                syn.then_some(*window),
                syn.then_some((*window % 20) as u8),
                syn,
                ts.map(|value| Timestamps { value, echo: 0 }),
            );
            let (expected, sent) = places[place(*family, *port)];
            let (seq, ack) = (expected + *seq, sent + *ack);
            let emit = TxSegment { seq, ack, flags: Flags(*flags), window: *window, options };
            assert!(lab.sim.inject(&build(FAMILIES[*family], *port, 80, &emit, &vec![7; *len])));
        }
        Event::Error(kind, code, offset) if !last.is_empty() => {
            assert!(lab.sim.inject(&error(last, (*kind, *code), *offset)));
        }
        Event::Error(..) => {}
        Event::Bytes(bytes) => assert!(lab.sim.inject(bytes)),
        Event::Wait(millis) => lab.sim.advance_ms(*millis),
    }
    lab.sim.run();
}

/// Every connection is opened at most once, and ended once.
fn account(script: &Script, live: &mut HashSet<u32>) {
    let mut board = script.board();
    // Opened in the same poll in which another has freed its slot: the end was reported first.
    for callback in std::mem::take(&mut board.callbacks) {
        if let Callback::Closed(number, how) = callback {
            assert!(live.remove(&number), "{number} ended twice: {how:?}");
        }
    }
    for number in std::mem::take(&mut board.opens).into_iter().flatten() {
        assert!(live.insert(number), "{number} is still in use");
    }
}

fn run(frames: u32, start: u64, when_opened: &[Act], events: &[Event]) {
    let (mut lab, script) = calling(|setup| {
        setup.capacity = CAPACITY;
        setup.frames = frames;
        setup.bounds.send_buffers = 8;
        setup.bounds.time_wait_budget = 2;
        setup.start = Time::from_millis(start);
    });
    script.board().when_opened = when_opened.to_vec();
    let mut places: Places = [(CLIENT_ISN, Seq(0)); 8];
    let mut live = HashSet::new();
    let mut last = Vec::new();
    for event in events {
        happens(&mut lab, &script, &places, &last, event);
        account(&script, &mut live);
        let mut answers = 0;
        while let Some(frame) = lab.sim.collect() {
            answers += 1;
            let Some(reply) = read(&frame) else { continue };
            last = frame;
            let family = FAMILIES.iter().position(|family| *family == reply.family).unwrap_or(0);
            let Some(known) = places.get_mut(place(family, reply.port)) else { continue };
            if !reply.info.flags.has(Flags::RST) {
                known.1 = reply.info.seq + reply.info.seq_len();
            }
            if reply.info.flags.has(Flags::ACK) {
                known.0 = reply.info.ack;
            }
        }
        assert!(matches!(event, Event::Wait(_)) || answers <= 2, "{answers} answers to {event:?}");
        assert_eq!(lab.sim.lost_frames(), 0);
        assert!(live.len() <= 2 * CAPACITY as usize);
    }
    // Nothing is kept alive by itself for ever but what is established; nor are the counts astray.
    for _ in 0..400 {
        lab.sim.advance_ms(1000);
        let _ = lab.replies_or_others();
    }
    account(&script, &mut live);
    let counters = lab.sim.counters(0);
    assert_eq!(lab.sim.lost_frames() + counters.half_open.value() + counters.time_wait.value(), 0);
    assert_eq!(live.len(), lab.sim.connections(), "every end was reported");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_state(
        frames in prop_oneof![1 => Just(1u32), 1 => Just(2u32), 2 => Just(64u32)],
        start in prop_oneof![Just(1_000_000u64), ((1u64 << 32) - 100_000)..(1u64 << 32)],
        when_opened in prop::sample::select(vec![vec![], vec![Act::Close], vec![Act::Abort], vec![Act::Send(5), Act::Shutdown]]),
        events in prop::collection::vec(event(), 50),
    ) {
        run(frames, start, &when_opened, &events);
    }
}
