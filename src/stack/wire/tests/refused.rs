use super::*;
use crate::observe::DropReason::{self, *};
use crate::wire::{ethernet, parse};

fn reason(frame: &[u8]) -> Option<DropReason> {
    let reason = parse(frame, &config()).err();
    let short = usual(frame, &config());
    assert!(reason.is_none() || short.is_none(), "{reason:?}, but read as {short:?}");
    reason
}

fn from_to4(remote: [u8; 4], local: [u8; 4]) -> Vec<u8> {
    frame_to_us(&[], FlowKey4 { remote, local, ..key4() }, &syn(), &[])
}

fn from_to6(remote: &str, local: &str) -> Vec<u8> {
    let bytes = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
    frame_to_us(&[], FlowKey6 { remote: bytes(remote), local: bytes(local), ..key6() }, &syn(), &[])
}

#[test]
fn a_good_syn_is_not() {
    assert_eq!(reason(&from_to4(REMOTE4, LOCAL4)), None);
    assert_eq!(reason(&from_to6("2001:db8::9", "2001:db8::1")), None);
}

#[test]
fn by_link_addresses() {
    type Change = fn(&mut [u8]);
    let rows: [(&str, Change, Option<DropReason>); 6] = [
        ("another's MAC", |f| f[5] = 2, Some(NotForUs)),
        ("broadcast", |f| f[..6].fill(0xff), Some(LinkGroup)),
        ("IPv4 multicast", |f| f[..3].copy_from_slice(&[1, 0, 0x5e]), Some(LinkGroup)),
        ("from a group", |f| f[6] |= 1, Some(LinkGroup)),
        ("IPX", |f| f[12..14].copy_from_slice(&[0x81, 0x37]), Some(NotForUs)),
        ("802.3 length", |f| f[12..14].copy_from_slice(&[0, 44]), Some(NotForUs)),
    ];
    for (what, change, expected) in rows {
        for mut frame in [from_to4(REMOTE4, LOCAL4), from_to6("2001:db8::9", "2001:db8::1")] {
            change(&mut frame);
            assert_eq!(reason(&frame), expected, "{what}");
        }
    }
    let mut frame = from_to4(REMOTE4, LOCAL4);
    frame[5] = 2;
    assert!(parse(&frame, &ParseConfig { mac: None, ..config() }).is_ok());
}

#[test]
fn three_tags_are_too_many() {
    let tags = [[0x81, 0, 0, 1]; 3];
    assert_eq!(reason(&frame_to_us(&tags, key4(), &syn(), &[])), Some(NotForUs));
}

#[test]
fn by_ipv4_addresses() {
    let sources = [
        [255, 255, 255, 255],
        [192, 0, 2, 255],
        [224, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        LOCAL4,
    ];
    for source in sources {
        assert_eq!(reason(&from_to4(source, LOCAL4)), Some(SourceAddress), "{source:?}");
    }
    let destinations = [[255, 255, 255, 255], [192, 0, 2, 255], [239, 1, 1, 1], [127, 0, 0, 1], [0, 0, 0, 0]];
    for destination in destinations {
        assert_eq!(reason(&from_to4(REMOTE4, destination)), Some(DestinationAddress), "{destination:?}");
    }
    assert_eq!(reason(&from_to4([192, 0, 2, 0], LOCAL4)), None);
}

#[test]
fn by_ipv6_addresses() {
    for source in ["::", "::1", "ff02::1", "::ffff:192.0.2.9", "2001:db8::1"] {
        assert_eq!(reason(&from_to6(source, "2001:db8::1")), Some(SourceAddress), "{source}");
    }
    for destination in ["::", "::1", "ff02::1", "::ffff:192.0.2.9"] {
        assert_eq!(reason(&from_to6("2001:db8::9", destination)), Some(DestinationAddress), "{destination}");
    }
}

#[test]
fn checksum_before_address() {
    let mut frame = from_to4([224, 0, 0, 1], LOCAL4);
    frame[40] ^= 1;
    assert_eq!(reason(&frame), Some(TcpChecksum));
    frame[22] ^= 1;
    assert_eq!(reason(&frame), Some(IpChecksum));
}

#[test]
fn partial_checksums_by_their_own_name() {
    for (mut frame, at, pseudo) in [
        (from_to4(REMOTE4, LOCAL4), 14 + 20 + 16, key4().pseudo_header(40)),
        (from_to6("2001:db8::9", "2001:db8::1"), 14 + 40 + 16, key6().pseudo_header(40)),
    ] {
        frame[at..at + 2].copy_from_slice(&pseudo.fold().to_be_bytes());
        assert_eq!(reason(&frame), Some(TcpPartialChecksum));
        let accepting = ParseConfig { accept_partial_checksum: true, ..config() };
        assert!(parse(&frame, &accepting).is_ok());
        frame[at] ^= 1;
        assert_eq!(parse(&frame, &accepting).err(), Some(TcpChecksum));
    }
}

#[test]
fn protocols_that_are_none_of_ours() {
    let link = link(&[], ethernet::IPV4);
    let mut frame = [&link[..], &[0; 28]].concat();
    crate::wire::ipv4::write_header(&mut frame[14..], REMOTE4, LOCAL4, 2, 8).unwrap();
    assert_eq!(reason(&frame), Some(NotForUs));
}

#[test]
fn port_zero_is_a_port() {
    let key = FlowKey4 { remote_port: 0, local_port: 0, ..key4() };
    assert_eq!(reason(&frame_to_us(&[], key, &syn(), &[])), None);
}
