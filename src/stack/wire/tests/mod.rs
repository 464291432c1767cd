//! The layer as a whole, frames in and packets out: `property` for any input, `refused` for what
//! is dropped and why, `answers` for replies in place, `errors` for ICMP errors, `oracle` against etherparse.

mod answers;
mod errors;
mod oracle;
mod property;
mod refused;

use proptest::prelude::*;

use super::{
    Flags, FlowKey4, FlowKey6, FrameFilter, LinkHeader, Mac, Packet, PacketKey, ParseConfig, RxHeader,
    Segment, SegmentInfo, Seq, TcpOptions, Timestamps, TxSegment, ethernet::UntaggedWords, write_segment,
};

const OURS: Mac = [2, 0, 0, 0, 0, 1];
const THEIRS: Mac = [2, 0, 0, 0, 0, 9];
const LOCAL4: [u8; 4] = [192, 0, 2, 1];
const REMOTE4: [u8; 4] = [192, 0, 2, 9];
const LOCAL6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const REMOTE6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// TPID and tag of zero, one and two VLANs.
const TAGS: [&[[u8; 4]]; 4] =
    [&[], &[[0x81, 0, 0, 7]], &[[0x88, 0xa8, 0x20, 9], [0x81, 0, 0, 7]], &[[0x91, 0, 0, 9], [0x81, 0, 0, 7]]];

fn config() -> ParseConfig {
    let subnets = vec!["192.0.2.0/24".parse().unwrap()];
    ParseConfig { mac: Some(OURS), subnets, accept_partial_checksum: false }
}

/// A segment of either family.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Read {
    V4(Segment<FlowKey4>),
    V6(Segment<FlowKey6>),
}

/// The segment of a usual frame, without its way through the full parser.
fn usual(frame: &[u8], config: &ParseConfig) -> Option<Read> {
    let filter = FrameFilter::new(config);
    let (mut v4, mut v6) = (RxHeader::<FlowKey4>::default(), RxHeader::<FlowKey6>::default());
    let none = UntaggedWords::NONE;
    let read = match (v4.parse(frame, &filter, &none), v6.parse(frame, &filter, &none)) {
        (Some(false), None) => Some(Read::V4(v4.segment())),
        (None, Some(false)) => Some(Read::V6(v6.segment())),
        (None, None) => None,
        other => panic!("{other:?}: {frame:?}"),
    };
    // With the link header that is expected, the rest is read alike.
    if let (Some(own), Some(read)) = (UntaggedWords::of(frame), read) {
        let (found, again) = match read {
            Read::V4(_) => (v4.parse(frame, &filter, &own), Read::V4(v4.segment())),
            Read::V6(_) => (v6.parse(frame, &filter, &own), Read::V6(v6.segment())),
        };
        assert_eq!((found, again, filter.accepts(&own)), (Some(true), read, true));
    }
    read
}

/// The segment of a parsed packet, by way of its record.
fn of(packet: &Packet) -> Option<Read> {
    match packet {
        Packet::Tcp4(segment) => {
            assert_eq!(RxHeader::of(segment).segment(), *segment);
            Some(Read::V4(*segment))
        }
        Packet::Tcp6(segment) => {
            assert_eq!(RxHeader::of(segment).segment(), *segment);
            Some(Read::V6(*segment))
        }
        _ => None,
    }
}

/// A link header from them to us.
fn link(tags: &[[u8; 4]], ethertype: u16) -> Vec<u8> {
    let plain = LinkHeader::untagged(OURS, THEIRS, ethertype);
    let (addresses, ethertype) = plain.as_bytes().split_at(12);
    [addresses, tags.as_flattened(), ethertype].concat()
}

/// The frame in which the remote end of `key` sends a segment to us.
fn frame_to_us<K: Reverse>(tags: &[[u8; 4]], key: K, emit: &TxSegment, payload: &[u8]) -> Vec<u8> {
    let link = link(tags, K::ETHERTYPE);
    let mut frame = vec![0xcc; 4_096];
    frame[..link.len()].copy_from_slice(&link);
    let end = write_segment(&mut frame, link.len(), &key.reverse(), emit, payload).unwrap();
    frame.truncate(end);
    frame
}

