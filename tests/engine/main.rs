//! The engine in virtual time: every test plays the clients of one or two cores by hand.

mod caller;
mod client;
mod datagrams;
mod frames;
mod trace;

/// The packet language, which the conformance scripts share.
#[path = "../script"]
#[allow(dead_code, reason = "the engine's tests read a part of the language")]
mod script {
    pub mod number;
    pub mod pattern;
}

mod active;
mod active_errors;
mod active_limits;
mod active_pairs;
mod active_property;
mod batches;
mod bounds;
mod cookies;
mod cores;
mod data;
mod describe;
mod drops;
mod ending;
mod fair;
mod fast_path;
mod faults;
mod first_window;
mod flood;
mod full;
mod handshake;
mod identity;
mod idle;
mod idle_evicted;
mod known_flows;
mod limits;
mod links;
mod neighbours;
mod other_rules;
mod other_rules_property;
mod pressure;
mod pressure_peers;
mod property;
mod recovery;
mod silent_peers;
mod teardown;
mod timers;
mod timestamps;
mod unreachable;
