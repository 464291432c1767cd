use std::{collections::BTreeSet, fs, io, net::IpAddr};

use nix::{
    ifaddrs::{InterfaceAddress, getifaddrs},
    net::if_::{InterfaceFlags, if_nametoindex},
};

use super::{XdpError, ethtool, sizing};

/// Where an XDP program runs best on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// In the driver.
    Native,
    /// On skbs, behind the driver.
    Generic,
}

/// A network interface, as it was when looked at, in the calling thread's network namespace.
#[derive(Clone, Debug)]
pub struct Device {
    pub name: String,
    pub index: u32,
    pub mac: Option<[u8; 6]>,
    /// Octets of the largest IP packet.
    pub mtu: u32,
    /// `None`: the driver does not say.
    pub driver: Option<String>,
    /// A socket is needed on each of them.
    pub rx_queues: u32,
    /// Of these, how many have a transmit queue of the same number.
    pub paired_queues: u32,
    /// With prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    pub up: bool,
    pub loopback: bool,
    pub numa_node: Option<u32>,
    /// Whether the driver verifies checksums on receive. On veth this means that a peer on this
    /// machine may send partial checksums.
    pub rx_checksum: Option<bool>,
    /// Whether the kernel leaves checksums to this device when it sends. AF_XDP never does.
    pub tx_checksum: Option<bool>,
}

/// Every address of every interface, in the calling thread's network namespace.
pub fn addresses() -> Vec<IpAddr> {
    let entries = getifaddrs().into_iter().flatten();
    entries.filter_map(|entry| address(&entry)).map(|(address, _)| address).collect()
}

impl Device {
    /// Looks an interface up.
    pub fn open(name: &str) -> Result<Device, XdpError> {
        let fail = |call, source| XdpError::Call { ifname: name.to_owned(), queue: 0, call, source };
        let index = if_nametoindex(name)
            .map_err(|_| XdpError::NoInterface { ifname: name.to_owned(), existing: existing() })?;
        let entries: Vec<InterfaceAddress> = getifaddrs()
            .map_err(|errno| fail("getifaddrs", errno.into()))?
            .filter(|entry| entry.interface_name == name)
            .collect();
        let (rx_queues, paired_queues) = queues(name);
        let (rx_checksum, tx_checksum) = ethtool::checksum_offload(name);
        Ok(Device {
            name: name.to_owned(),
            index,
            mac: entries.iter().find_map(|entry| entry.address.as_ref()?.as_link_addr()?.addr()),
            mtu: ethtool::mtu(name).map_err(|source| fail("SIOCGIFMTU", source))?,
            driver: ethtool::driver(name).ok(),
            rx_queues,
            paired_queues,
            addresses: entries.iter().filter_map(address).collect(),
            up: entries.iter().any(|entry| entry.flags.contains(InterfaceFlags::IFF_UP)),
            loopback: entries.iter().any(|entry| entry.flags.contains(InterfaceFlags::IFF_LOOPBACK)),
            numa_node: numa_node(name),
            rx_checksum,
            tx_checksum,
        })
    }

    /// Whether it can be used with frames of `frame_size` bytes, buffer and headroom together.
    pub fn check(&self, frame_size: u32) -> Result<(), XdpError> {
        if self.loopback {
            return Err(XdpError::Loopback { ifname: self.name.clone() });
        }
        if !self.up {
            return Err(XdpError::InterfaceDown { ifname: self.name.clone() });
        }
        let most = sizing::largest_mtu(frame_size);
        if self.mtu > most {
            let advised = sizing::advised_mtu(frame_size);
            return Err(XdpError::Mtu { ifname: self.name.clone(), mtu: self.mtu, most, advised });
        }
        Ok(())
    }

    /// Whether this is one end of a pair inside this machine.
    pub fn is_veth(&self) -> bool {
        self.driver.as_deref() == Some("veth")
    }

    /// What `--mode auto` means. veth's native mode converts every skb and copies it once more,
    /// and is the slower one; but its generic mode delivers everything to queue 0, so more queues
    /// want native. A real driver's native mode runs before there is an skb. No driver at all has
    /// no native mode.
    pub fn preference(&self) -> Preference {
        match self.driver.as_deref() {
            None | Some("") => Preference::Generic,
            Some("veth") if self.rx_queues == 1 => Preference::Generic,
            Some(_) => Preference::Native,
        }
    }
}

