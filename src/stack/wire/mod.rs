//! Bytes: link, network and transport headers, checksums, sequence numbers, flow keys.
//!
//! Pure: no state, no time, no allocation, no panic on any input. May use `observe` (drop
//! reasons) and nothing else of this crate.
//!
//! Received frames: `rx_header` reads the usual ones (link and network header in `usual`), `parse` any frame,
//! with a drop reason. Sent segments: `reply_template` writes those of the fast path, `tcp` any segment; both
//! write the same bytes.

/// ARP requests and their answers (RFC 826).
pub mod arp;
/// The checksum of IPv4, TCP and ICMP (RFC 1071).
pub mod checksum;
/// Addresses and ports that the stack serves, as text.
pub mod endpoint_range;
/// Link headers, VLAN tags included.
pub mod ethernet;
pub mod flow_hash;
/// 4-tuples.
pub mod flow_key;
/// Echo and neighbour discovery (RFC 792, RFC 4443, RFC 4861).
pub mod icmp;
pub mod icmp_error;
mod icmp_header;
/// IPv4 headers (RFC 791).
pub mod ipv4;
/// IPv6 headers and their extensions (RFC 8200).
pub mod ipv6;
/// TCP options (RFC 9293 3.1, RFC 7323, RFC 2018).
pub mod options;
pub mod packet_key;
/// The parser of any frame.
pub mod parse;
/// The parser's settings.
pub mod parse_config;
pub mod reply_template;
pub mod rx_header;
/// TCP segments, without their bytes.
pub mod segment;
/// Sequence numbers and their order (RFC 9293 3.4).
pub mod seq;
pub(crate) mod siphash;
/// TCP headers (RFC 9293 3.1).
pub mod tcp;
pub mod tuple_prf;
pub mod unreachable;
pub mod usual;

pub use endpoint_range::EndpointRange;
pub use ethernet::{LinkHeader, Mac};
pub use flow_key::{FlowKey, FlowKey4, FlowKey6, source_prefix};
pub use icmp_error::{ErrorMessage, IcmpError};
pub use options::{TcpOptions, Timestamps};
pub use packet_key::PacketKey;
pub use parse::{Packet, parse};
pub use parse_config::ParseConfig;
pub use reply_template::{ReplyNetwork, ReplyNumbers, ReplyTemplate};
pub use rx_header::{OptionSet, RxHeader};
pub use segment::{Flags, Segment, SegmentInfo, TxSegment};
pub use seq::Seq;
pub use tcp::write_segment;
pub use tuple_prf::{TupleBlocks, TuplePrf, TupleSecret};
pub use usual::{FrameFilter, UsualPacket};

#[cfg(test)]
mod tests;
