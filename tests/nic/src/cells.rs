//! What is tried: the NICs, and the cells of each.

/// One kind of NIC, of which a guest has two, connected to each other.
#[derive(Debug, PartialEq, Eq)]
pub struct Nic {
    pub name: &'static str,
    /// QEMU's device and its properties.
    pub device: &'static str,
    pub wire: Wire,
    /// What the matrix says of it.
    pub about: &'static str,
}

/// What is between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// QEMU's hub: one queue, no offload of the host. Enough for a NIC that has its own queues.
    Hub,
    /// Taps on a bridge: several queues and checksum offload, as virtual machines have them.
    Tap,
}

/// In the order in which a guest tries them.
pub const NICS: [Nic; 5] = [
    Nic {
        name: "virtio",
        device: "virtio-net-pci,mq=on,vectors=6",
        wire: Wire::Tap,
        about: "virtio-net on taps, as QEMU sets it up by default",
    },
    Nic {
        name: "virtio-iommu",
        device: "virtio-net-pci,mq=on,vectors=6,iommu_platform=on,disable-legacy=on",
        wire: Wire::Tap,
        about: "virtio-net with `iommu_platform=on`, on taps",
    },
    Nic { name: "vmxnet3", device: "vmxnet3", wire: Wire::Hub, about: "VMware's paravirtual NIC" },
    Nic { name: "e1000e", device: "e1000e", wire: Wire::Hub, about: "Intel 82574L, one queue" },
    Nic { name: "igb", device: "igb", wire: Wire::Hub, about: "Intel 82576" },
];

/// One thing that is tried with a NIC, and what it is.
pub const CELLS: [(&str, &str); 11] = [
    ("auto", "`respond` as it comes: what it takes, kernel clients, echo of several sizes"),
    ("native", "the same with `--mode native`"),
    ("generic", "the same with `--mode generic`"),
    ("partial", "the same with `--mode generic --accept-partial-checksums`"),
    ("zerocopy", "the same with `--zerocopy`"),
    ("mtu", "the same at the largest MTU that `doctor` names"),
    ("vlan", "addresses inside a VLAN, with the NIC's default for VLAN tags and without its offload"),
    ("link", "the link goes down and up, at this end and at the other"),
    ("kill", "`kill -9`, and a new start at once"),
    ("bench", "`bench` against a server of the kernel"),
    ("doctor", "what `doctor` says beside what `respond` then did"),
];

/// Connections that the mode cells open, each with a request over HTTP.
pub const CONNECTIONS: u64 = 200;
/// Connections of a cell that asks whether it still works, and of each size that is echoed.
pub const FEW: u64 = 20;

pub fn nic(name: &str) -> Option<&'static Nic> {
    NICS.iter().find(|nic| nic.name == name)
}

/// The position decides addresses: both ends know them without being told.
pub fn index(nic: &Nic) -> usize {
    NICS.iter().position(|known| known == nic).unwrap_or(0)
}

/// The MAC address of one end: 0 is the server's, 1 the client's.
pub fn mac(nic: &Nic, end: usize) -> String {
    format!("02:00:00:00:{:02x}:{end:02x}", index(nic))
}

/// The names of a list that is separated by commas or spaces; all of them if it is empty.
///
/// # Errors
/// One that is not among `known`.
pub fn choose(list: &str, known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let names: Vec<&str> = list.split([',', ' ']).filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        return Ok(known.to_vec());
    }
    let unknown = |name: &str| format!("there is no {name}; there are: {}", known.join(" "));
    for name in &names {
        known.iter().find(|k| *k == name).ok_or_else(|| unknown(name))?;
    }
    Ok(known.iter().copied().filter(|k| names.contains(k)).collect())
}

pub fn nic_names() -> Vec<&'static str> {
    NICS.iter().map(|nic| nic.name).collect()
}

pub fn cell_names() -> Vec<&'static str> {
    CELLS.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_what_is_known() {
        assert_eq!(choose("", &["a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(choose("b, a", &["a", "b"]).unwrap(), ["a", "b"], "in the order of the table");
        assert_eq!(choose("c", &["a", "b"]).unwrap_err(), "there is no c; there are: a b");
    }
}
