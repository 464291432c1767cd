use std::{collections::BTreeSet, fs, io, net::IpAddr};

use super::{Network, XdpError, ethtool, sizing};

/// The mode in which an XDP program is faster on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// In the driver.
    Native,
    /// On skbs, after the driver.
    Generic,
}

/// A network interface of the calling thread's network namespace, as it was when it was read.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name, also if it was looked up by an alternative name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// The MAC address that peers on its link use for this host.
    pub mac: Option<[u8; 6]>,
    /// `ARPHRD_*`.
    pub hardware: u16,
    /// Bytes of the largest IP packet.
    pub mtu: u32,
    /// The driver's name; `None` if it has none.
    pub driver: Option<String>,
    /// Receive queues. Each needs a socket.
    pub rx_queues: u32,
    /// Receive queues with a transmit queue of the same index.
    pub paired_queues: u32,
    /// The addresses of its link, with prefix lengths. For all addresses of this host see
    /// [`Network::local`].
    pub addresses: Vec<(IpAddr, u8)>,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// The NUMA node of the device; `None` if it has none.
    pub numa_node: Option<u32>,
    /// Whether the driver verifies checksums on receive; `None` if unknown. On veth this means that a
    /// peer on this host may send partial checksums.
    pub rx_checksum: Option<bool>,
    /// Whether the kernel leaves checksums to this device when it sends; `None` if unknown. AF_XDP never
    /// does.
    pub tx_checksum: Option<bool>,
}

impl Device {
    /// Looks up an interface by its name or an alternative name.
    ///
    /// # Errors
    /// There is none of that name; the error lists those that exist.
    pub fn open(name: &str) -> Result<Device, XdpError> {
        Device::of(&Network::read()?, name)
    }

    /// [`Device::open`] for a network that was read before.
    ///
    /// # Errors
    /// As of [`Device::open`].
    pub fn of(network: &Network, name: &str) -> Result<Device, XdpError> {
        let interface = network
            .named(name)
            .ok_or_else(|| XdpError::NoInterface { ifname: name.to_owned(), existing: names(network) })?;
        let (name, index) = (interface.name.clone(), interface.index);
        let mtu = ethtool::mtu(&name).map_err(|source| XdpError::Call {
            ifname: name.clone(),
            queue: 0,
            call: "SIOCGIFMTU",
            source,
        })?;
        let (rx_queues, paired_queues) = queues(&name);
        let (rx_checksum, tx_checksum) = ethtool::checksum_offload(&name);
        Ok(Device {
            index,
            mac: network.mac_of(index),
            hardware: interface.hardware,
            mtu,
            driver: ethtool::driver(&name).ok(),
            rx_queues,
            paired_queues,
            addresses: network.addresses_of(index),
            up: interface.up,
            loopback: interface.hardware == libc::ARPHRD_LOOPBACK,
            numa_node: numa_node(&name),
            rx_checksum,
            tx_checksum,
            name,
        })
    }

    /// Checks that it can be used with frames of `frame_size` bytes, headroom included.
    ///
    /// # Errors
    /// It is the loopback, not Ethernet, down, or its MTU is too large.
    pub fn check(&self, frame_size: u32) -> Result<(), XdpError> {
        if self.loopback {
            return Err(XdpError::Loopback { ifname: self.name.clone() });
        }
        if !self.is_ethernet() {
            return Err(XdpError::NotEthernet { ifname: self.name.clone(), hardware: self.hardware });
        }
        if !self.up {
            return Err(XdpError::InterfaceDown { ifname: self.name.clone() });
        }
        let max = sizing::largest_mtu(frame_size);
        if self.mtu > max {
            let advised = sizing::advised_mtu(frame_size);
            return Err(XdpError::Mtu { ifname: self.name.clone(), mtu: self.mtu, max, advised });
        }
        Ok(())
    }

    /// Whether its frames have an Ethernet header. Frames of a tun device, WireGuard and PPP have none.
    pub fn is_ethernet(&self) -> bool {
        self.hardware == libc::ARPHRD_ETHER
    }

    /// Whether it is one end of a veth pair.
    pub fn is_veth(&self) -> bool {
        self.driver.as_deref() == Some("veth")
    }

    /// The preferred mode. Native mode of a NIC's driver runs before there is an skb. Native mode of veth
    /// converts every skb and copies it once more, so that generic mode is faster; but generic mode
    /// delivers everything to queue 0, so that several queues need native mode. An interface without a
    /// driver has no native mode.
    pub fn preference(&self) -> Preference {
        match self.driver.as_deref() {
            None | Some("") => Preference::Generic,
            Some("veth") if self.rx_queues == 1 => Preference::Generic,
            Some(_) => Preference::Native,
        }
    }
}

/// The names of all interfaces, for an error message.
pub(super) fn interface_names() -> String {
    Network::read().map_or_else(|error| format!("unknown ({error})"), |network| names(&network))
}

fn names(network: &Network) -> String {
    let names: BTreeSet<&str> = network.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { Vec::from_iter(names).join(" ") }
}

/// The number of receive queues, and of those that also send. For a driver without channels it is the
/// number in /sys (if that is this namespace's), and at least one.
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

/// The NUMA node of the device; -1 in /sys means none.
fn numa_node(name: &str) -> Option<u32> {
    fs::read_to_string(format!("/sys/class/net/{name}/device/numa_node")).ok()?.trim().parse().ok()
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
        assert!(text.contains("is the loopback") && !text.contains("MTU"), "{text}");
        (device.up, device.loopback, device.mtu) = (true, false, 1770);
        let text = device.check(2048).expect_err("not Ethernet").to_string();
        assert!(text.contains("no Ethernet"), "{text}");
        device.hardware = libc::ARPHRD_ETHER;
        assert!(device.check(2048).is_ok());
        device.mtu = 1771;
        let error = device.check(2048).expect_err("too long");
        assert!(matches!(error, XdpError::Mtu { advised: 1770, .. }), "{error}");
        assert!(device.check(4096).is_ok());
        device.mtu = 9000;
        let error = device.check(4096).expect_err("too long");
        assert!(matches!(error, XdpError::Mtu { max: 3818, advised: 3046, .. }), "{error}");
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
