//! Packet scripts: conversations with a TCP, written as text and played against a device.
//!
//! The runner shares no code with handfast: it builds and checks every byte by itself, so that it can
//! judge it. `language` and `pattern` read a script, `frame` builds what it sends, `inspect` checks what
//! comes back, `runner` and `dialogue` play, `backend*` carry the frames, `replay` plays a recording with faults in it
//! (which shows that a script can fail), `netns` and `kernel_device` set up what is tested.
//! `docs/conformance.md` describes the language.
#![allow(dead_code)] // every test crate that includes this module uses a part of it

pub mod backend;
pub mod backend_memory;
pub mod backend_veth;
pub mod compare;
pub mod conversation;
pub mod dialogue;
pub mod frame;
pub mod inspect;
pub mod kernel_device;
pub mod language;
pub mod names;
pub mod neighbours;
pub mod netns;
pub mod number;
pub mod pattern;
pub mod replay;
pub mod runner;
pub mod suite;
