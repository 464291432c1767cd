//! One connection picked out of captured frames.

use std::net::SocketAddr;

use super::{Direction, Frame, Record};
use handfast_stack::wire::flow_key::FlowKey;
use handfast_stack::wire::{Packet, ParseConfig, Segment, SegmentInfo, parse};

impl Record {
    /// The connection between these two, as its frames passed one point of the wire. Frames that do not
    /// parse, and those of other connections, are skipped.
    pub fn between(frames: &[Frame], client: SocketAddr, server: SocketAddr) -> Record {
        let policy = ParseConfig { accept_partial_checksum: true, ..ParseConfig::default() };
        let mut record = Record::default();
        for frame in frames {
            let Some((source, destination, segment)) = segment_of(&frame.bytes, &policy) else { continue };
            let direction = match (source, destination) {
                ends if ends == (client, server) => Direction::ToServer,
                ends if ends == (server, client) => Direction::ToClient,
                _ => continue,
            };
            record.push_delivered(frame.at, direction, segment.into());
        }
        record
    }
}

/// Returns source, destination and the validated segment of a frame.
pub fn segment_of(frame: &[u8], policy: &ParseConfig) -> Option<(SocketAddr, SocketAddr, SegmentInfo)> {
    match parse(frame, policy).ok()? {
        Packet::Tcp4(segment) => Some(ends(&segment)),
        Packet::Tcp6(segment) => Some(ends(&segment)),
        _ => None,
    }
}

fn ends<K: FlowKey>(segment: &Segment<K>) -> (SocketAddr, SocketAddr, SegmentInfo) {
    (segment.key.remote(), segment.key.local(), segment.info)
}
