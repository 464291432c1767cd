//! What the kernel tells about XDP without anything being attached.

use std::os::fd::AsFd;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Struct;
use libbpf_rs::query::LinkInfoIter;
use libbpf_rs::{Xdp, XdpFlags};
use nix::sys::utsname::uname;

use super::{ethtool, libbpf_log};

/// What a driver says it can do (`NETDEV_XDP_ACT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u64);

/// The first release in which drivers say what they can do.
const DRIVERS_SAY: (u32, u32) = (6, 3);

impl XdpFeatures {
    /// From `NETDEV_XDP_ACT_*` bits.
    pub const fn from_bits(bits: u64) -> XdpFeatures {
        XdpFeatures(bits)
    }

    /// From the flags of the answer. None at all: an older kernel, which has no answer, or a driver
    /// without any.
    fn told(flags: u64, release: Option<(u32, u32)>) -> Option<XdpFeatures> {
        let says = flags != 0 || release.is_some_and(|release| release >= DRIVERS_SAY);
        says.then_some(XdpFeatures(flags))
    }

    /// Runs programs in the driver, and takes their plain verdicts.
    pub fn native(self) -> bool {
        self.0 & 0b1 != 0
    }

    /// Takes XDP_REDIRECT, which AF_XDP lives on.
    pub fn redirect(self) -> bool {
        self.0 & 0b10 != 0
    }

    /// AF_XDP without copying.
    pub fn zero_copy(self) -> bool {
        self.0 & 0b1000 != 0
    }
}

/// What the driver says of itself (since Linux 6.3). `None`: the kernel does not tell.
pub fn features(ifindex: u32) -> Option<XdpFeatures> {
    libbpf_log::silence();
    // Only attaching looks at the descriptor.
    let any = std::io::stdin();
    let state = Xdp::new(any.as_fd()).query(i32::try_from(ifindex).ok()?, XdpFlags::NONE).ok()?;
    XdpFeatures::told(state.feature_flags, release())
}

/// Names under which drivers count the frames that passed the NIC's address filter, whatever became
/// of them then (igb, igc, e1000e; ixgbe; ice, i40e). Not those of the port: it counts what the
/// filter takes out as well.
const ARRIVED: [&str; 3] = ["rx_packets", "rx_pkts_nic", "rx_unicast"];

/// Frames that arrived, by the kernel's count or by the NIC's own, whichever is higher: some drivers
/// report to the kernel only what their queues took. `None`: there is no such interface here.
pub fn frames_counted(ifname: &str) -> Option<u64> {
    let list = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    let kernel = arrived(&list, ifname)?;
    let statistics = ethtool::statistics(ifname).unwrap_or_default();
    let port = statistics.iter().filter(|(name, _)| ARRIVED.contains(&name.as_str()));
    Some(port.map(|(_, frames)| *frames).fold(kernel, u64::max))
}

/// Frames received, and those dropped for want of a buffer.
fn arrived(list: &str, ifname: &str) -> Option<u64> {
    let counts = list.lines().find_map(|line| line.trim_start().strip_prefix(ifname)?.strip_prefix(':'))?;
    let counts: Vec<u64> = counts.split_whitespace().map_while(|count| count.parse().ok()).collect();
    let [_bytes, packets, _errors, dropped, overruns, ..] = *counts.as_slice() else { return None };
    Some(packets + dropped + overruns)
}

/// The running kernel's release: its first two numbers.
pub fn release() -> Option<(u32, u32)> {
    version(&uname().ok()?.release().to_string_lossy())
}

/// The first two numbers of a release.
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The link that keeps a program attached; `None` also where only `CAP_SYS_ADMIN` may know.
pub fn link_of(program_id: u32) -> Option<u32> {
    LinkInfoIter::default().find(|link| link.prog_id == program_id).map(|link| link.id)
}

/// Whether the running kernel has a type of this name, by its BTF. `None`: it has no BTF.
pub fn kernel_has_type(name: &str) -> Option<bool> {
    libbpf_log::silence();
    let btf = Btf::from_vmlinux().ok()?;
    Some(btf.type_by_name::<Struct<'_>>(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_means_none_where_drivers_tell() {
        assert_eq!(XdpFeatures::told(0, Some((6, 2))), None);
        assert_eq!(XdpFeatures::told(0, None), None);
        assert_eq!(XdpFeatures::told(0, Some((6, 3))), Some(XdpFeatures(0)));
        assert_eq!(XdpFeatures::told(0b1011, Some((5, 14))), Some(XdpFeatures::from_bits(0b1011))); // backported
        assert!(!XdpFeatures(0).native() && !XdpFeatures(0).zero_copy());
    }

    #[test]
    fn frames_of_an_interface_are_read_from_the_list() {
        let list = "Inter-|   Receive                            |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n\
            \x20 eth0: 1000    20    0    3    1     0          0         0     7     1 0 0 0 0 0 0\n\
            eth01:5 6 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!((arrived(list, "eth0"), arrived(list, "eth01")), (Some(24), Some(6)));
        assert_eq!((arrived(list, "eth"), arrived(list, "eth1")), (None, None));
        assert!(frames_counted("lo").is_some() && frames_counted("hf-nowhere").is_none());
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        for (release, expected) in [
            ("6.18.44-fc-v657", Some((6, 18))),
            ("5.9.0", Some((5, 9))),
            ("6.1.0-13-amd64", Some((6, 1))),
            ("odd", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
