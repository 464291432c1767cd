//! The fast path leaves a connection in the same state as the general path does.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::*;
use crate::observe::{Closed, CoreCounters, DropReason};
use crate::tcp::{
    ACTIVE_OPEN, ClosedConnection, Config, DataResult, SendBuffers, Transmit, finish_dropped_input,
    finish_input, has_no_output, on_segment, poll_output,
};
use crate::wire::{Flags, FlowKey4, Segment, SegmentInfo, TcpOptions, Timestamps, TupleSecret};

/// A handler's actions when a connection has opened, or the peer has closed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Nothing,
    Send,
    Shutdown,
    Close,
    Answer,
    Abort,
    Probe,
    Refuse,
}

const PAYLOAD: [u8; 1] = [7];

/// Takes these actions, and records the events.
#[derive(Debug, PartialEq)]
struct Actor(Does, Vec<String>);

impl Actor {
    fn told(&mut self, what: &str, connection: &mut Connection<'_>) {
        self.1.push(format!("{what} {}", connection.id()));
        match self.0 {
            Does::Nothing | Does::Refuse => {}
            Does::Send => drop(connection.send(b"hello")),
            Does::Shutdown => connection.shutdown(),
            Does::Close => connection.close(),
            Does::Answer => {
                connection.send(b"good bye");
                connection.close();
            }
            Does::Abort => connection.abort(),
            Does::Probe => connection.probe(),
        }
    }
}

impl ConnectionHandler for Actor {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        self.told("opened", connection);
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        self.told("peer closed", connection);
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, _: usize) {
        self.told("acknowledged", connection);
    }

    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        self.told("heard", connection);
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        self.told(&format!("{data:?}"), connection);
        if self.0 == Does::Refuse { DataResult::Refused(DropReason::NoSendBuffer) } else { DataResult::Taken }
    }

    fn on_closed(&mut self, _: &ClosedConnection<'_>, how: Closed) {
        self.1.push(format!("{how:?}"));
    }
}

/// All that an event can change.
#[derive(Debug, PartialEq)]
struct After {
    tcb: String,
    action: Action,
    out: Option<Transmit>,
    timer: TimerOp,
    ended: Option<Closed>,
    handler: Vec<String>,
    established: u64,
    closed: Vec<u64>,
    dropped: u64,
    buffers: usize,
}

fn after(
    mut tcb: Tcb,
    does: Does,
    run: impl FnOnce(&mut Tcb, &mut Context<'_>, &mut Actor) -> Action,
) -> After {
    let key = FlowKey4 { remote: [10, 0, 0, 1], local: [10, 0, 0, 2], remote_port: 1, local_port: 80 };
    let (config, counters) = (Config::default(), CoreCounters::default());
    let mut buffers = SendBuffers::new(1, [1, 2], config.congestion);
    let mut handler = Actor(does, Vec::new());
    let mut cx = Context {
        now: Time::from_millis(5000),
        config: &config,
        buffers: &mut buffers,
        counters: &counters,
        prf: None,
        timestamp_offset: 0x5eed,
        secret: &TupleSecret::fixed(1),
        endpoints: &key,
        number: 7,
        timer: TimerOp::Keep,
        ended: None,
    };
    let action = run(&mut tcb, &mut cx, &mut handler);
    // As the engine does at the end of the batch.
    let out = if action == Action::Output { poll_output(&mut tcb, &mut cx) } else { None };
    let (timer, ended) = (cx.timer, cx.ended);
    After {
        // After the end, the negotiated options are not read.
        tcb: if tcb.state == State::Closed { String::new() } else { format!("{tcb:?}") },
        action,
        out,
        timer,
        ended,
        handler: handler.1,
        established: counters.established.value(),
        closed: counters.closed.iter().map(|count| count.value()).collect(),
        dropped: counters.drops.iter().map(|drops| drops.value()).sum(),
        buffers: buffers.in_use(),
    }
}

/// What a segment is, where the fast path takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Usual {
    AckOfSyn,
    AckOfFin,
    Fin,
    LastFin,
    Ack,
    Data,
}

/// As the engine chooses.
fn usual(tcb: &Tcb, segment: &RxHeader<FlowKey4>) -> Option<Usual> {
    let (ack, fin) = (Flags::ACK, Flags::ACK.with(Flags::FIN));
    let empty = segment.payload_len == 0;
    if !is_next(tcb, segment) {
        return None;
    }
    if segment.flags == fin {
        return match tcb.state {
            State::Established if empty && tcb.snd_una == tcb.snd_nxt => Some(Usual::Fin),
            State::FinWait1 if empty => Some(Usual::LastFin),
            _ => None,
        };
    }
    if segment.flags != ack && segment.flags != ack.with(Flags::PSH) {
        return None;
    }
    match tcb.state {
        State::SynReceived if empty => Some(Usual::AckOfSyn),
        State::LastAck if empty => Some(Usual::AckOfFin),
        State::Established if takes_data(tcb, segment.payload_len) => {
            Some(if empty { Usual::Ack } else { Usual::Data })
        }
        _ => None,
    }
}

