//! What is sent, and given up, because time has passed.

use handfast_stack::observe::Closed;
use handfast_stack::service::Service;
use handfast_stack::tcp::Time;
use handfast_stack::wire::Flags;

use crate::client::{Client, FAMILIES, Lab, Reply};
use crate::trace::{OPEN, PORT, play};

/// Each retransmission waits twice as long; a tick of the wheel, 8 ms, may come on top of each.
#[track_caller]
fn assert_times(replies: &[Reply], start_ms: u64, seconds: &[u64]) {
    assert_eq!(replies.len(), seconds.len(), "{replies:?}");
    for (number, (reply, second)) in replies.iter().zip(seconds).enumerate() {
        let late = (reply.at_ms - start_ms).checked_sub(second * 1000).expect("not early");
        assert!(late <= 8 * (number as u64 + 1), "{late} ms late: {reply:?}");
    }
}

#[test]
fn a_syn_ack_is_repeated_twice_and_then_forgotten() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Hold);
        lab.send(&Client::new(family, 4000).syn());
        let first = lab.expect("S.");
        lab.wait(6999);
        let again = lab.all();
        let times: Vec<_> = again.iter().map(|reply| reply.at_ms).collect();
        assert_eq!(times, [1000, 3000]);
        assert!(again.iter().all(|reply| reply.info == first.info));
        assert_eq!(lab.sim.connections(), 1);
        lab.wait(1);
        lab.assert_closed(&[(Closed::HandshakeTimeout, 1)]);
        assert_eq!(lab.sim.counters(0).syn_ack_retransmissions.value(), 2);
        lab.over();
    }
}

#[test]
fn a_repeated_syn_leaves_the_timer_alone() {
    let mut lab = Lab::new(Service::Hold);
    let client = Client::new(FAMILIES[0], 4000);
    lab.send(&client.syn());
    lab.wait(900);
    lab.send(&client.syn());
    lab.wait(100);
    let times: Vec<_> = lab.all().iter().map(|reply| reply.at_ms).collect();
    assert_eq!(times, [0, 900, 1000]);
    lab.wait(6000);
    lab.assert_closed(&[(Closed::HandshakeTimeout, 1)]);
}

const BACK_OFF_S: [u64; 7] = [1, 3, 7, 15, 31, 63, 123];

#[test]
fn data_is_repeated_until_r2() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = Client::open(family, 4000, &mut lab);
        lab.wait(5000);
        let hello = client.say(b"hello");
        lab.send(&hello);
        let first = lab.expect("P.");
        lab.wait(182_900);
        let again = lab.all();
        assert_times(&again, 5000, &BACK_OFF_S);
        assert!(again.iter().all(|reply| reply.payload == b"hello" && reply.info.seq == first.info.seq));
        lab.wait(200);
        lab.assert_closed(&[(Closed::RetransmitTimeout, 1)]);
        assert_eq!(lab.sim.counters(0).retransmissions.value(), 7);
        lab.over();
    }
}

#[test]
fn a_fin_is_repeated_until_r2() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Close);
        play(&mut lab, family, &format!("{OPEN}> F. 1 ack 1"));
        lab.wait(182_900);
        let again = lab.all();
        assert_times(&again, 0, &BACK_OFF_S);
        assert!(again.iter().all(|reply| format!("{:?}", reply.info.flags) == "F."));
        lab.wait(200);
        lab.assert_closed(&[(Closed::RetransmitTimeout, 1)]);
        lab.over();
    }
}

#[test]
fn time_wait_lasts_two_msl_to_the_millisecond() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Close);
        play(&mut lab, family, &format!("{OPEN}> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n+ 59999"));
        assert_eq!(lab.sim.connections(), 1);
        lab.wait(1);
        lab.over();
    }
}

#[test]
fn fin_wait_2_ends() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Close);
        play(&mut lab, family, &format!("{OPEN}> F. 1 ack 1\n< . 1 ack 2\n+ 30000\n< . 1 ack 2\n+ 29999"));
        assert_eq!(lab.sim.connections(), 1);
        lab.wait(1);
        lab.assert_closed(&[(Closed::FinWait2Timeout, 1)]);
        lab.over();
    }
}

/// RFC 9293 MUST-36, MUST-37: probes for as long as they are answered.
#[test]
fn a_closed_window_is_probed_for_ever_while_the_peer_answers() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        play(&mut lab, family, &format!("{OPEN}< P. 1:6(5) ack 1 win 0\n> . 1 ack 6"));
        let closed = Client { window: 0, ..Client::new(family, PORT) };
        let mut probes = 0;
        for _ in 0..60 {
            lab.wait(20_000);
            for probe in lab.all() {
                assert!(probe.payload.is_empty());
                let (seq, ack) = (probe.info.ack, probe.info.seq + 1);
                probes += 1;
                lab.send(&Client { seq, ack, ..closed }.segment(".", &[]));
            }
        }
        assert!((20..60).contains(&probes), "{probes} probes in 20 minutes");
        play(&mut lab, family, "");
        let probe = loop {
            lab.wait(1000);
            if let Some(probe) = lab.reply() {
                break probe;
            }
        };
        let open = Client { seq: probe.info.ack, ack: probe.info.seq + 1, ..Client::new(family, PORT) };
        lab.send(&open.segment(".", &[]));
        let echo = lab.expect("P.");
        assert_eq!(echo.payload, b"xxxxx");
        open.abort(&mut lab);
        lab.over();
    }
}

