use super::*;
use crate::observe::DropReason;
use crate::wire::{checksum::Checksum, parse};

/// What a peer wrote is what we read, wherever the parts lie.
fn check_round_trip<K: Reverse>(tags: &[[u8; 4]], key: K, emit: &TxSegment, payload: &[u8], padding: usize) {
    let mut frame = frame_to_us(tags, key, emit, payload);
    let whole = frame.len();
    frame.resize(whole + padding, 0xaa);
    let packet = parse(&frame, &config()).unwrap();
    let (parsed, info, link_len, payload_at) = K::of(&packet).unwrap();
    let expected = SegmentInfo {
        seq: emit.seq,
        ack: emit.ack,
        flags: emit.flags,
        window: emit.window,
        payload_len: payload.len() as u16,
        options: emit.options,
    };
    assert_eq!((parsed, info), (key, expected));
    assert_eq!(link_len, 14 + 4 * tags.len());
    assert_eq!(&frame[payload_at..payload_at + payload.len()], payload);
    assert_eq!(payload_at + payload.len(), whole);
    if let Packet::Tcp4(segment) = packet {
        assert_eq!(segment.payload(&frame), payload);
    }
    // The fast path takes just what it is made for, and reads the same.
    let read = of(&packet);
    let leading_zero =
        matches!(read, Some(Read::V6(segment)) if segment.key.remote[0] == 0 || segment.key.local[0] == 0);
    assert_eq!(usual(&frame, &config()), read.filter(|_| tags.is_empty() && !leading_zero));
}

/// Every byte after the link header is covered by a checksum or decides what the packet is:
/// with any bit flipped the same segment is never read. What IPv6 leaves uncovered is traffic class,
/// flow label and hop limit.
fn check_every_bit<K: Reverse>(tags: &[[u8; 4]], key: K, emit: &TxSegment, payload: &[u8]) {
    let frame = frame_to_us(tags, key, emit, payload);
    let link_len = 14 + 4 * tags.len();
    let covered_from = if K::NETWORK_LEN == 20 { 0 } else { 8 };
    for byte in link_len + covered_from..frame.len() {
        for bit in 0..8 {
            let mut flipped = frame.clone();
            flipped[byte] ^= 1 << bit;
            let read = parse(&flipped, &config());
            assert!(read.is_err(), "byte {byte} bit {bit}: {read:?}");
            assert_eq!(usual(&flipped, &config()), None, "byte {byte} bit {bit}");
        }
    }
}

fn check_every_cut<K: Reverse>(tags: &[[u8; 4]], key: K, emit: &TxSegment, payload: &[u8]) {
    let frame = frame_to_us(tags, key, emit, payload);
    for end in 0..frame.len() {
        let reason = parse(&frame[..end], &config()).err();
        assert_eq!(usual(&frame[..end], &config()), None, "{end}");
        assert!(
            matches!(reason, Some(DropReason::FrameTruncated | DropReason::IpHeader)),
            "{end}: {reason:?}"
        );
    }
}

/// Writes the right numbers into a mangled header, so that what follows is reached.
fn repair_v4(frame: &mut [u8]) {
    let total = (frame.len() - 14) as u16;
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[20..22].fill(0);
    frame[24..26].fill(0);
    let sum = Checksum::default().add_bytes(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}

fn repair_tcp_v4(frame: &mut [u8]) {
    frame[50..52].fill(0);
    let length = (frame.len() - 34) as u16;
    let sum = Checksum::default().add_bytes(&frame[26..34]).add_u16(6).add_u16(length);
    let sum = sum.add_bytes(&frame[34..]).finish();
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
}

/// Whatever the fast path takes, the long way reads just so.
fn check_both_ways(frame: &[u8], config: &ParseConfig) {
    let in_full = parse(frame, config);
    if let Some(segment) = usual(frame, config) {
        assert_eq!(in_full.map(|packet| of(&packet)).ok(), Some(Some(segment)), "{in_full:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        check_both_ways(&frame, &ParseConfig::default());
    }

    /// The same, past the first checks: link header and IP version are right.
    #[test]
    fn any_bytes_behind_a_link_header_are_survived(
        tags in any_tags(),
        ethertype in prop::sample::select(vec![0x0800u16, 0x0806, 0x86dd]),
        protocol in prop::sample::select(vec![0u8, 1, 6, 43, 58, 60]),
        bytes in prop::collection::vec(any::<u8>(), 10..200),
        first: u8,
    ) {
        let mut frame = [link(tags, ethertype), bytes].concat();
        let at = 14 + 4 * tags.len();
        match ethertype {
            0x0800 => (frame[at], frame[at + 9]) = (0x40 | first & 0xf, protocol),
            0x86dd => (frame[at], frame[at + 4], frame[at + 6]) = (0x60, 0, protocol),
            _ => {}
        }
        check_both_ways(&frame, &config());
    }

    #[test]
    fn any_icmp_and_tcp_behind_a_good_header_are_survived(
        tcp: bool,
        bytes in prop::collection::vec(any::<u8>(), 20..120),
    ) {
        let mut frame = [link(&[], 0x0800), bytes].concat();
        frame[23] = if tcp { 6 } else { 1 };
        repair_v4(&mut frame);
        prop_assert_ne!(parse(&frame, &config()).err(), Some(DropReason::IpChecksum));
        check_both_ways(&frame, &config());
        if tcp && frame.len() >= 54 {
            repair_tcp_v4(&mut frame);
            prop_assert_ne!(parse(&frame, &config()).err(), Some(DropReason::TcpChecksum));
            check_both_ways(&frame, &config());
        }
    }

    #[test]
    fn writing_then_parsing_is_identity_v4(
        tags in any_tags(), key in any_key4(), emit in any_emit(), payload in any_payload(), padding in 0usize..20,
    ) {
        check_round_trip(tags, key, &emit, &payload, padding);
    }

    #[test]
    fn writing_then_parsing_is_identity_v6(
        tags in any_tags(), key in any_key6(), emit in any_emit(), payload in any_payload(), padding in 0usize..20,
    ) {
        check_round_trip(tags, key, &emit, &payload, padding);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_flipped_bit_is_never_accepted(
        tags in any_tags(), key4 in any_key4(), key6 in any_key6(), emit in any_emit(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        check_every_bit(tags, key4, &emit, &payload);
        check_every_bit(tags, key6, &emit, &payload);
    }

    #[test]
    fn a_cut_frame_is_never_accepted(
        tags in any_tags(), key4 in any_key4(), key6 in any_key6(), emit in any_emit(), payload in any_payload(),
    ) {
        check_every_cut(tags, key4, &emit, &payload);
        check_every_cut(tags, key6, &emit, &payload);
    }
}