/// The names of all interfaces, for an error message.
pub(super) fn existing() -> String {
    let names: BTreeSet<String> =
        getifaddrs().into_iter().flatten().map(|entry| entry.interface_name).collect();
    if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(" ") }
}

/// Receive queues, and how many of them also send. A driver without channels has what /sys shows
/// (if that is our namespace's), and at least one.
fn queues(name: &str) -> (u32, u32) {
    if let Ok(channels) = ethtool::channels(name)
        && channels.receive() > 0
    {
        return (channels.receive(), channels.paired());
    }
    let (rx, tx) = sys_queues(name).unwrap_or((1, 1));
    (rx.max(1), rx.min(tx).max(1))
}

fn sys_queues(name: &str) -> io::Result<(u32, u32)> {
    let mut counts = (0, 0);
    for entry in fs::read_dir(format!("/sys/class/net/{name}/queues"))? {
        let entry = entry?.file_name();
        let entry = entry.to_string_lossy();
        counts.0 += u32::from(entry.starts_with("rx-"));
        counts.1 += u32::from(entry.starts_with("tx-"));
    }
    Ok(counts)
}

/// The node the device is attached to; -1 in /sys means none.
fn numa_node(name: &str) -> Option<u32> {
    fs::read_to_string(format!("/sys/class/net/{name}/device/numa_node")).ok()?.trim().parse().ok()
}

fn address(entry: &InterfaceAddress) -> Option<(IpAddr, u8)> {
    let (address, mask) = (entry.address.as_ref()?, entry.netmask.as_ref());
    if let Some(v4) = address.as_sockaddr_in() {
        let ones =
            mask.and_then(|mask| mask.as_sockaddr_in()).map_or(32, |mask| mask.ip().to_bits().count_ones());
        return Some((v4.ip().into(), ones as u8));
    }
    let v6 = address.as_sockaddr_in6()?;
    let ones =
        mask.and_then(|mask| mask.as_sockaddr_in6()).map_or(128, |mask| mask.ip().to_bits().count_ones());
    Some((v6.ip().into(), ones as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known() {
        let device = Device::open("lo").expect("lo");
        assert_eq!((device.index, device.rx_queues, device.preference()), (1, 1, Preference::Generic));
        assert!(!device.is_veth());
    }

    #[test]
    fn an_unknown_interface_names_those_that_exist() {
        let text = Device::open("hf-nowhere").expect_err("no such interface").to_string();
        assert!(text.contains("hf-nowhere") && text.contains("lo"), "{text}");
    }

    #[test]
    fn mtu_and_state_are_checked() {
        let mut device = Device::open("lo").expect("lo");
        let text = device.check(2048).expect_err("the loopback").to_string();
        assert!(text.contains("`handfast lab up`") && !text.contains("mtu"), "{text}");
        (device.up, device.loopback, device.mtu) = (true, false, 1770);
        assert!(device.check(2048).is_ok());
        device.mtu = 1771;
        let text = device.check(2048).expect_err("too long").to_string();
        assert!(text.contains("ip link set lo mtu 1770"), "{text}");
        assert!(device.check(4096).is_ok());
        device.mtu = 9000;
        let text = device.check(4096).expect_err("too long").to_string();
        assert!(text.contains("room for 3818") && text.contains("ip link set lo mtu 3046"), "{text}");
        device.up = false;
        assert!(matches!(device.check(2048), Err(XdpError::InterfaceDown { .. })));
    }

    #[test]
    fn one_queue_of_veth_and_nameless_drivers_prefer_generic() {
        let mut device = Device::open("lo").expect("lo");
        for (driver, preference) in [
            (None, Preference::Generic),
            (Some("veth"), Preference::Generic),
            (Some("ixgbe"), Preference::Native),
            (Some("mlx5_core"), Preference::Native),
        ] {
            device.driver = driver.map(str::to_owned);
            assert_eq!(device.preference(), preference, "{driver:?}");
        }
        device.driver = Some("veth".to_owned());
        device.rx_queues = 2;
        assert_eq!(device.preference(), Preference::Native, "generic mode would leave queue 1 empty");
    }
}
