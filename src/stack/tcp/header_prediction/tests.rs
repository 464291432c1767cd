//! What is recognised by its header fares as it would have fared without.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::*;
use crate::observe::{Closed, CoreCounters, DropReason};
use crate::tcp::{
    ACTIVE_OPEN, Action, ClosedConnection, Config, Connection, ConnectionHandler, Context, DataResult,
    SendBuffers, Time, Timer, TimerOp, Transmit, establish, finish_input, has_no_output, on_predicted_fin,
    on_segment, poll_output,
};
use crate::wire::{FlowKey4, Seq, TcpOptions, Timestamps};

/// What a user does when it is told that a connection has opened or that the peer has closed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Nothing,
    Send,
    Shutdown,
    Close,
    Answer,
    Abort,
    Probe,
}

/// Does that, and writes down what it is told.
#[derive(Debug, PartialEq)]
struct Actor(Does, Vec<String>);

impl Actor {
    fn told(&mut self, what: &str, connection: &mut Connection<'_>) {
        self.1.push(format!("{what} {}", connection.id()));
        match self.0 {
            Does::Nothing => {}
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

    fn on_data(&mut self, _: &mut Connection<'_>, _: &[u8]) -> DataResult {
        DataResult::Refused(DropReason::NoSendBuffer)
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
        secret: &crate::wire::TupleSecret::fixed(1),
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
        // Nobody reads what was agreed with a connection that is no more.
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

fn quickly(predicted: Predicted, tcb: Tcb, segment: &SegmentInfo, does: Does) -> After {
    after(tcb, does, |tcb, cx, handler| match predicted {
        Predicted::AckOfSyn => {
            establish(tcb, segment, cx, handler);
            let silent = has_no_output(tcb);
            let action = finish_input(tcb, cx);
            assert!(!silent || action == Action::None, "{action:?}");
            action
        }
        Predicted::Fin => {
            on_predicted_fin(tcb, segment, cx, handler);
            finish_input(tcb, cx)
        }
        Predicted::AckOfFin => {
            cx.close(tcb, Closed::Passive);
            Action::None
        }
    })
}

const DOES: [Does; 7] =
    [Does::Nothing, Does::Send, Does::Shutdown, Does::Close, Does::Answer, Does::Abort, Does::Probe];

/// Connections that wait for one of the three, and now and then others.
fn tcbs() -> impl Strategy<Value = Tcb> {
    use State::*;
    let states = select(vec![SynReceived, Established, LastAck]);
    let others = select(vec![CloseWait, FinWait1, FinWait2, Closing, TimeWait, Closed]);
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
            let flight = if matches!(state, SynReceived | LastAck) { flight.max(1) } else { flight };
            let mut tcb = Tcb::new(state, Seq(una), Seq(una) + flight, Seq(rcv));
            (tcb.rcv_wnd, tcb.listener, tcb.mss) = (window, listener, 1460);
            tcb.flags = TcbFlags(more);
            if stamps {
                tcb.negotiated.add(Negotiated::TIMESTAMPS);
            }
            if let Some(shift) = scale {
                tcb.negotiated.add_window_scale(shift);
            }
            if state == LastAck {
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
fn near(tcb: Tcb) -> impl Strategy<Value = (Tcb, SegmentInfo)> {
    let fin = Flags::ACK.with(Flags::FIN);
    let right = if tcb.state == State::Established { fin } else { Flags::ACK };
    let others = [Flags::ACK, fin, Flags::FIN, Flags::SYN, Flags::RST, Flags::ACK.with(Flags::PSH)];
    let flags = prop_oneof![6 => Just(right), 1 => select(others.to_vec())];
    let off = || prop_oneof![8 => Just(0u32), 1 => select(vec![1u32, u32::MAX])];
    let stamp = select(vec![None, Some(0u32), Some(1), Some(1), Some(u32::MAX), Some(1 << 31)]);
    let payload_len = prop_oneof![8 => Just(0u16), 1 => Just(1)];
    (flags, off(), off(), payload_len, any::<u16>(), stamp).prop_map(
        move |(flags, seq, ack, payload_len, window, stamp)| {
            let timestamps =
                stamp.map(|ahead| Timestamps { value: tcb.ts_recent.wrapping_add(ahead), echo: 0 });
            let options = TcpOptions { timestamps, ..TcpOptions::default() };
            let (seq, ack) = (tcb.rcv_nxt + seq, tcb.snd_nxt + ack);
            (tcb, SegmentInfo { seq, ack, flags, window, payload_len, options })
        },
    )
}

#[test]
fn it_fares_as_any_segment() {
    let found = RefCell::new(BTreeMap::<_, u32>::new());
    let cases = (tcbs().prop_flat_map(near), select(DOES.to_vec()));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(10_000));
    let outcome = runner.run(&cases, |((tcb, segment), does)| {
        let Some(predicted) = predict(&tcb, &segment) else { return Ok(()) };
        *found.borrow_mut().entry(format!("{predicted:?}, {does:?}")).or_default() += 1;
        let slowly = after(tcb, does, |tcb, cx, handler| on_segment(tcb, &segment, &[], cx, handler));
        prop_assert_eq!(slowly, quickly(predicted, tcb, &segment, does), "{:?}", predicted);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let found = found.into_inner();
    // The property is of something: each of the three, whatever the user does.
    assert!(found.len() == 3 * DOES.len() && found.values().all(|count| *count >= 20), "{found:?}");
}

/// Each is recognised, and nothing else.
#[test]
fn what_is_predicted() {
    let ack = SegmentInfo {
        seq: Seq(10),
        ack: Seq(21),
        flags: Flags::ACK,
        window: 1000,
        payload_len: 0,
        options: TcpOptions::default(),
    };
    let fin = SegmentInfo { flags: Flags::ACK.with(Flags::FIN), ..ack };
    let of = |state, una| Tcb::new(state, Seq(una), Seq(21), Seq(10));
    let half_open = of(State::SynReceived, 20);
    for (tcb, segment, found) in [
        (half_open, ack, Some(Predicted::AckOfSyn)),
        (half_open, fin, None),
        (half_open, SegmentInfo { seq: Seq(9), ..ack }, None),
        (half_open, SegmentInfo { ack: Seq(20), ..ack }, None),
        (half_open, SegmentInfo { payload_len: 1, ..ack }, None),
        (of(State::Established, 21), fin, Some(Predicted::Fin)),
        (of(State::Established, 20), fin, None),
        (of(State::Established, 21), ack, None),
        (of(State::LastAck, 20), ack, Some(Predicted::AckOfFin)),
        (of(State::LastAck, 20), fin, None),
        (of(State::TimeWait, 21), ack, None),
    ] {
        assert_eq!(predict(&tcb, &segment), found, "{:?} {segment:?}", tcb.state);
    }
    let mut stamped = half_open;
    stamped.negotiated.add(Negotiated::TIMESTAMPS);
    stamped.ts_recent = 100;
    for (value, found) in [(Some(100), true), (Some(101), true), (Some(99), false), (None, false)] {
        let timestamps = value.map(|value| Timestamps { value, echo: 0 });
        let segment = SegmentInfo { options: TcpOptions { timestamps, ..TcpOptions::default() }, ..ack };
        assert_eq!(predict(&stamped, &segment).is_some(), found, "{value:?}");
    }
}