fn quickly(usual: Usual, tcb: Tcb, segment: &RxHeader<FlowKey4>, does: Does) -> After {
    after(tcb, does, |tcb, cx, handler| match usual {
        Usual::AckOfSyn => {
            establish(tcb, segment, cx.now.millis(), cx, handler);
            cx.counters.established.bump();
            let silent = has_no_output(tcb);
            let action = finish_input(tcb, cx);
            assert!(!silent || action == Action::None, "{action:?}");
            action
        }
        Usual::Fin => {
            on_fin(tcb, segment, cx, handler);
            finish_input(tcb, cx)
        }
        Usual::LastFin => {
            on_last_fin(tcb, segment, cx.now);
            // As the engine does.
            cx.counters.closed[Closed::Active as usize].bump();
            (cx.ended, cx.timer) = (
                Some(Closed::Active),
                TimerOp::Start { timer: Timer::TimeWait, after_ms: 2 * cx.config.msl_ms },
            );
            finish_input(tcb, cx)
        }
        Usual::AckOfFin => {
            cx.close(tcb, Closed::Passive);
            Action::None
        }
        Usual::Ack => {
            on_ack(tcb, segment, cx.now);
            Action::None
        }
        Usual::Data => match on_data(tcb, segment, &PAYLOAD, cx, handler) {
            Ok(()) => finish_input(tcb, cx),
            Err(action) => finish_dropped_input(action, tcb, cx),
        },
    })
}

const DOES: [Does; 8] = [
    Does::Nothing,
    Does::Send,
    Does::Shutdown,
    Does::Close,
    Does::Answer,
    Does::Abort,
    Does::Probe,
    Does::Refuse,
];

/// Connections that wait for one of the three, and now and then others.
fn tcbs() -> impl Strategy<Value = Tcb> {
    use State::*;
    let states = select(vec![SynReceived, Established, LastAck, FinWait1]);
    let others = select(vec![CloseWait, FinWait2, Closing, TimeWait, Closed]);
    let states = prop_oneof![8 => states, 1 => others];
    let options = select(vec![(false, None), (true, None), (true, Some(7)), (false, Some(14))]);
    let more =
        [0, 0, TcbFlags::SYN_LOST.0, TcbFlags::SENT_DATA.0, TcbFlags::CHALLENGED.0, TcbFlags::QUEUED.0];
    let more = select(more.to_vec());
    let places = (any::<u32>(), select(vec![0u32, 0, 0, 1, 2]), any::<u32>());
    let windows = select(vec![0u16, 1, 65_535]);
    let listeners = select(vec![0, 0, 0, 1, ACTIVE_OPEN]);
    (states, options, more, places, windows, listeners, any::<u32>()).prop_map(
        |(state, (stamps, scale), more, (una, flight, rcv), window, listener, recent)| {
            // In SYN-RECEIVED and LAST-ACK our SYN or FIN is always in flight.
            let flight =
                if matches!(state, SynReceived | LastAck | FinWait1) { flight.max(1) } else { flight };
            let mut tcb = Tcb::new(state, Seq(una), Seq(una) + flight, Seq(rcv));
            (tcb.rcv_wnd, tcb.listener, tcb.mss) = (window, listener, 1460);
            tcb.flags = TcbFlags(more);
            if stamps {
                tcb.negotiated.add(Negotiated::TIMESTAMPS);
            }
            if let Some(shift) = scale {
                tcb.negotiated.add_window_scale(shift);
            }
            if matches!(state, LastAck | FinWait1) {
                tcb.set(TcbFlags::FIN_SENT.with(TcbFlags::SEND_CLOSED));
            }
            let timer = if state == SynReceived { Timer::SynAck } else { Timer::None };
            (tcb.timer, tcb.deadline_ms) = (timer, 5900);
            tcb.set_ts_recent(recent, Time::from_millis(4000));
            tcb
        },
    )
}

