//! Frames from text and numbers, and back.

use std::net::Ipv4Addr;

use handfast_stack::wire::{
    Flags, FlowKey4, FlowKey6, LinkHeader, Mac, Packet, ParseConfig, TxSegment, parse, write_segment,
};

use crate::client::{CLIENT_MAC, Family, Reply, SERVER_MAC, SERVER4, SERVER6};
use crate::script::pattern::parse_flags;

/// The flags of `S.`, `F.`, `R`: the packet language's.
pub fn flags_of(text: &str) -> Flags {
    Flags(parse_flags(text).unwrap_or_else(|error| panic!("{error}")))
}

pub fn key4(port: u16, server_port: u16) -> FlowKey4 {
    let local = Ipv4Addr::new(192, 0, 2, 9).octets();
    FlowKey4 { remote: SERVER4, local, remote_port: server_port, local_port: port }
}

pub fn key6(port: u16, server_port: u16) -> FlowKey6 {
    let local = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).octets();
    FlowKey6 { remote: SERVER6.octets(), local, remote_port: server_port, local_port: port }
}

/// A frame from client to server.
pub fn build(family: Family, port: u16, server_port: u16, emit: &TxSegment, payload: &[u8]) -> Vec<u8> {
    let ethertype = if family == Family::V4 { 0x0800 } else { 0x86dd };
    let link = LinkHeader::untagged(SERVER_MAC, CLIENT_MAC, ethertype);
    let mut frame = vec![0; 1792];
    frame[..14].copy_from_slice(link.as_bytes());
    let len = match family {
        Family::V4 => write_segment(&mut frame, 14, &key4(port, server_port), emit, payload),
        Family::V6 => write_segment(&mut frame, 14, &key6(port, server_port), emit, payload),
    };
    frame.truncate(len.expect("room for the segment"));
    frame
}

/// A segment over IPv4 from any client to the server.
pub fn build_from(source: [u8; 4], port: u16, server_port: u16, emit: &TxSegment) -> Vec<u8> {
    let mut frame = vec![0; 128];
    frame[..14].copy_from_slice(LinkHeader::untagged(SERVER_MAC, CLIENT_MAC, 0x0800).as_bytes());
    let key = FlowKey4 { local: source, ..key4(port, server_port) };
    let len = write_segment(&mut frame, 14, &key, emit, &[]);
    frame.truncate(len.expect("room for the segment"));
    frame
}

/// A frame from server to client, every checksum verified.
pub fn read(frame: &[u8]) -> Option<Reply> {
    read_at(CLIENT_MAC, frame)
}

/// A segment to any client, and the MAC it went to.
#[track_caller]
pub fn read_with_mac(frame: &[u8]) -> (Mac, Reply) {
    let to = *handfast_stack::wire::ethernet::destination(frame).expect("a link header");
    (to, read_at(to, frame).unwrap_or_else(|| panic!("not a segment: {frame:02x?}")))
}

fn read_at(mac: Mac, frame: &[u8]) -> Option<Reply> {
    let policy = ParseConfig { mac: Some(mac), ..ParseConfig::default() };
    let (family, port, info, payload) = match parse(frame, &policy) {
        Ok(Packet::Tcp4(s)) => (Family::V4, s.key.local_port, s.info, s.payload(frame)),
        Ok(Packet::Tcp6(s)) => (Family::V6, s.key.local_port, s.info, s.payload(frame)),
        _ => return None,
    };
    Some(Reply { at_ms: 0, family, port, info, payload: payload.to_vec() })
}
