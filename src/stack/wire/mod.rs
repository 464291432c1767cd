//! Bytes: link, network and transport headers, checksums, sequence numbers, flow keys.
//!
//! Pure: no state, no time, no allocation, no panic on any input. May use `observe` (drop
//! reasons) and nothing else of this crate.

pub mod arp;
pub mod checksum;
pub mod endpoint_range;
pub mod ethernet;
pub mod fast_parse;
pub mod flow_key;
pub mod icmp;
pub mod icmp_error;
mod icmp_header;
pub mod ipv4;
pub mod ipv6;
pub mod options;
pub mod parse;
pub mod parse_config;
pub mod segment;
pub mod seq;
pub mod tcp;
pub mod unreachable;

pub use endpoint_range::EndpointRange;
pub use ethernet::{LinkHeader, Mac};
pub(crate) use fast_parse::FastParse;
pub use fast_parse::parse_fast;
pub use flow_key::{FlowKey, FlowKey4, FlowKey6, HashSecret, PacketKey, source_prefix};
pub use icmp_error::{ErrorMessage, IcmpError};
pub use options::{TcpOptions, Timestamps};
pub use parse::{Packet, parse};
pub use parse_config::ParseConfig;
pub use segment::{Flags, Segment, SegmentInfo, TxSegment};
pub use seq::Seq;
pub use tcp::write_segment;

#[cfg(test)]
mod tests;
