//! The engine in virtual time: every test plays the clients of one or two cores by hand.

mod caller;
mod client;
mod frames;
mod trace;

mod active;
mod active_errors;
mod active_limits;
mod active_pairs;
mod active_property;
mod bounds;
mod cookies;
mod cores;
mod data;
mod describe;
mod faults;
mod flood;
mod handshake;
mod idle;
mod idle_evicted;
mod limits;
mod other_rules;
mod other_rules_property;
mod pressure;
mod pressure_peers;
mod property;
mod recovery;
mod silent_peers;
mod teardown;
mod timers;
