//! Idle connections: keep-alives (RFC 9293 3.8.4), and the end of those whose peer is gone. The engine checks
//! each connection from time to time; a segment costs one store.

use super::output::probe_of;
use super::{Config, Context, IdleLimits, State, Tcb, Time, Timer};
use crate::observe::Closed;
use crate::wire::TxSegment;

/// Milliseconds, modulo 2^32, in which the core ran. After a suspension of the host, connections are as idle
/// as before, so that none ends before a keep-alive was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdleClock {
    seen: Time,
    ms: u32,
}

/// A running core polls at least once a second, so a longer gap is not idle time of its peers.
const MAX_GAP_MS: u64 = 5000;

impl IdleClock {
    /// A clock at 0 ms, which counts from `now`.
    pub fn new(now: Time) -> IdleClock {
        IdleClock { seen: now, ms: 0 }
    }

    /// Advances the clock, once a poll.
    #[inline]
    pub fn advance(&mut self, now: Time) -> u32 {
        let passed = now.micros.wrapping_sub(self.seen.micros) / 1000;
        self.seen.micros += passed * 1000;
        self.ms = self.ms.wrapping_add(passed.min(MAX_GAP_MS) as u32);
        self.ms
    }
}

/// What to do about an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleAction {
    /// Send a keep-alive: [`keep_alive`].
    KeepAlive,
    /// End it: [`super::abort`].
    End(Closed),
}

impl Tcb {
    /// Notes when an acceptable segment arrived; `busy`: with data, or with an ACK of data. Without a timer
    /// its fields hold the time.
    #[inline(always)]
    pub fn note_arrival(&mut self, idle_ms: u32, busy: bool) {
        if self.timer == Timer::None {
            self.deadline_ms = idle_ms;
            self.set_retries(0);
            if busy {
                self.timer_links.next = idle_ms;
            }
        }
    }
}

/// When data was last sent or received, by the idle clock; `None`: a timer runs, or it was opened actively.
#[inline]
pub fn idle_since(tcb: &Tcb) -> Option<u32> {
    let open = !matches!(tcb.state, State::Closed | State::SynSent | State::SynReceived | State::TimeWait);
    (tcb.timer == Timer::None && open && !tcb.is_active()).then_some(tcb.timer_links.next)
}

/// What to do at `idle_ms` about a connection that is idle.
pub fn idle_action(tcb: &Tcb, idle_ms: u32, limits: IdleLimits, config: &Config) -> Option<IdleAction> {
    let since_data = idle_ms.wrapping_sub(idle_since(tcb)?);
    if limits.timeout_ms > 0 && since_data >= limits.timeout_ms {
        return Some(IdleAction::End(Closed::IdleTimeout));
    }
    let (asked, quiet) = (tcb.retries(), idle_ms.wrapping_sub(tcb.deadline_ms));
    match asked {
        _ if limits.keepalive_ms == 0 => None,
        0 => (quiet >= limits.keepalive_ms).then_some(IdleAction::KeepAlive),
        _ if quiet < config.keepalive_interval_ms => None,
        asked if asked >= config.keepalive_probes.clamp(1, 15) => {
            Some(IdleAction::End(Closed::KeepaliveTimeout))
        }
        _ => Some(IdleAction::KeepAlive),
    }
}

/// A keep-alive: an empty segment below SND.UNA, which any peer that has the connection answers (SHLD-12).
pub fn keep_alive(tcb: &mut Tcb, idle_ms: u32, cx: &mut Context<'_>) -> TxSegment {
    tcb.set_retries(tcb.retries() + 1);
    tcb.deadline_ms = idle_ms;
    cx.counters.keepalives.bump();
    probe_of(tcb, cx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Seq;

    const CONFIG: fn() -> Config = || Config { keepalive_interval_ms: 10, ..Config::default() };

    fn tcb(idle_since: u32) -> Tcb {
        let mut tcb = Tcb::new(State::Established, Seq(0), Seq(0), Seq(0));
        tcb.note_arrival(idle_since, true);
        tcb
    }

    #[test]
    fn a_suspended_machine_is_not_a_silent_peer() {
        let mut clock = IdleClock::new(Time::from_millis(1));
        assert_eq!(clock.advance(Time { micros: 2_999 }), 1);
        assert_eq!(clock.advance(Time { micros: 3_000 }), 2, "fractions add up");
        assert_eq!(clock.advance(Time::from_millis(1003)), 1002);
        assert_eq!(clock.advance(Time::from_millis(86_400_000)), 6002);
        assert_eq!(clock.advance(Time::from_millis(86_400_001)), 6003);
    }

    #[test]
    fn asks_three_times_then_ends() {
        let limits = IdleLimits { keepalive_ms: 60, timeout_ms: 0 };
        for start in [0, u32::MAX - 65] {
            let mut tcb = tcb(start);
            let at = |ms: u32| start.wrapping_add(ms);
            for (asked, due) in [(0, 60), (1, 70), (2, 80), (3, 90)] {
                assert_eq!(idle_action(&tcb, at(due - 1), limits, &CONFIG()), None, "{asked}");
                let wanted =
                    if asked < 3 { IdleAction::KeepAlive } else { IdleAction::End(Closed::KeepaliveTimeout) };
                assert_eq!(idle_action(&tcb, at(due), limits, &CONFIG()), Some(wanted), "{asked}");
                tcb.set_retries(asked + 1);
                tcb.deadline_ms = at(due);
            }
            tcb.note_arrival(at(95), false);
            assert_eq!(idle_action(&tcb, at(154), limits, &CONFIG()), None, "it lives: from the beginning");
            assert_eq!(idle_action(&tcb, at(155), limits, &CONFIG()), Some(IdleAction::KeepAlive));
        }
    }

    /// Answers to keep-alives are no data.
    #[test]
    fn idle_means_without_data() {
        let limits = IdleLimits { keepalive_ms: 0, timeout_ms: 100 };
        let mut tcb = tcb(0);
        tcb.note_arrival(90, false);
        assert_eq!(idle_action(&tcb, 99, limits, &CONFIG()), None);
        assert_eq!(idle_action(&tcb, 100, limits, &CONFIG()), Some(IdleAction::End(Closed::IdleTimeout)));
        tcb.note_arrival(90, true);
        assert_eq!(idle_action(&tcb, 189, limits, &CONFIG()), None);
        tcb.timer = Timer::Retransmit;
        assert_eq!(idle_action(&tcb, 1000, limits, &CONFIG()), None, "something is under way");
        assert_eq!(idle_action(&tcb, 1000, IdleLimits::default(), &CONFIG()), None);
    }
}
