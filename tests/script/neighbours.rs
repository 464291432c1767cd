//! Answers ARP requests and IPv6 neighbour solicitations for made-up client addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{Mac, ethernet, transport_checksum};

/// The answer to `frame` if it asks for one of `addresses`.
pub fn answer(frame: &[u8], addresses: &[IpAddr], mac: Mac) -> Option<Vec<u8>> {
    match frame.get(12..14)? {
        [0x08, 0x06] => arp(frame, addresses, mac),
        [0x86, 0xdd] => solicitation(frame, addresses, mac),
        _ => None,
    }
}

fn arp(frame: &[u8], addresses: &[IpAddr], mac: Mac) -> Option<Vec<u8>> {
    let request = frame.get(14..42)?;
    let target = Ipv4Addr::from(<[u8; 4]>::try_from(&request[24..28]).ok()?);
    if request[6..8] != [0, 1] || !addresses.contains(&target.into()) {
        return None;
    }
    let asker: Mac = request[8..14].try_into().ok()?;
    let mut reply = request[..6].to_vec();
    reply.extend([0, 2]);
    reply.extend(mac);
    reply.extend(target.octets());
    reply.extend(&request[8..18]);
    Some(ethernet(asker, mac, None, 0x0806, &reply))
}

fn solicitation(frame: &[u8], addresses: &[IpAddr], mac: Mac) -> Option<Vec<u8>> {
    let packet = frame.get(14..78)?;
    if packet[6] != 58 || packet[40] != 135 {
        return None;
    }
    let asker = Ipv6Addr::from(<[u8; 16]>::try_from(&packet[8..24]).ok()?);
    let target = Ipv6Addr::from(<[u8; 16]>::try_from(&packet[48..64]).ok()?);
    if asker.is_unspecified() || !addresses.contains(&target.into()) {
        return None;
    }
    // Solicited, override; then the target's link-layer address.
    let mut message = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    message.extend(target.octets());
    message.extend([2, 1]);
    message.extend(mac);
    let sum = transport_checksum(target.into(), asker.into(), 58, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut reply = vec![0x60, 0, 0, 0, 0, message.len() as u8, 58, 255];
    reply.extend(target.octets());
    reply.extend(asker.octets());
    reply.extend(message);
    Some(ethernet(frame[6..12].try_into().ok()?, mac, None, 0x86dd, &reply))
}
