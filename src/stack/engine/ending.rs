//! The end of a core: each peer that has a connection here is sent a RST or a FIN, at a bounded rate and
//! for a bounded time, so that it does not wait for a time-out of its own. A connection that is half-open
//! or in TIME-WAIT needs nothing.

use super::Worker;
use super::batch::ConnRef;
use super::core::Core;
use super::far::Ports;
use super::flows::Flows;
use super::port::Port;
use super::tx::alloc_tx;
use crate::observe::{Closed, DropReason};
use crate::table::Slot;
use crate::tcp::{self, TcbFlags, Time};
use crate::wire::PacketKey;

/// Slots that one step looks at, and connections that it ends, at most.
const LOOKS: u32 = 8192;
const ENDS: u32 = 256;
/// How long a core answers the challenges that its RSTs may draw where data was in flight (RFC 5961 3.2),
/// microseconds.
const LINGER_US: u64 = 100_000;

/// What the peers of open connections are sent when the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopNotice {
    /// No segment: the connection stays open at the peer.
    Nothing,
    /// A RST: the peer's next call fails at once.
    Reset,
    /// A FIN behind what is queued; then the close goes its way, and data that still comes is answered
    /// with a RST.
    Fin,
}

/// How a core ends.
#[derive(Clone, Copy, Debug)]
pub struct OnStop {
    /// Segment that ends each connection.
    pub notice: StopNotice,
    /// No longer than this, milliseconds.
    pub within_ms: u32,
    /// RSTs or FINs a second, for each core.
    pub per_second: u32,
}

impl Default for OnStop {
    /// A million connections of one core in four seconds.
    fn default() -> OnStop {
        OnStop { notice: StopNotice::Reset, within_ms: 5000, per_second: 250_000 }
    }
}

/// How far a core has come with its end.
pub struct Ending {
    plan: OnStop,
    began: Time,
    sent: u64,
    /// The next slot to look at, of each family.
    places: [u32; 2],
    /// What [`crate::observe::CoreCounters::established`] was when the walk through the slots began.
    established: u64,
    /// Microseconds: the peer of a RST may not have got all that was sent before, and asks.
    lingers_to: u64,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is left to do, or no time.
    Over,
    /// There is more to do now.
    More,
    /// The rate, free frames or peers are waited for.
    Waits,
}

/// Open connections without a RST or FIN: never asked for, or asked for and not sent.
#[derive(Default)]
struct Left {
    never: u64,
    asked: u64,
}

impl std::ops::Add for Left {
    type Output = Left;

    fn add(self, other: Left) -> Left {
        Left { never: self.never + other.never, asked: self.asked + other.asked }
    }
}

impl<P: Port> Worker<P> {
    /// Takes no new connections from now on.
    pub fn begin_end(&mut self, plan: OnStop, now: Time) -> Ending {
        if plan.notice != StopNotice::Nothing {
            self.core.stop();
        }
        let established = self.core.counters.established.value();
        Ending { plan, began: now, sent: 0, places: [0; 2], established, lingers_to: 0 }
    }

    /// Ends some connections; a [`Worker::poll`] has to follow, which sends what they are sent.
    pub fn end_some(&mut self, ending: &mut Ending, now: Time) -> Progress {
        self.core.tcp.set_now(now);
        let elapsed = now.micros.saturating_sub(ending.began.micros);
        let late = elapsed >= u64::from(ending.plan.within_ms) * 1000;
        if late || ending.plan.notice == StopNotice::Nothing {
            return Progress::Over;
        }
        if self.open() > 0 {
            let allowed = u64::from(ending.plan.per_second) * elapsed / 1_000_000 + 1;
            let most = allowed.saturating_sub(ending.sent).min(u64::from(ENDS)) as u32;
            if let Some(progress) = self.walk(ending, most) {
                return progress;
            }
        }
        let lingers = now.micros < ending.lingers_to;
        let waits = self.open() > 0 && ending.plan.notice == StopNotice::Fin;
        if lingers || waits { Progress::Waits } else { Progress::Over }
    }

    /// Through the slots, for `most` connections at most. `None`: to their end.
    fn walk(&mut self, ending: &mut Ending, most: u32) -> Option<Progress> {
        let (core, ports, v4, v6) = self.parts();
        let before = ending.places;
        let mut sent = v4.end_from(core, ports, ending, 0, most);
        if ending.places[0] >= v4.shard.used() {
            sent += v6.end_from(core, ports, ending, 1, most - sent);
        }
        ending.sent += u64::from(sent);
        core.counters.stop_notices.add(u64::from(sent));
        if ending.places[0] < v4.shard.used() || ending.places[1] < v6.shard.used() {
            return Some(if ending.places == before { Progress::Waits } else { Progress::More });
        }
        let established = core.counters.established.value();
        if established == ending.established {
            return None;
        }
        // Handshakes that were under way.
        (ending.places, ending.established) = ([0; 2], established);
        Some(Progress::More)
    }

