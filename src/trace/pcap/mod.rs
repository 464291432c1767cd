//! Capture files of any size: pcap and pcapng, read packet by packet.
//!
//! - `source`: a file, standard input or a FIFO, compressed or not; `input`: bounded reads; `file`: its packets;
//!   `block`: the blocks of pcapng.
//! - `packet`: the TCP segment of a packet, through `link` (below IP), `ip` and `tunnel` (above it), which name the
//!   next `layer`; `rest`: the unparsed bytes; `other`: packets without a segment.
//! - `flows`: the connections; `recording`: the segments of one, without duplicates; `losses`: those that were lost.

mod block;
mod file;
mod flows;
mod input;
mod ip;
mod layer;
mod link;
mod losses;
mod other;
mod packet;
mod recording;
mod rest;
mod source;
mod tunnel;

pub use file::Packets;
pub use flows::{Flow, Flows, MAX_FLOWS, Selection};
pub use input::{Packet, PcapError};
pub use other::{Other, Others};
pub use packet::{Tcp, tcp};
pub use recording::Recorded;
pub use source::open;
