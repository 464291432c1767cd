//! One core's timers: lists of slots threaded through the connections themselves, so that arming,
//! moving and cancelling are O(1) and cost no memory.
//!
//! A fixed time-out is a queue: what starts later ends later, so only its head is looked at. A
//! variable one (retransmission, persist) goes into a wheel.

use crate::table::{Shard, Slot};
use crate::tcp::{NO_LINK, State, Tcb, Time, Timer, TimerLinks};
use crate::wire::FlowKey;

/// SYN and SYN-ACK time-outs by number of retransmissions, milliseconds.
const SYN_ACK_MS: [u32; 7] = [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000];
/// The queue of SYN-ACKs that were sent once.
const SYN_ACK: usize = 0;
const DELAY: usize = SYN_ACK_MS.len();
const TIME_WAIT: usize = DELAY + 1;
const FIN_WAIT_2: usize = DELAY + 2;
/// Queues come first in `lists`, the wheel's spokes after them.
const QUEUES: usize = DELAY + 3;

/// One revolution of the wheel is `SPOKES * TICK_MS` = 4 s; longer time-outs go round.
const SPOKES: usize = 512;
const TICK_MS: u32 = 8;

/// Ticks count modulo this: the millisecond clock wraps after 49.7 days.
const TICKS: u32 = (u32::MAX / TICK_MS) + 1;

/// Marks a link that leads to a list's end, not to a slot. Slots stay below.
const LIST_MARK: u32 = 1 << 31;

#[derive(Clone, Copy)]
struct TimerList {
    head: u32,
    tail: u32,
}

pub(super) struct Timers {
    lists: Box<[TimerList; QUEUES + SPOKES]>,
    /// The wheel's spoke that has been emptied last, modulo [`TICKS`].
    tick: u32,
    /// The idle clock as of this poll: a connection's last timer ends with what it waited for.
    pub(super) idle_ms: u32,
}

impl Timers {
    pub(super) fn new(now: Time) -> Timers {
        let empty = TimerList { head: NO_LINK, tail: NO_LINK };
        Timers { lists: Box::new([empty; QUEUES + SPOKES]), tick: now.millis() / TICK_MS, idle_ms: 0 }
    }

    /// Arms the connection's timer, in place of any it has.
    #[inline(never)]
    pub(super) fn start<K: FlowKey>(
        &mut self,
        shard: &mut Shard<K, Tcb>,
        slot: Slot,
        timer: Timer,
        after_ms: u32,
        now: Time,
    ) {
        self.stop(shard, slot);
        self.start_idle(shard, slot, timer, after_ms, now);
    }

    /// As [`Timers::start`], for a connection that has no timer.
    #[inline(always)]
    pub(super) fn start_idle<K: FlowKey>(
        &mut self,
        shard: &mut Shard<K, Tcb>,
        slot: Slot,
        timer: Timer,
        after_ms: u32,
        now: Time,
    ) {
        let deadline = now.millis().wrapping_add(after_ms);
        let list = list_of(timer, after_ms).unwrap_or(QUEUES + spoke(deadline));
        let tail = self.lists[list].tail;
        let prev = if tail == NO_LINK { mark(list) } else { tail };
        let Some(tcb) = shard.value_mut(slot) else { return };
        tcb.timer = timer;
        tcb.deadline_ms = deadline;
        tcb.timer_links = TimerLinks { prev, next: mark(list) };
        self.point_next(shard, prev, slot.0);
        self.lists[list].tail = slot.0;
    }

    /// The links of a connection that joins the queue of first SYN-ACKs. The caller writes them into the
    /// connection's line, then calls [`Timers::joined`].
    #[inline(always)]
    pub(super) fn links_of_syn_ack(&self) -> TimerLinks {
        let tail = self.lists[SYN_ACK].tail;
        TimerLinks { prev: if tail == NO_LINK { mark(SYN_ACK) } else { tail }, next: mark(SYN_ACK) }
    }

    /// Completes [`Timers::links_of_syn_ack`].
    #[inline(always)]
    pub(super) fn joined<K: FlowKey>(&mut self, shard: &mut Shard<K, Tcb>, links: TimerLinks, slot: Slot) {
        self.lists[SYN_ACK].tail = slot.0;
        self.point_next(shard, links.prev, slot.0);
    }

