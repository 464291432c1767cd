//! Why the kernel refused zero-copy: it says no more than an error number.

use nix::errno::Errno;

use super::{config::KERNEL_HEADROOM, sizing};

/// Bytes that every driver needs beside the MTU: header, FCS, one VLAN tag.
const LEAST_HEADER: u32 = 22;

/// What is known of the device when a bind in zero-copy mode fails.
#[derive(Clone, Debug)]
pub(super) struct Refusal<'a> {
    pub errno: Errno,
    pub ifname: &'a str,
    pub driver: Option<&'a str>,
    /// What the driver says of itself; `None`: the kernel does not tell.
    pub says: Option<bool>,
    pub mtu: u32,
    pub frame_size: u32,
}

impl Refusal<'_> {
    /// Behind "zero-copy was refused: ".
    pub(super) fn why(&self) -> String {
        let Refusal { errno, ifname, driver, says, mtu, frame_size } = *self;
        if errno == Errno::EOPNOTSUPP && says != Some(true) {
            return "the driver has no zero-copy".to_owned();
        }
        if mtu + LEAST_HEADER > frame_size.saturating_sub(KERNEL_HEADROOM) {
            let [small, large] = sizing::FRAME_SIZES;
            let cure = match frame_size == small {
                true => format!("--frame-size {large}"),
                false => format!("ip link set {ifname} mtu {}", sizing::advised_mtu(frame_size)),
            };
            return format!(
                "an MTU of {mtu} is too large for frames of {frame_size} bytes ({errno}); cure: {cure}"
            );
        }
        if driver == Some("virtio_net") {
            return format!(
                "virtio-net has it only where the hypervisor lets the device use the DMA API ({errno}); \
                 QEMU: -device virtio-net-pci,iommu_platform=on,disable-legacy=on"
            );
        }
        match says {
            Some(true) => format!(
                "the driver says that it has zero-copy, but the kernel does not take it for this device ({errno}); \
                 `dmesg | tail` may say more"
            ),
            _ => format!("the kernel does not take it for this device ({errno})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_reason() {
        let igb = Refusal {
            errno: Errno::EINVAL,
            ifname: "eth0",
            driver: Some("igb"),
            says: Some(true),
            mtu: 1500,
            frame_size: 4096,
        };
        for (refusal, part) in [
            (Refusal { errno: Errno::EOPNOTSUPP, says: None, ..igb.clone() }, "has no zero-copy"),
            (Refusal { errno: Errno::EOPNOTSUPP, says: Some(false), ..igb.clone() }, "has no zero-copy"),
            (Refusal { mtu: 1771, frame_size: 2048, ..igb.clone() }, "--frame-size 4096"),
            (Refusal { mtu: 3819, ..igb.clone() }, "ip link set eth0 mtu 3046"),
            (Refusal { driver: Some("virtio_net"), ..igb.clone() }, "iommu_platform=on"),
            (igb.clone(), "the driver says that it has zero-copy"),
            (Refusal { says: None, ..igb.clone() }, "EINVAL"),
        ] {
            let why = refusal.why();
            assert!(why.contains(part), "{refusal:?}: {why}");
            let denies = why.contains("has no zero-copy");
            assert!(!denies || refusal.errno == Errno::EOPNOTSUPP, "{refusal:?}: {why}");
        }
    }
}
