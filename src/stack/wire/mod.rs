//! Bytes: link, network and transport headers, checksums, sequence numbers, flow keys.
//!
//! Pure: no state, no time, no allocation, no panic on any input. May use `observe` (drop
//! reasons) and nothing else of this crate.

pub mod arp;
pub mod checksum;
pub mod common;
pub mod ethernet;
pub mod flow_key;
pub mod icmp;
pub mod icmp_error;
mod icmp_header;
pub mod ipv4;
pub mod ipv6;
pub mod options;
pub mod owned;
pub mod parse;
pub mod policy;
pub mod segment;
pub mod seq;
pub mod tcp;
pub mod unreachable;

pub(crate) use common::Common;
pub use common::parse_common;
pub use ethernet::{LinkHeader, Mac};
pub use flow_key::{FlowKey, FlowKey4, FlowKey6, HashSecret, PacketKey, source_prefix};
pub use icmp_error::{ErrorMessage, IcmpError};
pub use options::{Options, Timestamps};
pub use owned::EndpointRange;
pub use parse::{Packet, parse};
pub use policy::ParseConfig;
pub use segment::{Flags, Segment, SegmentInfo, TxSegment};
pub use seq::Seq;
pub use tcp::write_segment;

#[cfg(test)]
mod tests;