    /// Cancels the connection's timer, if it has one.
    #[inline]
    pub(super) fn stop<K: FlowKey>(&mut self, shard: &mut Shard<K, Tcb>, slot: Slot) {
        let Some(tcb) = shard.value_mut(slot) else { return };
        let links = self.clear(tcb);
        self.unlink(shard, links);
    }

    /// First half of [`Timers::stop`]: the connection has no timer any more. [`Timers::unlink`] takes what it
    /// returns.
    #[inline(always)]
    pub(super) fn clear(&self, tcb: &mut Tcb) -> TimerLinks {
        let links = tcb.timer_links;
        tcb.timer = Timer::None;
        if links.prev != NO_LINK {
            tcb.timer_links = TimerLinks { prev: NO_LINK, next: self.idle_ms };
            tcb.deadline_ms = self.idle_ms;
        }
        links
    }

    /// Second half: joins the neighbours that a connection had in its list.
    #[inline(always)]
    pub(super) fn unlink<K: FlowKey>(&mut self, shard: &mut Shard<K, Tcb>, links: TimerLinks) {
        if links.prev != NO_LINK {
            self.point_next(shard, links.prev, links.next);
            self.point_prev(shard, links.next, links.prev);
        }
    }

    /// Takes the next connection whose timer has expired, and which timer it was. `queue`, 0 at first, is
    /// the queue to go on with: those before it had nothing due at `now`.
    #[inline(always)]
    pub(super) fn expired<K: FlowKey>(
        &mut self,
        shard: &mut Shard<K, Tcb>,
        now: Time,
        queue: &mut usize,
    ) -> Option<(Slot, Timer)> {
        let mut due = None;
        while *queue < QUEUES {
            due = self.due_head(shard, *queue, now);
            if due.is_some() {
                break;
            }
            *queue += 1;
        }
        let due = due.or_else(|| self.turn_wheel(shard, now))?;
        let timer = shard.value(due)?.timer;
        self.stop(shard, due);
        Some((due, timer))
    }

    /// The connection that has been longest in FIN-WAIT-2 without data.
    pub(super) fn oldest_fin_wait_2(&self) -> Option<Slot> {
        let head = self.lists[FIN_WAIT_2].head;
        (head != NO_LINK).then_some(Slot(head))
    }

    /// The connection that has been longest in TIME-WAIT.
    pub(super) fn oldest_time_wait(&self) -> Option<Slot> {
        let head = self.lists[TIME_WAIT].head;
        (head != NO_LINK).then_some(Slot(head))
    }

