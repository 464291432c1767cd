use super::*;
use crate::observe::CoreCounters;
use crate::tcp::{CongestionAlgorithm, Connection, SendBuffers, Time, TimerOp};
use crate::wire::FlowKey4;

const KEY: FlowKey4 =
    FlowKey4 { remote: [192, 0, 2, 9], local: [192, 0, 2, 1], remote_port: 40_000, local_port: 80 };
const MSS: u16 = 100;

/// A segment's first sequence number from SND.UNA at the start, its length, FIN, and whether more follows.
type Sent = Option<(u32, usize, bool, bool)>;

fn poll(tcb: &mut Tcb, cx: &mut Context<'_>) -> Sent {
    poll_output(tcb, cx).map(|out| {
        let len = cx.buffers.payload(out.payload).len();
        (out.segment.seq.since(Seq(7)), len, out.segment.flags.has(Flags::FIN), out.more)
    })
}

/// Runs `test` on a connection that has queued 250 bytes and closed.
fn queued(algorithm: CongestionAlgorithm, test: impl Fn(&mut Tcb, &mut Context<'_>)) {
    let (config, counters) = (Config::default(), CoreCounters::default());
    let mut cx = Context {
        now: Time::from_millis(1),
        config: &config,
        buffers: &mut SendBuffers::new(1, [1, 2], algorithm),
        counters: &counters,
        prf: None,
        timestamp_offset: 0x5eed,
        secret: &crate::wire::TupleSecret::fixed(1),
        endpoints: &KEY,
        number: 0,
        timer: TimerOp::Keep,
        ended: None,
    };
    let mut tcb = Tcb::new(State::Established, Seq(7), Seq(7), Seq(0));
    (tcb.mss, tcb.snd_wnd) = (MSS, u16::MAX);
    let mut connection = Connection::new(&mut tcb, &mut cx);
    assert!(connection.send(&[0xee; 250]));
    connection.shutdown();
    test(&mut tcb, &mut cx);
}

fn acknowledge(tcb: &mut Tcb, cx: &mut Context<'_>, bytes: u32) {
    cx.buffers.acknowledged(tcb, bytes, cx.now.millis());
    tcb.snd_una += bytes;
}

#[test]
fn stop_and_wait_sends_one_segment_for_each_ack() {
    queued(CongestionAlgorithm::StopAndWait, |tcb, cx| {
        for at in [0, 100] {
            assert_eq!(poll(tcb, cx), Some((at, 100, false, false)));
            assert_eq!(poll(tcb, cx), None);
            acknowledge(tcb, cx, 100);
        }
        assert_eq!(poll(tcb, cx), Some((200, 50, true, false)));
        assert_eq!(tcb.state, State::FinWait1);
    });
}

#[test]
fn output_is_polled_until_the_congestion_window_is_full() {
    queued(CongestionAlgorithm::TwoSegments, |tcb, cx| {
        assert_eq!(poll(tcb, cx), Some((0, 100, false, true)));
        assert_eq!(poll(tcb, cx), Some((100, 100, false, false)));
        assert_eq!(poll(tcb, cx), None);
        acknowledge(tcb, cx, 100);
        assert_eq!(poll(tcb, cx), Some((200, 50, true, false)));
        assert_eq!(poll(tcb, cx), None);
    });
}

/// RFC 6298 5.4: the earliest segment that was not acknowledged, and no other.
#[test]
fn a_time_out_retransmits_the_first_segment_in_flight() {
    queued(CongestionAlgorithm::TwoSegments, |tcb, cx| {
        assert_eq!(poll(tcb, cx), Some((0, 100, false, true)));
        assert_eq!(poll(tcb, cx), Some((100, 100, false, false)));
        tcb.set(TcbFlags::RETRANSMIT);
        assert_eq!(poll(tcb, cx), Some((0, 100, false, false)));
        acknowledge(tcb, cx, 200);
        assert_eq!(poll(tcb, cx), Some((200, 50, true, false)));
        // The rest of it and the FIN go together again.
        acknowledge(tcb, cx, 20);
        tcb.set(TcbFlags::RETRANSMIT);
        assert_eq!(poll(tcb, cx), Some((220, 30, true, false)));
    });
}

#[test]
fn the_peer_s_window_bounds_what_is_in_flight() {
    queued(CongestionAlgorithm::TwoSegments, |tcb, cx| {
        tcb.snd_wnd = 150;
        assert_eq!(poll(tcb, cx), Some((0, 100, false, false)), "no silly window after it");
        assert_eq!(poll(tcb, cx), None);
    });
}
