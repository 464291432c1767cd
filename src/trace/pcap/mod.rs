//! Captures of others, from a file: pcap and pcapng, of any size, a packet at a time.
//!
//! - `source`: a file, standard input or a FIFO, compressed or not; `file`: packets out of it, with their
//!   place; `block`: pcapng's blocks.
//! - `packet`: a segment out of a packet, whatever the link and the tunnels: `link` is below IP, `ip`, and
//!   `tunnel` above it; `rest`: what is left of a packet; `other`: what a packet is that has no segment.
//! - `flows`: which connections there are; `recording`: the segments of one, what was captured twice left
//!   out; `losses`: what of it must have been lost.

mod block;
mod file;
mod flows;
mod ip;
mod link;
mod losses;
mod other;
mod packet;
mod recording;
mod rest;
mod source;
mod tunnel;

pub use file::{Packet, Packets, PcapError};
pub use flows::{Flow, Flows, MAX_FLOWS, Selection};
pub use other::{Other, Others};
pub use packet::{Tcp, tcp};
pub use recording::Recorded;
pub use source::open;
