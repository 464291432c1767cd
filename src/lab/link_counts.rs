//! The kernel's counts of one end of a link.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LabError, Namespace};

/// Counts of an interface, from `/proc/net/dev` and `ethtool -S`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkCounts {
    pub rx_packets: u64,
    pub rx_dropped: u64,
    pub tx_packets: u64,
    pub tx_dropped: u64,
    /// The driver's own, by name.
    pub driver: BTreeMap<String, u64>,
}

impl LinkCounts {
    /// Reads the counts of this interface.
    ///
    /// # Errors
    /// The namespace is gone.
    pub fn of(namespace: &Namespace, device: &str) -> Result<LinkCounts, LabError> {
        let listing = namespace.run(&["cat", "/proc/net/dev"])?;
        // Not every driver has any.
        let driver = namespace.run(&["ethtool", "-S", device]).unwrap_or_default();
        Ok(LinkCounts { driver: named(&driver), ..read(&listing, device).unwrap_or_default() })
    }

    /// Returns the counts since `earlier`, without the driver's zeros.
    #[must_use]
    pub fn since(&self, earlier: &LinkCounts) -> LinkCounts {
        let driver = self.driver.iter().filter_map(|(name, count)| {
            let more = count.saturating_sub(earlier.driver.get(name).copied().unwrap_or(0));
            (more > 0).then(|| (name.clone(), more))
        });
        LinkCounts {
            rx_packets: self.rx_packets.saturating_sub(earlier.rx_packets),
            rx_dropped: self.rx_dropped.saturating_sub(earlier.rx_dropped),
            tx_packets: self.tx_packets.saturating_sub(earlier.tx_packets),
            tx_dropped: self.tx_dropped.saturating_sub(earlier.tx_dropped),
            driver: driver.collect(),
        }
    }
}

/// The line of the interface: eight counts of received packets, then those of sent ones.
fn read(listing: &str, device: &str) -> Option<LinkCounts> {
    let of_device = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        (name.trim() == device).then(|| counts.to_owned())
    };
    let counts = listing.lines().find_map(of_device)?;
    let counts: Vec<u64> = counts.split_whitespace().filter_map(|count| count.parse().ok()).collect();
    let [_, rx_packets, _, rx_dropped, _, _, _, _, _, tx_packets, _, tx_dropped, ..] = counts[..] else {
        return None;
    };
    Some(LinkCounts { rx_packets, rx_dropped, tx_packets, tx_dropped, driver: BTreeMap::new() })
}

/// Lines `name: count`.
fn named(listing: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (name, count) = line.rsplit_once(':')?;
        Some((name.trim().to_owned(), count.trim().parse().ok()?))
    };
    listing.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  hf-s: 7400     100    0    3    0     0          0         0     5400      90    0    2    0     0       0          0
";
    const DRIVER: &str =
        "NIC statistics:\n     peer_ifindex: 7\n     rx_queue_0_xdp_tx: 90\n     rx_queue_0_drops: 0\n";

    #[test]
    fn counts_are_read_and_subtracted() {
        let first = read(LISTING, "hf-s").expect("a line");
        assert_eq!((first.rx_packets, first.rx_dropped, first.tx_packets, first.tx_dropped), (100, 3, 90, 2));
        assert_eq!(read(LISTING, "hf-c"), None);
        let first = LinkCounts { driver: named(DRIVER), ..first };
        assert_eq!(first.driver["rx_queue_0_xdp_tx"], 90);
        let more =
            LinkCounts { rx_packets: 150, driver: named(&DRIVER.replace("90", "95")), ..first.clone() };
        let since = more.since(&first);
        assert_eq!((since.rx_packets, since.tx_packets), (50, 0));
        assert_eq!(since.driver, BTreeMap::from([("rx_queue_0_xdp_tx".to_owned(), 5)]));
    }
}