/// The same flow as the other end sees it.
trait Reverse: PacketKey {
    fn reverse(self) -> Self;
    fn of(packet: &Packet) -> Option<(Self, SegmentInfo, usize, usize)>;
}

impl Reverse for FlowKey4 {
    fn reverse(self) -> FlowKey4 {
        let FlowKey4 { remote, local, remote_port, local_port } = self;
        FlowKey4 { remote: local, local: remote, remote_port: local_port, local_port: remote_port }
    }

    fn of(packet: &Packet) -> Option<(FlowKey4, SegmentInfo, usize, usize)> {
        match packet {
            Packet::Tcp4(s) => Some((s.key, s.info, s.link_len.into(), s.payload_at.into())),
            _ => None,
        }
    }
}

impl Reverse for FlowKey6 {
    fn reverse(self) -> FlowKey6 {
        let FlowKey6 { remote, local, remote_port, local_port } = self;
        FlowKey6 { remote: local, local: remote, remote_port: local_port, local_port: remote_port }
    }

    fn of(packet: &Packet) -> Option<(FlowKey6, SegmentInfo, usize, usize)> {
        match packet {
            Packet::Tcp6(s) => Some((s.key, s.info, s.link_len.into(), s.payload_at.into())),
            _ => None,
        }
    }
}

fn key4() -> FlowKey4 {
    FlowKey4 { remote: REMOTE4, local: LOCAL4, remote_port: 40_000, local_port: 80 }
}

fn key6() -> FlowKey6 {
    FlowKey6 { remote: REMOTE6, local: LOCAL6, remote_port: 40_000, local_port: 80 }
}

/// What Linux sends to open a connection.
fn syn() -> TxSegment {
    let options = TcpOptions::of_syn(Some(1460), Some(7), true, Some(Timestamps { value: 1, echo: 0 }));
    TxSegment { seq: Seq(0x1234_5678), flags: Flags::SYN, window: 64_240, options, ..TxSegment::default() }
}

/// Keys of addresses that may be endpoints.
fn any_key4() -> impl Strategy<Value = FlowKey4> {
    let address = || (1u8..127, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| [a, b, c, d]);
    (address(), address(), any::<u16>(), any::<u16>())
        .prop_map(|(remote, local, remote_port, local_port)| FlowKey4 {
            remote,
            local,
            remote_port,
            local_port,
        })
        .prop_filter("one's own address", |key| key.remote != key.local)
}

fn any_key6() -> impl Strategy<Value = FlowKey6> {
    let address = || {
        (0x20u8..0xff, any::<[u8; 15]>()).prop_map(|(first, rest)| {
            let mut address = [first; 16];
            address[1..].copy_from_slice(&rest);
            address
        })
    };
    (address(), address(), any::<u16>(), any::<u16>())
        .prop_map(|(remote, local, remote_port, local_port)| FlowKey6 {
            remote,
            local,
            remote_port,
            local_port,
        })
        .prop_filter("one's own address", |key| key.remote != key.local)
}

/// Segments with nothing on them that would not be written or read.
fn any_emit() -> impl Strategy<Value = TxSegment> {
    let timestamps = any::<Option<(u32, u32)>>();
    let for_syn = (prop::option::of(1u16..), any::<Option<u8>>(), any::<bool>());
    (any::<(u32, u32, u8, u16)>(), for_syn, timestamps).prop_map(
        |((seq, ack, flags, window), (mss, window_scale, sack_permitted), timestamps)| {
            let flags = Flags(flags);
            let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
            let options = if flags.has(Flags::SYN) {
                TcpOptions::of_syn(mss, window_scale, sack_permitted, timestamps)
            } else {
                TcpOptions { timestamps, ..TcpOptions::default() }
            };
            let ack = if flags.has(Flags::ACK) { ack } else { 0 };
            TxSegment { seq: Seq(seq), ack: Seq(ack), flags, window, options }
        },
    )
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..1_500)
    ]
}

fn any_tags() -> impl Strategy<Value = &'static [[u8; 4]]> {
    prop::sample::select(&TAGS[..])
}
