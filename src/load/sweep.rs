//! Finding what takes too long, and ending what is left.

use super::entry::Phase;
use super::failure::Failure;
use super::session::{Session, short};
use super::turn::{Course, Wire};
use super::workload::{Act, Workload};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::Time;

/// RSTs sent in one turn at most.
const ABORTS: usize = 128;
/// Entries looked at in one turn at most, 16 octets each.
pub(super) const LOOKS: u32 = 4096;

/// A walk over all connections, round after round, that finds those that take too long. A time
/// limit holds to an eighth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sweep {
    cursor: u32,
    /// The walk has come as far as it should by then, microseconds since the step's start.
    walked_us: u64,
    /// For all connections, microseconds.
    round_us: u64,
}

impl Sweep {
    pub(super) fn new(timeout_us: u64) -> Sweep {
        Sweep { cursor: 0, walked_us: 0, round_us: (timeout_us / 8).clamp(1_000, 1_000_000) }
    }

    /// When to go on.
    pub(super) fn next_us(&self) -> u64 {
        self.walked_us.saturating_add(self.round_us / 8)
    }
}

impl Session {
    /// Walks on, as far as time has.
    pub(super) fn sweep(&mut self, wire: &mut impl Wire, now: Time, elapsed: u64) {
        let span = self.entries.span();
        let sweep = &mut self.turn.sweep;
        if elapsed < sweep.next_us() {
            return;
        }
        let share = u64::from(span.end - span.start) * (elapsed - sweep.walked_us) / sweep.round_us + 1;
        sweep.walked_us = elapsed;
        for _ in 0..share.min(u64::from(LOOKS)).min(u64::from(span.end - span.start)) {
            let number = self.turn.sweep.cursor.max(span.start);
            self.turn.sweep.cursor = if number + 1 < span.end { number + 1 } else { span.start };
            self.look(wire, now, number);
        }
    }

    fn look(&mut self, wire: &mut impl Wire, now: Time, number: u32) {
        let hold = *self.workload() == Workload::Hold;
        let timeout_us = self.turn.timeout_us;
        let Some(entry) = self.entries.get_mut(number) else { return };
        if u64::from(entry.age(short(now))) <= timeout_us {
            return;
        }
        let why = match entry.phase {
            Phase::Opening if entry.is_told_unreachable() => Failure::Unreachable,
            Phase::Opening => Failure::ConnectTimeout,
            Phase::Open | Phase::Done if !hold => Failure::Timeout,
            _ => return,
        };
        self.end(wire, now, number, Some(why));
    }

    /// FourTuple a connection by a RST, for this reason.
    fn end(&mut self, wire: &mut impl Wire, now: Time, number: u32, why: Option<Failure>) {
        self.doom(number, why);
        self.act(wire, now, number, Act::ABORT);
    }

    pub(super) fn act(&mut self, wire: &mut impl Wire, now: Time, number: u32, act: Act) {
        if !wire.act(number, act) {
            // The engine knows of no such connection: nobody will tell its end.
            self.closed(number, now, Closed::Aborted);
        }
    }

    /// FourTuple what is left, from `cursor` on, `most` at most.
    pub(super) fn closing(
        &mut self,
        wire: &mut impl Wire,
        now: Time,
        (cursor, most): (u32, u64),
        lost: bool,
    ) {
        let end = self.entries.span().end;
        let hold = *self.workload() == Workload::Hold;
        let (mut number, mut aborts) = (cursor, 0);
        let look_to = cursor.saturating_add(LOOKS).min(end);
        let most = (ABORTS as u64).min(most);
        while number < look_to && aborts < most {
            let phase = self.entries.get_mut(number).map(|entry| entry.phase);
            match phase {
                None | Some(Phase::Free | Phase::Doomed) => {}
                Some(phase) => {
                    aborts += 1;
                    match phase {
                        Phase::Done if hold => self.act(wire, now, number, Act::ABORT),
                        Phase::Probed if lost => self.end(wire, now, number, Some(Failure::ProbeLost)),
                        _ => self.end(wire, now, number, None),
                    }
                }
            }
            number += 1;
        }
        self.turn.aborted += aborts;
        if let Course::Closing { cursor, .. } = &mut self.turn.course {
            *cursor = number;
        }
    }
}