#[test]
fn a_closed_window_of_a_silent_peer_ends_the_connection() {
    let mut lab = Lab::new(Service::Echo);
    play(&mut lab, FAMILIES[0], &format!("{OPEN}< P. 1:6(5) ack 1 win 0\n> . 1 ack 6"));
    lab.wait(182_900);
    assert_times(&lab.all(), 0, &BACK_OFF_S);
    lab.wait(200);
    lab.assert_closed(&[(Closed::RetransmitTimeout, 1)]);
    lab.over();
}

/// A window that shrinks to nothing over data in flight is probed, not timed out (MUST-35).
#[test]
fn a_window_closed_over_data_in_flight_does_not_end_the_connection() {
    let mut lab = Lab::new(Service::Echo);
    play(&mut lab, FAMILIES[0], &format!("{OPEN}< P. 1:6(5) ack 1\n> P. 1:6(5) ack 6"));
    for _ in 0..60 {
        lab.wait(20_000);
        for again in lab.all() {
            let (seq, ack) = (again.info.ack, again.info.seq);
            let answer = Client { seq, ack, window: 0, ..Client::new(FAMILIES[0], PORT) };
            lab.send(&answer.segment(".", &[]));
        }
    }
    assert_eq!(lab.sim.connections(), 1, "the peer answered for 20 minutes");
    lab.sound();
}

/// The same peers where that is bounded (RFC 6429): what answers for ever and takes nothing is reset,
/// whether its window is closed, closes over data in flight, or opens from time to time.
#[test]
fn a_peer_that_takes_nothing_is_reset_where_that_is_bounded() {
    for (name, text, windows) in [
        ("closed", "< P. 1:6(5) ack 1 win 0\n> . 1 ack 6", &[0][..]),
        ("closed over data in flight", "< P. 1:6(5) ack 1\n> P. 1:6(5) ack 6", &[0]),
        ("opens and takes nothing", "< P. 1:6(5) ack 1\n> P. 1:6(5) ack 6", &[0, 500]),
    ] {
        let mut lab = Lab::with(Service::Echo, |setup| setup.config.persist_timeout_ms = 60_000);
        play(&mut lab, FAMILIES[0], &format!("{OPEN}{text}"));
        let una = Client::new(FAMILIES[0], PORT).seq + 6;
        let mut base = None;
        while lab.sim.connections() > 0 {
            assert!(lab.now_ms() < 300_000, "{name}: still there after five minutes");
            lab.wait(500);
            for sent in lab.all().into_iter().filter(|sent| !sent.info.flags.has(Flags::RST)) {
                // A probe lies one below SND.UNA, a retransmission at it.
                let at = sent.info.seq + u32::from(sent.payload.is_empty());
                let base = *base.get_or_insert(at);
                for window in windows {
                    let answer =
                        Client { seq: una, ack: base, window: *window, ..Client::new(FAMILIES[0], PORT) };
                    lab.send(&answer.segment(".", &[]));
                }
            }
        }
        assert!(lab.now_ms() >= 60_000, "{name}: {} ms", lab.now_ms());
        let ended = lab.closed(Closed::PersistTimeout) + lab.closed(Closed::RetransmitTimeout);
        assert_eq!(ended, 1, "{name}");
        lab.all();
        lab.over();
    }
}

/// A small window is used after one time-out, not at once (RFC 9293 MUST-38).
#[test]
fn a_silly_window_is_used_after_the_override() {
    let text = "< P. 1:1001(1000) ack 1 win 100\n> . 1 ack 1001\n+ 999\n+ 9\n> P. 1:101(100) ack 1001\n\
        < . 1001 ack 101 win 900\n> P. 101:1001(900) ack 1001\n< . 1001 ack 1001\n< R. 1001 ack 1001";
    let mut lab = Lab::new(Service::Echo);
    play(&mut lab, FAMILIES[0], &format!("{OPEN}{text}"));
    lab.over();
}

/// The millisecond clock wraps after 49.7 days; timers must not notice.
#[test]
fn timers_live_through_the_clock_s_wrap() {
    for before in [200, 1_500, 4_200, 59_000] {
        let start = Time::from_millis((1 << 32) - before);
        let mut lab = Lab::with(Service::Echo, |setup| setup.start = start);
        let mut client = Client::open(FAMILIES[0], 4000, &mut lab);
        let hello = client.say(b"hello");
        lab.send(&hello);
        lab.expect("P.");
        lab.send(&Client::new(FAMILIES[0], 4001).syn());
        lab.expect("S.");
        lab.wait(182_900);
        let (syn_acks, again): (Vec<_>, Vec<_>) = lab.all().into_iter().partition(|reply| reply.port == 4001);
        assert_times(&syn_acks, 0, &[1, 3]);
        assert_times(&again, 0, &BACK_OFF_S);
        lab.wait(200);
        lab.over();
    }
}

/// A core that sleeps for the time that it computes misses nothing.
#[test]
fn idle_time_is_never_too_long() {
    let mut lab = Lab::new(Service::Echo);
    let mut client = Client::open(FAMILIES[0], 4000, &mut lab);
    let hello = client.say(b"hello");
    lab.wait(3);
    lab.send(&hello);
    let sent = lab.expect("P.").at_ms;
    let idle = lab.sim.idle_ms(5000);
    assert!((1000..=1008).contains(&idle), "{idle}");
    assert_eq!(lab.sim.idle_ms(7), 7);
    lab.wait(1008);
    assert!(lab.expect("P.").at_ms - sent >= 1000);
}
