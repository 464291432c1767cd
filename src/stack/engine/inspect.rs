//! What a core reports of its connections. Keys are read by any thread, off the
//! table; what lies behind a key is its core's alone, so the core reports it, by a command.

use std::any::Any;

use super::Worker;
use super::flows::Flows;
use super::port::Port;
use crate::table::{Shard, Slot, TableReader};
use crate::tcp::{ACTIVE_OPEN, State, Tcb, Timer};
use crate::wire::{FlowKey4, FlowKey6, PacketKey};

/// Connections in one query: the command that asks for so many takes a core some microseconds.
pub const QUERY_BATCH: usize = 256;

/// How far ahead lines are loaded.
const AHEAD: usize = 12;

/// The states that a connection can be found in, as RFC 9293 writes them.
pub const STATES: [(State, &str); 9] = [
    (State::SynSent, "SYN-SENT"),
    (State::SynReceived, "SYN-RECEIVED"),
    (State::Established, "ESTABLISHED"),
    (State::FinWait1, "FIN-WAIT-1"),
    (State::FinWait2, "FIN-WAIT-2"),
    (State::CloseWait, "CLOSE-WAIT"),
    (State::Closing, "CLOSING"),
    (State::LastAck, "LAST-ACK"),
    (State::TimeWait, "TIME-WAIT"),
];

/// As RFC 9293 writes it.
pub fn state_name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("CLOSED", |(_, name)| name)
}

/// The tables of both address families, for any thread to list keys.
pub struct Tables {
    /// Connections over IPv4.
    pub v4: TableReader<FlowKey4, Tcb>,
    /// Connections over IPv6.
    pub v6: TableReader<FlowKey6, Tcb>,
}

impl Tables {
    /// Those that these parts belong to; `None` without a core.
    pub(super) fn of(v4: &[Shard<FlowKey4, Tcb>], v6: &[Shard<FlowKey6, Tcb>]) -> Option<Tables> {
        Some(Tables { v4: TableReader::clone(v4.first()?), v6: TableReader::clone(v6.first()?) })
    }
}

/// A connection seen in a table, and what its core says of it.
#[derive(Clone, Copy, Debug)]
pub struct ConnQuery<K> {
    /// 4-tuple of the connection.
    pub key: K,
    /// Slot that held the connection when it was seen.
    pub slot: Slot,
    /// `None`: not asked yet, or it has ended since it was seen.
    pub facts: Option<ConnInfo>,
}

/// What a core knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// State of RFC 9293.
    pub state: State,
    /// The listener's number; `None`: it was opened from this side.
    pub listener: Option<u16>,
    /// Purpose of the running timer.
    pub timer: Timer,
    /// Milliseconds until `timer` expires; 0 without one.
    pub timer_ms: u32,
    /// Retransmissions so far of what `timer` guards.
    pub retries: u8,
    /// Smoothed round trip, milliseconds; 0: none was measured.
    pub srtt_ms: u16,
}

impl<P: Port> Worker<P> {
    /// Answers each query about a connection of this core, at most [`QUERY_BATCH`]. Takes
    /// no memory.
    pub fn inspect4(&self, asked: &mut [ConnQuery<FlowKey4>]) {
        self.v4.inspect(asked, self.core.tcp.now.millis());
    }

    /// Lets the opener, if there is one, fill in a report that only it understands.
    pub fn report_opener(&self, report: &mut dyn Any) {
        if let Some(opener) = &self.core.services.opener {
            opener.report_into(report);
        }
    }

    /// As [`Worker::inspect4`].
    pub fn inspect6(&self, asked: &mut [ConnQuery<FlowKey6>]) {
        self.v6.inspect(asked, self.core.tcp.now.millis());
    }
}

impl<K: PacketKey> Flows<K> {
    fn inspect(&self, asked: &mut [ConnQuery<K>], now_ms: u32) {
        for at in 0..asked.len().min(QUERY_BATCH) {
            if let Some(ahead) = asked.get(at + AHEAD) {
                self.shard.prefetch_slot(ahead.slot);
            }
            if let Some(question) = asked.get_mut(at) {
                question.facts = self.facts(question.slot, question.key, now_ms);
            }
        }
    }

    /// `None`: the slot is not this core's, or holds that connection no more. Its key stays behind
    /// when it ends, but then its state is CLOSED.
    fn facts(&self, slot: Slot, key: K, now_ms: u32) -> Option<ConnInfo> {
        let tcb = self.shard.value(slot).filter(|tcb| tcb.state != State::Closed)?;
        self.shard.is_at(slot, &key).then(|| ConnInfo::of(tcb, now_ms))
    }
}

impl ConnInfo {
    fn of(tcb: &Tcb, now_ms: u32) -> ConnInfo {
        let left = tcb.deadline_ms.wrapping_sub(now_ms);
        let expired = left > u32::MAX / 2;
        ConnInfo {
            state: tcb.state,
            listener: (tcb.listener != ACTIVE_OPEN).then_some(tcb.listener),
            timer: tcb.timer,
            timer_ms: if tcb.timer == Timer::None || expired { 0 } else { left },
            retries: tcb.retries(),
            srtt_ms: tcb.srtt_ms,
        }
    }
}
