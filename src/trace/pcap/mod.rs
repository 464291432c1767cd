//! Captures of others, from a file: pcap and pcapng, of any size, a packet at a time.
//!
//! - `file`: packets out of the file, with their place in it; `block`: pcapng's blocks.
//! - `packet`: a segment out of a packet, whatever the link; `flows`: which connections there are, and
//!   the record of one; `losses`: what of it must have been lost.

mod block;
mod file;
mod flows;
mod losses;
mod packet;

pub use file::{Packet, Packets, PcapError};
pub use flows::{Flow, Flows, MOST_FLOWS, Recorded, Selection, record};
pub use packet::{Tcp, tcp};
