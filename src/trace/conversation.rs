use std::net::SocketAddr;
use std::time::Duration;

use super::{Direction, Frame, Mirror, Segment as Seen, State};
use handfast_stack::wire::flow_key::FlowKey;
use handfast_stack::wire::{Flags, Packet, ParseConfig, Segment, SegmentInfo, parse};

/// The segments of one connection, in the order of the wire.
#[derive(Clone, Debug)]
pub struct Conversation {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub lines: Vec<Line>,
}

/// One segment, and what it left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Since the connection's first segment.
    pub at: Duration,
    pub direction: Direction,
    pub flags: Flags,
    /// Counted from the sender's first sequence number.
    pub seq: u32,
    /// Counted from the receiver's first sequence number. `None` without ACK.
    pub ack: Option<u32>,
    /// Octets of payload.
    pub payload_len: u32,
    /// After this segment.
    pub client: State,
    /// After this segment.
    pub server: State,
}

impl Conversation {
    /// Picks the connection between these two out of what was captured. Frames that do not
    /// parse, and those of other connections, are passed over.
    pub fn pick(frames: &[Frame], client: SocketAddr, server: SocketAddr) -> Conversation {
        let policy = ParseConfig { accept_partial_checksum: true, ..ParseConfig::default() };
        let mut mirror = Mirror::default();
        let mut first = None;
        let mut lines = Vec::new();
        for frame in frames {
            let Some((source, destination, segment)) = segment_of(&frame.bytes, &policy) else { continue };
            let direction = match (source, destination) {
                ends if ends == (client, server) => Direction::ToServer,
                ends if ends == (server, client) => Direction::ToClient,
                _ => continue,
            };
            let segment = Seen::from(segment);
            mirror.observe(direction, &segment);
            let at = frame.at.saturating_sub(*first.get_or_insert(frame.at));
            lines.push(Line::new(at, direction, &segment, &mirror));
        }
        Conversation { client, server, lines }
    }
}

impl Line {
    fn new(at: Duration, direction: Direction, segment: &Seen, mirror: &Mirror) -> Line {
        let (seq, ack) = mirror.relative(direction, segment);
        Line {
            at,
            direction,
            flags: segment.flags,
            seq,
            ack,
            payload_len: segment.payload_len,
            client: mirror.client(),
            server: mirror.server(),
        }
    }
}

/// Source, destination, and the checked segment.
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
