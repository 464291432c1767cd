//! Queries about XDP that need no attached program.

use std::os::fd::AsFd;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Struct;
use libbpf_rs::query::LinkInfoIter;
use libbpf_rs::{Xdp, XdpFlags};
use nix::sys::utsname::uname;

use super::{Device, Mode, Transmit, ethtool, libbpf_log};

/// The XDP features that a driver advertises (`NETDEV_XDP_ACT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u64);

/// The first release in which drivers advertise features.
const ADVERTISED_SINCE: (u32, u32) = (6, 3);

impl XdpFeatures {
    /// From `NETDEV_XDP_ACT_*` bits.
    pub const fn from_bits(bits: u64) -> XdpFeatures {
        XdpFeatures(bits)
    }

    /// From the flags of the reply. Without any, an older kernel does not report features, and a newer one
    /// reports that the driver has none.
    fn from_reply(flags: u64, release: Option<(u32, u32)>) -> Option<XdpFeatures> {
        let reported = flags != 0 || release.is_some_and(|release| release >= ADVERTISED_SINCE);
        reported.then_some(XdpFeatures(flags))
    }

    /// Native mode: the driver runs programs and supports the basic verdicts.
    pub fn native(self) -> bool {
        self.0 & 0b1 != 0
    }

    /// XDP_REDIRECT, which AF_XDP needs.
    pub fn redirect(self) -> bool {
        self.0 & 0b10 != 0
    }

    /// Frames of other interfaces, and of programs without their own way (`ndo_xdp_xmit`). A veth has it
    /// while its other end has NAPI.
    pub fn transmits(self) -> bool {
        self.0 & 0b100 != 0
    }

    /// AF_XDP without copying.
    pub fn zero_copy(self) -> bool {
        self.0 & 0b1000 != 0
    }
}

/// The features that the driver advertises; `None` before Linux 6.3.
pub fn features(ifindex: u32) -> Option<XdpFeatures> {
    libbpf_log::silence();
    // Only attaching uses the descriptor.
    let any = std::io::stdin();
    let state = Xdp::new(any.as_fd()).query(i32::try_from(ifindex).ok()?, XdpFlags::NONE).ok()?;
    XdpFeatures::from_reply(state.feature_flags, release())
}

/// How a program that is attached in this mode can send frames where they came from.
///
/// # Errors
/// Why it cannot, for the operator.
pub fn transmit(device: &Device, mode: Mode) -> Result<Transmit, String> {
    let is_veth = device.driver.as_deref() == Some("veth");
    match (mode, features(device.index)) {
        (Mode::Generic, _) => Ok(Transmit::Tx),
        (Mode::Native, Some(features)) if !features.native() => {
            Err("its driver does not support XDP_TX".to_owned())
        }
        (Mode::Native, Some(features)) if is_veth && features.transmits() => Ok(Transmit::Redirect),
        (Mode::Native, Some(_)) if is_veth => Err(
            "the other end of this veth takes no frames from a program: it needs GRO (`ethtool -K PEER gro on`) \
             or an XDP program"
                .to_owned(),
        ),
        (Mode::Native, None) if is_veth => Err(
            "this kernel does not say whether the other end of a veth takes frames from a program; Linux 6.3 \
             does"
                .to_owned(),
        ),
        (Mode::Native, _) => Ok(Transmit::Tx),
    }
}

/// The drivers' counters of frames that passed the NIC's address filter, dropped ones included (igb, igc,
/// e1000e; ixgbe; ice, i40e). The port's counters are unsuited: they include filtered frames.
const RECEIVED: [&str; 3] = ["rx_packets", "rx_pkts_nic", "rx_unicast"];

/// The number of frames that have arrived, dropped ones included: the kernel's counter or the NIC's own,
/// whichever is higher, since some drivers report only frames that reached a queue. `None`: there is no
/// such interface in this namespace.
pub fn frames_counted(ifname: &str) -> Option<u64> {
    let list = std::fs::read_to_string("/proc/thread-self/net/dev").ok()?;
    let kernel = received(&list, ifname)?;
    let statistics = ethtool::statistics(ifname).unwrap_or_default();
    let port = statistics.iter().filter(|(name, _)| RECEIVED.contains(&name.as_str()));
    Some(port.map(|(_, frames)| *frames).fold(kernel, u64::max))
}

/// Frames received, and those dropped without a free buffer.
fn received(list: &str, ifname: &str) -> Option<u64> {
    let counts = list.lines().find_map(|line| line.trim_start().strip_prefix(ifname)?.strip_prefix(':'))?;
    let counts: Vec<u64> = counts.split_whitespace().map_while(|count| count.parse().ok()).collect();
    let [_bytes, packets, _errors, dropped, overruns, ..] = *counts.as_slice() else { return None };
    Some(packets + dropped + overruns)
}

/// The first two numbers of the running kernel's release.
pub fn release() -> Option<(u32, u32)> {
    version(&uname().ok()?.release().to_string_lossy())
}

/// The first two numbers of a release, as "6.18" in "6.18.4-amd64".
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The id of the link that keeps a program attached; `None` also without `CAP_SYS_ADMIN`.
pub fn link_of(program_id: u32) -> Option<u32> {
    LinkInfoIter::default().find(|link| link.prog_id == program_id).map(|link| link.id)
}

/// Whether the running kernel has a struct of this name, by its BTF; `None` if it has no BTF.
pub fn kernel_has_type(name: &str) -> Option<bool> {
    libbpf_log::silence();
    let btf = Btf::from_vmlinux().ok()?;
    Some(btf.type_by_name::<Struct<'_>>(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_reply_means_none_where_drivers_report() {
        assert_eq!(XdpFeatures::from_reply(0, Some((6, 2))), None);
        assert_eq!(XdpFeatures::from_reply(0, None), None);
        assert_eq!(XdpFeatures::from_reply(0, Some((6, 3))), Some(XdpFeatures(0)));
        assert_eq!(XdpFeatures::from_reply(0b1011, Some((5, 14))), Some(XdpFeatures::from_bits(0b1011))); // backported
        assert!(!XdpFeatures(0).native() && !XdpFeatures(0).zero_copy());
    }

    #[test]
    fn frames_of_an_interface_are_read_from_the_list() {
        let list = "Inter-|   Receive                            |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n\
            \x20 eth0: 1000    20    0    3    1     0          0         0     7     1 0 0 0 0 0 0\n\
            eth01:5 6 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        assert_eq!((received(list, "eth0"), received(list, "eth01")), (Some(24), Some(6)));
        assert_eq!((received(list, "eth"), received(list, "eth1")), (None, None));
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
