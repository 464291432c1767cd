use super::answers::{frame4, frame6, message};
use super::*;
use crate::observe::DropReason::{self, *};
use crate::wire::{ErrorMessage, IcmpError, checksum::Checksum, parse};

/// Unused bytes, and what we sent from `key`: network header and the first bytes of TCP.
fn quote<K: PacketKey>(key: &K, bytes: usize) -> Vec<u8> {
    let mut packet = vec![0; 200];
    let end = write_segment(&mut packet, 0, key, &syn(), &[]).unwrap();
    packet.truncate(end.min(K::NETWORK_LEN + bytes));
    [&[0; 4][..], &packet].concat()
}

fn about4(kind: (u8, u8), body: &[u8]) -> Vec<u8> {
    frame4(&message(kind.0, kind.1, body, Checksum::default()), &[])
}

fn about6(kind: (u8, u8), body: &[u8]) -> Vec<u8> {
    frame6(REMOTE6, LOCAL6, 64, kind, body)
}

fn read4(frame: &[u8]) -> Result<ErrorMessage<FlowKey4>, DropReason> {
    parse(frame, &config()).map(|packet| match packet {
        Packet::Error4(error) => error,
        other => panic!("{other:?}"),
    })
}

fn read6(frame: &[u8]) -> Result<ErrorMessage<FlowKey6>, DropReason> {
    parse(frame, &config()).map(|packet| match packet {
        Packet::Error6(error) => error,
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_kind() {
    use IcmpError::*;
    let rows = [
        ((3, 0), Ok(NetUnreachable)),
        ((3, 1), Ok(HostUnreachable)),
        ((3, 2), Ok(ProtocolUnreachable)),
        ((3, 3), Ok(PortUnreachable)),
        ((3, 4), Err(IcmpTooBig)),
        ((3, 5), Ok(NetUnreachable)),
        ((3, 9), Ok(Prohibited)),
        ((3, 12), Ok(HostUnreachable)),
        ((3, 13), Ok(Prohibited)),
        ((3, 16), Err(IcmpOther)),
        ((4, 0), Err(IcmpOther)),
        ((11, 0), Ok(TimeExceeded)),
        ((11, 2), Err(IcmpOther)),
        ((12, 0), Ok(ParameterProblem)),
    ];
    for (kind, expected) in rows {
        let expected = expected.map(|error| ErrorMessage { error, key: key4(), seq: syn().seq });
        for bytes in [8, 20, 40] {
            assert_eq!(read4(&about4(kind, &quote(&key4(), bytes))), expected, "{kind:?}, {bytes}");
        }
    }
    let rows = [
        ((0, 0), Err(IcmpOther)),
        ((1, 0), Ok(NetUnreachable)),
        ((1, 1), Ok(Prohibited)),
        ((1, 3), Ok(HostUnreachable)),
        ((1, 4), Ok(PortUnreachable)),
        ((1, 5), Ok(Prohibited)),
        ((1, 7), Err(IcmpOther)),
        ((2, 0), Err(IcmpTooBig)),
        ((3, 0), Ok(TimeExceeded)),
        ((4, 0), Ok(ParameterProblem)),
        ((4, 1), Ok(ProtocolUnreachable)),
        ((5, 0), Err(IcmpOther)),
    ];
    for (kind, expected) in rows {
        let expected = expected.map(|error| ErrorMessage { error, key: key6(), seq: syn().seq });
        assert_eq!(read6(&about6(kind, &quote(&key6(), 8))), expected, "v6 {kind:?}");
    }
}

#[test]
fn quotes_that_cannot_be_ours() {
    type Change = fn(&mut Vec<u8>);
    let foreign = Err(IcmpForeign);
    let rows: [(&str, Change); 7] = [
        ("another version", |q| q[4] ^= 0x20),
        ("options", |q| q[4] = 0x46),
        ("UDP", |q| q[4 + 9] = 17),
        ("a later fragment", |q| q[4 + 7] = 1),
        ("another source", |q| q[4 + 15] ^= 1),
        ("seven bytes of TCP", |q| q.truncate(4 + 20 + 7)),
        ("nothing", |q| q.clear()),
    ];
    for (what, change) in rows {
        let mut quoted = quote(&key4(), 8);
        change(&mut quoted);
        quoted.resize(quoted.len().max(4), 0);
        assert_eq!(read4(&about4((3, 1), &quoted)), foreign, "{what}");
    }
    let rows: [(&str, Change); 5] = [
        ("another version", |q| q[4] ^= 0x20),
        ("UDP", |q| q[4 + 6] = 17),
        ("another source", |q| q[4 + 23] ^= 1),
        ("seven bytes of TCP", |q| q.truncate(4 + 40 + 7)),
        ("nothing", |q| q.truncate(4)),
    ];
    for (what, change) in rows {
        let mut quoted = quote(&key6(), 8);
        change(&mut quoted);
        assert_eq!(read6(&about6((1, 3), &quoted)).err(), Some(IcmpForeign), "v6 {what}");
    }
}

#[test]
fn checksums_and_groups() {
    let mut broken = about4((3, 1), &quote(&key4(), 8));
    let at = broken.len() - 6;
    broken[at] ^= 1;
    assert_eq!(read4(&broken), Err(IcmpChecksum));
    let mut broken = about6((1, 3), &quote(&key6(), 8));
    let at = broken.len() - 6;
    broken[at] ^= 1;
    assert_eq!(read6(&broken), Err(IcmpChecksum));
    let mut to_all = about4((3, 1), &quote(&key4(), 8));
    to_all[..6].fill(0xff);
    assert_eq!(read4(&to_all), Err(IcmpForeign));
}