    /// Connections that wait for the answer to their SYN-ACK: those with fewer retransmissions first, of
    /// these the newest.
    pub(super) fn newest_syn_acks<'a, K: FlowKey>(
        &'a self,
        shard: &'a Shard<K, Tcb>,
    ) -> impl Iterator<Item = &'a Tcb> {
        let waiting = self.lists[SYN_ACK..=DELAY].iter().flat_map(|list| {
            std::iter::successors(shard.value(Slot(list.tail)), |tcb| {
                // The first one has the mark of the list's end there, and no slot has that number.
                shard.value(Slot(tcb.timer_links.prev))
            })
        });
        waiting.filter(|tcb| tcb.state == State::SynReceived)
    }

    /// Milliseconds until something may expire, at most `most`: a time to wake up.
    pub(super) fn next_ms<K: FlowKey>(&self, shard: &Shard<K, Tcb>, now: Time, most: u32) -> u32 {
        let until = |deadline: u32| {
            let ahead = deadline.wrapping_sub(now.millis());
            if ahead > u32::MAX / 2 { 0 } else { ahead }
        };
        let queues = self.lists[..QUEUES]
            .iter()
            .filter_map(|list| shard.value(Slot(list.head)))
            .map(|tcb| until(tcb.deadline_ms));
        // One more than `most` has ticks: now is somewhere within one.
        let wheel = (1..=(most / TICK_MS + 1).min(SPOKES as u32))
            .find(|ahead| self.lists[QUEUES + self.spoke_after(*ahead)].head != NO_LINK)
            .map(|ahead| until((self.tick.wrapping_add(ahead)).wrapping_mul(TICK_MS)));
        queues.chain(wheel).fold(most, u32::min)
    }

    fn due_head<K: FlowKey>(&self, shard: &Shard<K, Tcb>, list: usize, now: Time) -> Option<Slot> {
        let head = self.lists[list].head;
        if head == NO_LINK {
            return None;
        }
        is_due(shard.value(Slot(head))?, now).then_some(Slot(head))
    }

    /// Visits the spokes up to now. What stands on a spoke and is not due goes round once more.
    fn turn_wheel<K: FlowKey>(&mut self, shard: &Shard<K, Tcb>, now: Time) -> Option<Slot> {
        let target = now.millis() / TICK_MS;
        // After a long sleep one round visits every spoke.
        let behind = target.wrapping_sub(self.tick) % TICKS;
        if behind > TICKS / 2 {
            return None;
        }
        if behind > SPOKES as u32 {
            self.tick = target.wrapping_sub(SPOKES as u32) % TICKS;
        }
        while self.tick != target {
            let list = QUEUES + self.spoke_after(1);
            if let Some(slot) = self.due_on_spoke(shard, list, now) {
                return Some(slot);
            }
            self.tick = (self.tick + 1) % TICKS;
        }
        None
    }

    fn due_on_spoke<K: FlowKey>(&self, shard: &Shard<K, Tcb>, list: usize, now: Time) -> Option<Slot> {
        let mut at = self.lists[list].head;
        while at & LIST_MARK == 0 {
            let tcb = shard.value(Slot(at))?;
            if is_due(tcb, now) {
                return Some(Slot(at));
            }
            at = tcb.timer_links.next;
        }
        None
    }

    fn spoke_after(&self, ticks: u32) -> usize {
        self.tick.wrapping_add(ticks) as usize % SPOKES
    }

    #[inline]
    fn point_next<K: FlowKey>(&mut self, shard: &mut Shard<K, Tcb>, at: u32, next: u32) {
        match list_at(at) {
            Some(list) => self.lists[list].head = end_or(next),
            None => {
                if let Some(tcb) = shard.value_mut(Slot(at)) {
                    tcb.timer_links.next = next;
                }
            }
        }
    }

    #[inline]
    fn point_prev<K: FlowKey>(&mut self, shard: &mut Shard<K, Tcb>, at: u32, prev: u32) {
        match list_at(at) {
            Some(list) => self.lists[list].tail = end_or(prev),
            None => {
                if let Some(tcb) = shard.value_mut(Slot(at)) {
                    tcb.timer_links.prev = prev;
                }
            }
        }
    }
}

/// The queue of a fixed time-out; `None`: the wheel.
#[inline]
fn list_of(timer: Timer, after_ms: u32) -> Option<usize> {
    match timer {
        Timer::Syn | Timer::SynAck => SYN_ACK_MS.iter().position(|ms| *ms == after_ms),
        Timer::SynAckDelay => Some(DELAY),
        Timer::TimeWait => Some(TIME_WAIT),
        Timer::FinWait2 => Some(FIN_WAIT_2),
        Timer::None | Timer::Retransmit | Timer::Persist | Timer::Frame => None,
    }
}

/// The first spoke that is visited at or after the deadline.
#[inline]
fn spoke(deadline_ms: u32) -> usize {
    deadline_ms.div_ceil(TICK_MS) as usize % SPOKES
}

#[inline]
fn mark(list: usize) -> u32 {
    LIST_MARK | list as u32
}

#[inline]
fn list_at(link: u32) -> Option<usize> {
    (link & LIST_MARK != 0).then_some((link & !LIST_MARK) as usize)
}

/// A list's end holds a slot, or none.
#[inline]
fn end_or(link: u32) -> u32 {
    if link & LIST_MARK != 0 { NO_LINK } else { link }
}

#[inline]
fn is_due(tcb: &Tcb, now: Time) -> bool {
    now.millis().wrapping_sub(tcb.deadline_ms) <= u32::MAX / 2
}

#[cfg(test)]
mod tests;