/// Segments that are what the connection waits for, or nearly.
fn near(tcb: Tcb) -> impl Strategy<Value = (Tcb, RxHeader<FlowKey4>)> {
    let fin = Flags::ACK.with(Flags::FIN);
    let right = match tcb.state {
        State::Established => vec![fin, Flags::ACK],
        State::FinWait1 => vec![fin],
        _ => vec![Flags::ACK],
    };
    let others = [Flags::ACK, fin, Flags::FIN, Flags::SYN, Flags::RST, Flags::ACK.with(Flags::PSH)];
    let flags = prop_oneof![6 => select(right), 1 => select(others.to_vec())];
    let off = || prop_oneof![8 => Just(0u32), 1 => select(vec![1u32, u32::MAX])];
    let stamp = select(vec![None, Some(0u32), Some(1), Some(1), Some(u32::MAX), Some(1 << 31)]);
    let payload_len = prop_oneof![2 => Just(0u16), 1 => Just(1)];
    (flags, off(), off(), payload_len, any::<u16>(), stamp).prop_map(
        move |(flags, seq, ack, payload_len, window, stamp)| {
            let timestamps =
                stamp.map(|ahead| Timestamps { value: tcb.ts_recent.wrapping_add(ahead), echo: 0 });
            let options = TcpOptions { timestamps, ..TcpOptions::default() };
            let (seq, ack) = (tcb.rcv_nxt + seq, tcb.snd_nxt + ack);
            let info = SegmentInfo { seq, ack, flags, window, payload_len, options };
            let segment = Segment { key: FlowKey4::default(), info, link_len: 14, payload_at: 54 };
            (tcb, RxHeader::of(&segment))
        },
    )
}

#[test]
fn it_fares_as_any_segment() {
    let found = RefCell::new(BTreeMap::<_, u32>::new());
    let cases = (tcbs().prop_flat_map(near), select(DOES.to_vec()));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(80_000));
    let outcome = runner.run(&cases, |((tcb, segment), does)| {
        let Some(usual) = usual(&tcb, &segment) else { return Ok(()) };
        *found.borrow_mut().entry(format!("{usual:?}, {does:?}")).or_default() += 1;
        let info = segment.segment().info;
        let payload = &PAYLOAD[..usize::from(segment.payload_len)];
        let slowly = after(tcb, does, |tcb, cx, handler| on_segment(tcb, &info, payload, cx, handler));
        prop_assert_eq!(slowly, quickly(usual, tcb, &segment, does), "{:?}", usual);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let found = found.into_inner();
    // The property is of something: each of the six, whatever the user does.
    assert!(found.len() == 6 * DOES.len() && found.values().all(|count| *count >= 10), "{found:?}");
}

/// Connections with a flag of output set: what [`plain_output`] sends is what [`poll_output`] composes.
fn speakers() -> impl Strategy<Value = Tcb> {
    let flags = [
        TcbFlags::ACK_NOW,
        TcbFlags::QUEUED,
        TcbFlags::SEND_CLOSED,
        TcbFlags::FIN_SENT,
        TcbFlags::ABORT,
        TcbFlags::RETRANSMIT,
        TcbFlags::PROBE,
        TcbFlags::SWS_OVERRIDE,
    ];
    let bits = prop::collection::vec(select(flags.to_vec()), 0..4);
    let states = select(vec![
        State::SynReceived,
        State::Established,
        State::CloseWait,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::LastAck,
    ]);
    (tcbs(), bits, states, any::<u16>()).prop_map(|(mut tcb, bits, state, srtt)| {
        bits.into_iter().for_each(|flag| tcb.set(flag));
        tcb.set(TcbFlags::ACK_NOW);
        (tcb.state, tcb.srtt_ms) = (state, srtt);
        tcb
    })
}

#[test]
fn plain_output_is_what_any_connection_sends() {
    let found = RefCell::new(BTreeMap::<_, u32>::new());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(50_000));
    let outcome = runner.run(&speakers(), |tcb| {
        let Some(output) = plain_output(&tcb) else { return Ok(()) };
        *found.borrow_mut().entry(format!("{output:?}, {:?}", tcb.state)).or_default() += 1;
        let slowly = after(tcb, Does::Nothing, |tcb, _, _| {
            tcb.clear(TcbFlags::QUEUED);
            Action::Output
        });
        let mut quick = tcb;
        let (fin, seq, timer) = match output {
            PlainOutput::Ack => (false, send_ack(&mut quick), TimerOp::Keep),
            PlainOutput::Fin => {
                let (seq, after_ms) = send_fin(&mut quick);
                (true, seq, TimerOp::Start { timer: Timer::Retransmit, after_ms })
            }
        };
        let sent = slowly.out.expect("a segment").segment;
        let flags = if fin { Flags::ACK.with(Flags::FIN) } else { Flags::ACK };
        let echo = tcb.negotiated.has(Negotiated::TIMESTAMPS).then_some(tcb.ts_recent);
        prop_assert_eq!((sent.seq, sent.flags, sent.ack), (seq, flags, quick.rcv_nxt));
        prop_assert_eq!(
            (sent.window, sent.options.timestamps.map(|stamps| stamps.echo)),
            (quick.window_field(), echo)
        );
        prop_assert_eq!((slowly.timer, slowly.tcb), (timer, format!("{quick:?}")));
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let found = found.into_inner();
    assert!(found.len() >= 5 && found.values().all(|count| *count >= 20), "{found:?}");
}
