//! Why the kernel refused zero-copy: it returns no more than an error number.

use nix::errno::Errno;

use super::{config::KERNEL_HEADROOM, sizing};

/// Bytes that every driver needs in addition to the MTU: header, FCS, one VLAN tag.
const MIN_HEADER: u32 = 22;

/// The device and the error of a bind in zero-copy mode that failed.
#[derive(Clone, Debug)]
pub(super) struct Refusal<'a> {
    pub errno: Errno,
    pub driver: Option<&'a str>,
    /// Whether the driver announces zero-copy; `None`: the kernel does not report it.
    pub advertised: Option<bool>,
    pub mtu: u32,
    pub frame_size: u32,
}

impl Refusal<'_> {
    /// The text after "zero-copy was refused: ".
    pub(super) fn why(&self) -> String {
        let Refusal { errno, driver, advertised, mtu, frame_size } = *self;
        if errno == Errno::EOPNOTSUPP && advertised != Some(true) {
            return "the driver has no zero-copy".to_owned();
        }
        if mtu + MIN_HEADER > frame_size.saturating_sub(KERNEL_HEADROOM) {
            let [small, large] = sizing::FRAME_SIZES;
            let fits = match frame_size == small {
                true => format!("frames of {large} bytes have room"),
                false => format!("{} fits", sizing::advised_mtu(frame_size)),
            };
            return format!(
                "an MTU of {mtu} is too large for frames of {frame_size} bytes ({errno}); {fits}"
            );
        }
        if driver == Some("virtio_net") {
            return format!(
                "virtio-net has zero-copy only where the hypervisor lets the device use the DMA API ({errno}); \
                 QEMU: -device virtio-net-pci,iommu_platform=on,disable-legacy=on"
            );
        }
        match advertised {
            Some(true) => format!(
                "the driver announces zero-copy, but the kernel refuses it for this device ({errno}); \
                 the kernel's log may have the cause"
            ),
            _ => format!("the kernel refuses it for this device ({errno})"),
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
            driver: Some("igb"),
            advertised: Some(true),
            mtu: 1500,
            frame_size: 4096,
        };
        for (refusal, part) in [
            (Refusal { errno: Errno::EOPNOTSUPP, advertised: None, ..igb.clone() }, "has no zero-copy"),
            (
                Refusal { errno: Errno::EOPNOTSUPP, advertised: Some(false), ..igb.clone() },
                "has no zero-copy",
            ),
            (Refusal { mtu: 1771, frame_size: 2048, ..igb.clone() }, "frames of 4096 bytes"),
            (Refusal { mtu: 3819, ..igb.clone() }, "3046 fits"),
            (Refusal { driver: Some("virtio_net"), ..igb.clone() }, "iommu_platform=on"),
            (igb.clone(), "the driver announces zero-copy"),
            (Refusal { advertised: None, ..igb.clone() }, "EINVAL"),
        ] {
            let why = refusal.why();
            assert!(why.contains(part), "{refusal:?}: {why}");
            let denies = why.contains("has no zero-copy");
            assert!(!denies || refusal.errno == Errno::EOPNOTSUPP, "{refusal:?}: {why}");
        }
    }
}
