use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::listing::ListingEntry;
use handfast_stack::engine::{ConnInfo, state_name};
use handfast_stack::tcp::Timer;

/// A connection as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// RFC 9293's name.
    pub state: String,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The listener that accepted it; `None`: it was opened from this side.
    pub listener: Option<String>,
    /// The core that owns it.
    pub core: usize,
    /// The running timer, if any.
    pub timer: Option<TimerLeft>,
    /// Smoothed round-trip time in milliseconds, if one was measured (on data, not on the handshake).
    pub rtt_ms: Option<u16>,
}

/// A running timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerLeft {
    /// `syn`, `syn_ack`, `syn_ack_delay`, `retransmit`, `persist`, `fin_wait_2`, `time_wait` or `frame`.
    pub name: String,
    /// Milliseconds until it expires.
    pub left_ms: u32,
    /// Retransmissions so far.
    pub retries: u8,
}

impl Connection {
    pub(super) fn new(entry: &ListingEntry, listeners: &BTreeMap<u16, String>) -> Connection {
        let ListingEntry { local, peer, core, facts } = *entry;
        let listener = facts.listener.map(|number| {
            let text = listeners.get(&number);
            text.map_or_else(|| format!("listener {number}"), String::clone)
        });
        Connection {
            state: state_name(facts.state).to_owned(),
            local,
            peer,
            listener,
            core,
            timer: timer(&facts),
            rtt_ms: (facts.srtt_ms > 0).then_some(facts.srtt_ms),
        }
    }
}

fn timer(facts: &ConnInfo) -> Option<TimerLeft> {
    let name = match facts.timer {
        Timer::None => return None,
        Timer::Syn => "syn",
        Timer::SynAck => "syn_ack",
        Timer::SynAckDelay => "syn_ack_delay",
        Timer::Retransmit => "retransmit",
        Timer::Persist => "persist",
        Timer::FinWait2 => "fin_wait_2",
        Timer::TimeWait => "time_wait",
        Timer::Frame => "frame",
    };
    Some(TimerLeft { name: name.to_owned(), left_ms: facts.timer_ms, retries: facts.retries })
}
