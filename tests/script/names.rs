//! Addresses that scripts call by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::Place;

/// `device`, `client`, `loopback`, `unspecified`, `multicast`, `broadcast`, `subnet-broadcast`, `mapped`,
/// or an address as usually written.
pub fn address(name: &str, place: &Place) -> Result<IpAddr, String> {
    let v4 = place.client.is_ipv4();
    let choose = |a: [u8; 4], b: [u16; 8]| {
        if v4 { Ipv4Addr::from(a).into() } else { IpAddr::from(Ipv6Addr::from(b)) }
    };
    Ok(match name {
        "device" => place.device,
        "client" => place.client,
        "loopback" => choose([127, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1]),
        "unspecified" => choose([0, 0, 0, 0], [0; 8]),
        "multicast" => choose([224, 0, 0, 1], [0xff02, 0, 0, 0, 0, 0, 0, 1]),
        "broadcast" if v4 => Ipv4Addr::BROADCAST.into(),
        "subnet-broadcast" if v4 => Ipv4Addr::new(192, 0, 2, 255).into(),
        _ => name.parse().map_err(|_| format!("`{name}` is no address of this family"))?,
    })
}
