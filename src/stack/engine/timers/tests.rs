//! Against an oracle: a map from slot to deadline.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::table::table;
use crate::wire::FlowKey4;

const SLOTS: usize = 12;

#[derive(Clone, Debug)]
enum Action {
    Start(usize, Timer, u32),
    Stop(usize),
    /// Milliseconds pass, then all that has expired is served.
    Wait(u32),
    /// As long as `next_ms` says, at most this.
    Sleep(u32),
}

/// Fixed time-outs have one length each; the others any from 1 ms on.
fn timer() -> impl Strategy<Value = (Timer, u32)> {
    let variable = prop_oneof![1..20u32, 1..5000u32, 4090..4110u32, 1..70_000u32];
    prop_oneof![
        prop::sample::select(SYN_ACK_MS.to_vec()).prop_map(|after| (Timer::SynAck, after)),
        Just((Timer::SynAckDelay, 250)),
        Just((Timer::TimeWait, 60_000)),
        Just((Timer::FinWait2, 30_000)),
        variable.clone().prop_map(|after| (Timer::Retransmit, after)),
        variable.prop_map(|after| (Timer::Persist, after)),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..SLOTS, timer()).prop_map(|(slot, (timer, after))| Action::Start(slot, timer, after)),
        1 => (0..SLOTS).prop_map(Action::Stop),
        2 => prop_oneof![0..20u32, 0..3000u32, 0..100_000u32].prop_map(Action::Wait),
        2 => (1..2000u32).prop_map(Action::Sleep),
    ]
}

/// Armed timers: when they are due, milliseconds since the epoch.
type Oracle = BTreeMap<u32, (Timer, u64)>;

fn serve(
    timers: &mut Timers,
    shard: &mut Shard<FlowKey4, Tcb>,
    oracle: &mut Oracle,
    (before, now_ms): (u64, u64),
) -> Result<(), TestCaseError> {
    let mut queue = 0;
    while let Some((slot, timer)) = timers.expired(shard, Time::from_millis(now_ms), &mut queue) {
        let (expected, due) = oracle.remove(&slot.0).expect("armed");
        prop_assert_eq!(timer, expected);
        prop_assert!(due <= now_ms, "{} ms early", due - now_ms);
        // What was due a tick before the last look would have been served then.
        prop_assert!(due + u64::from(TICK_MS) > before, "late: due at {}, not served at {}", due, before);
    }
    let tick = u64::from(TICK_MS);
    let late = oracle.values().find(|(timer, due)| {
        let grace = if matches!(timer, Timer::Retransmit | Timer::Persist) { tick } else { 1 };
        due + grace <= now_ms
    });
    prop_assert!(late.is_none(), "not served at {}: {:?}", now_ms, late);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Never early, at most a tick late, none lost, none twice; also across the clock's wrap.
    #[test]
    fn like_a_map_of_deadlines(
        start in prop_oneof![0..10_000u64, (1u64 << 32) - 200_000..(1u64 << 32) + 1000],
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut part = table::<FlowKey4, Tcb>(1, SLOTS as u32).unwrap().remove(0);
        let slots: Vec<Slot> = (0..SLOTS as u16).map(|port| {
            let key = FlowKey4 { remote: [10, 0, 0, 1], local: [10, 0, 0, 2], remote_port: port, local_port: 80 };
            let mut tcb: Tcb = zerocopy::FromZeros::new_zeroed();
            tcb.timer_links = TimerLinks { prev: NO_LINK, next: NO_LINK };
            part.insert(key, u32::from(port), tcb).unwrap()
        }).collect();
        let mut timers = Timers::new(Time::from_millis(start));
        let (mut now, mut oracle) = (start, Oracle::new());
        for action in actions {
            let before = now;
            match action {
                Action::Start(slot, timer, after) => {
                    timers.start(&mut part, slots[slot], timer, after, Time::from_millis(now));
                    oracle.insert(slots[slot].0, (timer, now + u64::from(after)));
                }
                Action::Stop(slot) => {
                    timers.stop(&mut part, slots[slot]);
                    oracle.remove(&slots[slot].0);
                }
                Action::Wait(millis) => now += u64::from(millis),
                Action::Sleep(most) => {
                    let sleep = timers.next_ms(&part, Time::from_millis(now), most);
                    prop_assert!(sleep <= most);
                    now += u64::from(sleep);
                    // Who sleeps that long oversleeps nothing by more than a tick.
                    let first = oracle.values().map(|(_, due)| *due).min();
                    prop_assert!(first.is_none_or(|due| now < due + u64::from(TICK_MS)));
                }
            }
            if now > before {
                serve(&mut timers, &mut part, &mut oracle, (before, now))?;
            }
            let oldest = timers.oldest_time_wait().map(|slot| oracle[&slot.0].1);
            let waiting = oracle.values().filter(|(timer, _)| *timer == Timer::TimeWait);
            prop_assert_eq!(oldest, waiting.map(|(_, due)| *due).min());
        }
        serve(&mut timers, &mut part, &mut oracle, (now, now + 70_000 + u64::from(TICK_MS)))?;
        prop_assert!(oracle.is_empty());
    }
}
