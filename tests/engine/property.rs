//! Whatever arrives: no panic, no lost frame, no amplification, bounded state.

use handfast_stack::service::Service;
use handfast_stack::tcp::{CookieMode, Time};
use handfast_stack::wire::{Flags, Seq, TcpOptions, Timestamps, TxSegment};
use proptest::prelude::*;

use crate::client::{CLIENT_ISN, FAMILIES, Family, Lab};
use crate::frames::build;

const CAPACITY: usize = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Segment {
        family: usize,
        port: u16,
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        len: usize,
        ts: Option<u32>,
        mss: u16,
    },
    /// A segment with some bytes changed: mostly refused, never worse.
    Broken(Box<Event>, Vec<(usize, u8)>),
    Bytes(Vec<u8>),
    /// Milliseconds pass.
    Wait(u32),
}

/// Distances from what the conversation has come to; now and then any.
fn near() -> impl Strategy<Value = u32> {
    prop_oneof![20 => Just(0), 2 => 0..4u32, 2 => 0..3000u32, 1 => (0..3000u32).prop_map(|back| back.wrapping_neg()), 1 => any::<u32>()]
}

fn flags() -> impl Strategy<Value = u8> {
    let [ack, push, fin] = [Flags::default(), Flags::PSH, Flags::FIN].map(|more| Flags::ACK.with(more));
    let usual = [Flags::SYN, ack, ack, push, push, fin].map(|flags| flags.0);
    prop_oneof![12 => prop::sample::select(usual.to_vec()), 1 => Just(Flags::RST.0), 1 => any::<u8>()]
}

fn segment() -> impl Strategy<Value = Event> {
    let window = prop_oneof![Just(0), Just(5), Just(1460), Just(65_535), any::<u16>()];
    let len = prop_oneof![3 => Just(0usize), 2 => 0..10usize, 1 => 0..1400usize];
    let ts = prop_oneof![3 => Just(None), 2 => near().prop_map(Some)];
    let mss = prop_oneof![Just(1460), any::<u16>()];
    (0..2usize, 1..4u16, near(), near(), flags(), window, len, ts, mss).prop_map(
        |(family, port, seq, ack, flags, window, len, ts, mss)| Event::Segment {
            family,
            port,
            seq,
            ack,
            flags,
            window,
            len,
            ts,
            mss,
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let broken = (segment(), prop::collection::vec((0..120usize, any::<u8>()), 1..4));
    prop_oneof![
        12 => segment(),
        1 => broken.prop_map(|(event, changes)| Event::Broken(Box::new(event), changes)),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Event::Bytes),
        2 => prop_oneof![0..50u32, 0..5_000u32, 0..200_000u32].prop_map(Event::Wait),
    ]
}

/// The server's RCV.NXT and SND.NXT, from its last segment to one client.
type Place = (Seq, Seq);

fn place(family: usize, port: u16) -> usize {
    usize::from(port) * 2 + family
}

/// The frame, with its numbers relative to what the server expects of this client.
fn frame(event: &Event, places: &[Place]) -> Vec<u8> {
    match event {
        Event::Segment { family, port, seq, ack, flags, window, len, ts, mss } => {
            let syn = flags & Flags::SYN.0 != 0;
            let timestamps = ts.map(|value| Timestamps { value, echo: 0 });
            let options =
                TcpOptions::of_syn(syn.then_some(*mss), syn.then_some((*mss % 20) as u8), syn, timestamps);
            let (expected, sent) = places[place(*family, *port)];
            let (seq, ack) = (expected + *seq, sent + *ack);
            let emit = TxSegment { seq, ack, flags: Flags(*flags), window: *window, options };
            build(FAMILIES[*family], *port, 80, &emit, &vec![7; *len])
        }
        Event::Broken(event, changes) => {
            let mut frame = frame(event, places);
            for (at, byte) in changes {
                let at = at % frame.len();
                frame[at] = *byte;
            }
            frame
        }
        Event::Bytes(bytes) => bytes.clone(),
        Event::Wait(_) => Vec::new(),
    }
}

/// One answer at most. Where send buffers run out, a connection gives way to another one: its peer gets a RST besides.
fn is_one_answer(answers: &[Option<(Family, u16, bool)>]) -> bool {
    match *answers {
        [] | [_] => true,
        [Some((family, port, reset)), Some((other_family, other_port, other_reset))] => {
            (family, port) != (other_family, other_port) && (reset || other_reset)
        }
        _ => false,
    }
}

fn run(service: Service, cookies: CookieMode, start: u64, events: &[Event]) {
    let mut lab = Lab::with(service, |setup| {
        setup.capacity = CAPACITY as u32;
        setup.frames = 64;
        setup.bounds.send_buffers = 2;
        setup.bounds.half_open_bound = 2;
        setup.bounds.time_wait_budget = 2;
        setup.config.cookies = cookies;
        setup.start = Time::from_millis(start);
    });
    let mut places = [(CLIENT_ISN, Seq(0)); 16];
    for event in events {
        if let Event::Wait(millis) = event {
            lab.sim.advance_ms(*millis);
        } else {
            assert!(lab.sim.inject(&frame(event, &places)));
            lab.sim.run();
        }
        let mut answers = Vec::new();
        for reply in lab.replies_or_others() {
            answers.push(
                reply.as_ref().map(|reply| (reply.family, reply.port, reply.info.flags.has(Flags::RST))),
            );
            let Some(reply) = reply else { continue };
            let family = FAMILIES.iter().position(|family| *family == reply.family).unwrap_or(0);
            if let (true, Some(known)) =
                (reply.info.flags.has(Flags::ACK), places.get_mut(place(family, reply.port)))
            {
                *known = (reply.info.ack, reply.info.seq + reply.info.seq_len());
            }
        }
        assert!(matches!(event, Event::Wait(_)) || is_one_answer(&answers), "{answers:?} to {event:?}");
        assert_eq!(lab.sim.lost_frames(), 0);
        assert!(lab.sim.connections() <= 2 * CAPACITY);
    }
    // Nothing is kept alive by itself for ever but what is established; nor are the counts astray.
    lab.sim.advance_ms(400_000);
    let counters = lab.sim.counters(0);
    assert_eq!(lab.sim.lost_frames() + counters.half_open.value() + counters.time_wait.value(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_in_any_state(
        service in prop::sample::select(handfast_stack::service::SERVICES.to_vec()),
        cookies in prop::sample::select(vec![CookieMode::Auto, CookieMode::Always, CookieMode::Never]),
        start in prop_oneof![Just(1_000_000u64), ((1u64 << 32) - 100_000)..(1u64 << 32)],
        events in prop::collection::vec(event(), 50),
    ) {
        run(service, cookies, start, &events);
    }
}
