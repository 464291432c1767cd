//! An independent reader and writer of the same formats.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, NetSlice, PacketBuilder,
    SingleVlanHeader, SlicedPacket, TcpHeader, TcpOptionElement, TransportSlice, VlanHeader, VlanId,
};

use super::*;
use crate::wire::parse;

fn vlan(tags: &[[u8; 4]]) -> Option<VlanHeader> {
    let single = |tag: &[u8; 4]| SingleVlanHeader {
        vlan_id: VlanId::try_new(u16::from_be_bytes([tag[2] & 0xf, tag[3]])).unwrap(),
        ..SingleVlanHeader::default()
    };
    match tags {
        [] => None,
        [one] => Some(VlanHeader::Single(single(one))),
        [outer, inner, ..] => Some(VlanHeader::Double(etherparse::DoubleVlanHeader {
            outer: single(outer),
            inner: single(inner),
        })),
    }
}

fn elements(options: &TcpOptions) -> Vec<TcpOptionElement> {
    let timestamps = options.timestamps.map(|t| TcpOptionElement::Timestamp(t.value, t.echo));
    // Another order than ours.
    [
        options.window_scale.map(TcpOptionElement::WindowScale),
        timestamps,
        options.sack_permitted.then_some(TcpOptionElement::SelectiveAcknowledgementPermitted),
        options.mss.map(TcpOptionElement::MaximumSegmentSize),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn tcp_header(ports: (u16, u16), emit: &TxSegment) -> TcpHeader {
    let flag = |flag| emit.flags.has(flag);
    let mut header = TcpHeader::new(ports.0, ports.1, emit.seq.0, emit.window);
    header.acknowledgment_number = emit.ack.0;
    (header.fin, header.syn, header.rst, header.psh) =
        (flag(Flags::FIN), flag(Flags::SYN), flag(Flags::RST), flag(Flags::PSH));
    (header.ack, header.urg, header.ece, header.cwr) =
        (flag(Flags::ACK), flag(Flags::URG), flag(Flags::ECE), flag(Flags::CWR));
    header.set_options(&elements(&emit.options)).unwrap();
    header
}

/// A frame from them to us, as etherparse writes it.
fn theirs(tags: &[[u8; 4]], ip: IpHeaders, tcp: TcpHeader, payload: &[u8]) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(THEIRS, OURS);
    let builder = match vlan(tags) {
        Some(vlan) => link.vlan(vlan).ip(ip),
        None => link.ip(ip),
    };
    let mut frame = Vec::new();
    builder.tcp_header(tcp).write(&mut frame, payload).unwrap();
    frame
}

fn check_read<K: Reverse>(frame: &[u8], key: K, emit: &TxSegment, payload: &[u8]) {
    let packet = parse(frame, &config()).unwrap();
    let (parsed, info, _, payload_at) = K::of(&packet).unwrap();
    assert_eq!(parsed, key);
    assert_eq!((info.seq, info.ack, info.flags, info.window), (emit.seq, emit.ack, emit.flags, emit.window));
    assert_eq!(info.options, emit.options);
    assert_eq!(&frame[payload_at..], payload);
}

/// Reads a frame of ours with etherparse and compares every field and both checksums.
fn check_written<K: Reverse>(tags: &[[u8; 4]], key: K, emit: &TxSegment, payload: &[u8]) {
    let frame = frame_to_us(tags, key, emit, payload);
    let sliced = SlicedPacket::from_ethernet(&frame).unwrap();
    let vlans: Vec<u16> = sliced.vlan_ids().iter().map(|id| id.value()).collect();
    let expected: Vec<u16> = tags.iter().map(|tag| u16::from_be_bytes([tag[2] & 0xf, tag[3]])).collect();
    assert_eq!(vlans, expected);
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
    let (source, destination) = (key.remote(), key.local());
    let checksum = match sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!((header.time_to_live, header.dont_fragment, header.identification), (64, true, 0));
            assert_eq!(std::net::IpAddr::from(header.source), source.ip());
            assert_eq!(std::net::IpAddr::from(header.destination), destination.ip());
            tcp.calc_checksum_ipv4(header.source, header.destination).unwrap()
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(
                (header.hop_limit, header.traffic_class, header.flow_label),
                (64, 0, Ipv6FlowLabel::ZERO)
            );
            assert_eq!(std::net::IpAddr::from(header.source), source.ip());
            assert_eq!(std::net::IpAddr::from(header.destination), destination.ip());
            tcp.calc_checksum_ipv6(header.source, header.destination).unwrap()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(tcp.checksum(), checksum);
    let mut read = tcp.to_header();
    let mut options: Vec<_> = read.options_iterator().map(Result::unwrap).collect();
    options.retain(|option| *option != TcpOptionElement::Noop);
    let mut expected = tcp_header((source.port(), destination.port()), emit);
    let mut expected_options = elements(&emit.options);
    for list in [&mut options, &mut expected_options] {
        list.sort_by_key(|option| format!("{option:?}"));
    }
    assert_eq!(options, expected_options);
    for header in [&mut read, &mut expected] {
        header.set_options(&[]).unwrap();
        header.checksum = 0;
    }
    assert_eq!(read, expected);
    assert_eq!(tcp.payload(), payload);
}

proptest! {
    #[test]
    fn what_it_writes_we_read_v4(
        tags in prop::sample::select(&TAGS[..3]), key in any_key4(), emit in any_emit(), payload in any_payload(),
        route in 0usize..10, ttl: u8,
    ) {
        let mut ip = Ipv4Header::new(0, ttl, IpNumber::TCP, key.remote, key.local).unwrap();
        // No operation, up to the most that fits.
        ip.options = Ipv4Options::try_from(&[1u8; 40][..route * 4]).unwrap();
        let ip = IpHeaders::Ipv4(ip, Default::default());
        let tcp = tcp_header(key.ports(), &emit);
        check_read(&theirs(tags, ip, tcp, &payload), key, &emit, &payload);
    }

    #[test]
    fn what_it_writes_we_read_v6(
        tags in prop::sample::select(&TAGS[..3]), key in any_key6(), emit in any_emit(), payload in any_payload(),
        hop_limit: u8, class: u8,
    ) {
        let ip = Ipv6Header {
            traffic_class: class,
            hop_limit,
            source: key.remote,
            destination: key.local,
            ..Ipv6Header::default()
        };
        let tcp = tcp_header(key.ports(), &emit);
        check_read(&theirs(tags, IpHeaders::Ipv6(ip, Default::default()), tcp, &payload), key, &emit, &payload);
    }

    #[test]
    fn what_we_write_it_reads(
        tags in any_tags(), key4 in any_key4(), key6 in any_key6(), emit in any_emit(), payload in any_payload(),
    ) {
        check_written(tags, key4, &emit, &payload);
        check_written(tags, key6, &emit, &payload);
    }
}