    /// Counts the connections whose peers were sent nothing, at the end of it all.
    pub fn count_left_open(&mut self, ending: &Ending) {
        let counters = &self.core.counters;
        if ending.plan.notice != StopNotice::Nothing && self.open() > 0 {
            let left = self.v4.left_open() + self.v6.left_open();
            counters.left_open.add(left.never + left.asked);
            // Their FIN was still behind data.
            counters.stop_notices.set(counters.stop_notices.value().saturating_sub(left.asked));
        }
        // A poll without work leaves them as they were.
        self.set_gauges();
    }

    /// Connections that are neither half-open nor in TIME-WAIT.
    fn open(&self) -> usize {
        let Worker { v4, v6, .. } = self;
        let others = v4.syn_load.half_open + v4.time_wait + v6.syn_load.half_open + v6.time_wait;
        (v4.shard.len() + v6.shard.len()).saturating_sub(others as usize)
    }
}

impl<K: PacketKey> Flows<K> {
    /// From the slot that `ending` has come to, for `most` connections at most; how many it were.
    fn end_from<P: Port>(
        &mut self,
        core: &mut Core,
        ports: &mut Ports<P>,
        ending: &mut Ending,
        family: usize,
        most: u32,
    ) -> u32 {
        let mut sent = 0;
        let look_to = ending.places[family].saturating_add(LOOKS).min(self.shard.used());
        while ending.places[family] < look_to && sent < most {
            let slot = Slot(self.shard.first().0 + ending.places[family]);
            if let Some(tcb) = self.shard.value(slot).filter(|tcb| tcb.is_open()) {
                let in_flight = tcb.snd_una != tcb.snd_nxt;
                let said = match ending.plan.notice {
                    StopNotice::Nothing => Ok(false),
                    StopNotice::Reset => self.reset(core, ports, slot),
                    StopNotice::Fin => Ok(self.close(core, slot)),
                };
                if in_flight && ending.plan.notice == StopNotice::Reset {
                    ending.lingers_to = core.tcp.now.micros + LINGER_US;
                }
                match said {
                    Ok(said) => sent += u32::from(said),
                    // There will be one when those before have been sent.
                    Err(DropReason::NoFrame) => return sent,
                    Err(reason) => core.counters.dropped(reason),
                }
            }
            ending.places[family] += 1;
        }
        sent
    }

    /// The RST, in a frame of its own.
    fn reset<P: Port>(
        &mut self,
        core: &mut Core,
        ports: &mut Ports<P>,
        slot: Slot,
    ) -> Result<bool, DropReason> {
        let (Some(key), Some(tcb)) = (self.shard.key(slot), self.shard.value(slot)) else {
            return Ok(false);
        };
        let frame = alloc_tx(&core.link_cache, ports, tcb.next_hop, self.number(slot))?;
        let conn = ConnRef { slot, key, prf: core.shared.secrets.tuple.prf(&key) };
        match self.event(core, &conn, |tcb, cx, _| tcp::abort(tcb, Closed::Stopped, cx)) {
            Some(reset) => frame.send(&core.counters, &key, &reset, &[]),
            None => frame.release(),
        }
        Ok(true)
    }

    /// CLOSE (RFC 9293 3.10.4). False: it was closed before.
    fn close(&mut self, core: &mut Core, slot: Slot) -> bool {
        if self.shard.value(slot).is_none_or(|tcb| tcb.has(TcbFlags::FIN_SENT)) {
            return false;
        }
        self.act(core, slot, &mut |connection| connection.close());
        true
    }

    /// Open connections whose peer has got neither RST nor FIN.
    fn left_open(&self) -> Left {
        let slot = |place| Slot(self.shard.first().0 + place);
        let open = (0..self.shard.used()).filter_map(|place| self.shard.value(slot(place)));
        let silent = open.filter(|tcb| tcb.is_open() && !tcb.has(TcbFlags::FIN_SENT));
        silent.fold(Left::default(), |left, tcb| match tcb.has(TcbFlags::SEND_CLOSED) {
            true => Left { asked: left.asked + 1, ..left },
            false => Left { never: left.never + 1, ..left },
        })
    }
}
