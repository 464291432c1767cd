use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::listing::Seen;
use handfast_stack::engine::{ConnInfo, state_name};
use handfast_stack::tcp::Timer;

/// A connection as it is listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// RFC 9293's name.
    pub state: String,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// What it was opened to; `None`: it was opened from this side.
    pub listener: Option<String>,
    /// The core that has it.
    pub core: usize,
    /// What it waits for, if it does so with a limit.
    pub timer: Option<TimerLeft>,
    /// Smoothed round trip, milliseconds, if one was measured: of data, not of the handshake.
    pub rtt_ms: Option<u16>,
}

/// A timer at work.
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
    pub(super) fn new(seen: &Seen, listeners: &BTreeMap<u16, String>) -> Connection {
        let Seen { local, peer, core, facts } = *seen;
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
