//! The size of a queue's frames, and the largest MTU whose packets fit them.
//!
//! In zero-copy mode the driver receives into the UMEM's frames directly. The kernel reserves 256 bytes of
//! a frame, and some drivers set the size of their buffers in whole KiB: 1,024 of 2,048 bytes are left, and
//! a longer packet arrives as two frames. 3,072 of 4,096 bytes are left.

use super::{CopyMode, Device, Mode, XdpError, config::KERNEL_HEADROOM, inspect::XdpFeatures};

/// The frame sizes that the kernel accepts, bytes: powers of two, at most a page.
pub const FRAME_SIZES: [u32; 2] = [2048, 4096];
/// Bytes of an Ethernet header with two VLAN tags.
const LINK_HEADER: u32 = 22;
/// Bytes that drivers add to the MTU: header, FCS, two VLAN tags.
const DRIVER_HEADER: u32 = 26;
/// The coarsest unit of a driver's buffer size, bytes (igb, igc, ixgbe).
const BUFFER_UNIT: u32 = 1024;

/// The largest MTU, in bytes, whose packets fit one frame of `frame_size` bytes.
pub fn largest_mtu(frame_size: u32) -> u32 {
    frame_size.saturating_sub(KERNEL_HEADROOM + LINK_HEADER)
}

/// The largest MTU, in bytes, whose packets fit one frame in zero-copy mode with every driver.
pub fn zero_copy_mtu(frame_size: u32) -> u32 {
    let buffer = frame_size.saturating_sub(KERNEL_HEADROOM) / BUFFER_UNIT * BUFFER_UNIT;
    buffer.saturating_sub(DRIVER_HEADER)
}

/// The MTU to recommend instead of a larger one: also fit for zero-copy, unless that is below 1,500.
pub fn advised_mtu(frame_size: u32) -> u32 {
    match zero_copy_mtu(frame_size) {
        fit @ 1500.. => fit,
        _ => largest_mtu(frame_size),
    }
}

/// The settings with which the queues of a device are opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// Bytes of a frame.
    pub frame_size: u32,
    /// Whether frames are copied.
    pub copy: CopyMode,
    /// A remark for the operator.
    pub note: Option<String>,
}

impl Sizing {
    /// Chooses the settings for one mode. `asked` is a requested frame size in bytes, `driver` the features
    /// that the driver advertises.
    ///
    /// # Errors
    /// Zero-copy was requested in generic mode, which copies every frame.
    pub fn choose(
        device: &Device,
        mode: Mode,
        copy: CopyMode,
        asked: Option<u32>,
        driver: Option<XdpFeatures>,
    ) -> Result<Sizing, XdpError> {
        let ifname = || device.name.clone();
        if mode == Mode::Generic {
            if copy == CopyMode::ZeroCopy {
                return Err(XdpError::ZeroCopyInGeneric { ifname: ifname() });
            }
            return Ok(Sizing {
                frame_size: asked.unwrap_or(smallest_for(device.mtu)),
                copy: CopyMode::Copy,
                note: None,
            });
        }
        let has = driver.map_or(!device.is_veth(), XdpFeatures::zero_copy);
        if copy == CopyMode::Copy || (copy == CopyMode::Auto && !has) {
            return Ok(Sizing { frame_size: asked.unwrap_or(smallest_for(device.mtu)), copy, note: None });
        }
        let [_, large] = FRAME_SIZES;
        let frame_size = asked.unwrap_or(large);
        let max = zero_copy_mtu(frame_size);
        if device.mtu <= max {
            return Ok(Sizing { frame_size, copy, note: None });
        }
        let fits = match frame_size == large {
            true => format!("an MTU of {max} fits"),
            false => format!("frames of {large} bytes have room"),
        };
        let why = format!(
            "an MTU of {} in frames of {frame_size} bytes: drivers whose buffers are whole KiB would split \
             longer packets; {fits}",
            device.mtu
        );
        Ok(match copy {
            CopyMode::Auto => Sizing {
                frame_size,
                copy: CopyMode::Copy,
                note: Some(format!("{}: frames are copied, since zero-copy has {why}", device.name)),
            },
            _ => Sizing { frame_size, copy, note: Some(format!("{}: zero-copy with {why}", device.name)) },
        })
    }
}

/// The smallest frame size for packets of this MTU.
fn smallest_for(mtu: u32) -> u32 {
    let [small, large] = FRAME_SIZES;
    if mtu <= largest_mtu(small) { small } else { large }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::inspect::XdpFeatures;

    fn device(driver: &str, mtu: u32) -> Device {
        let mut device = Device::open("lo").expect("lo");
        (device.name, device.driver, device.mtu) = ("eth0".into(), Some(driver.into()), mtu);
        device
    }

    #[test]
    fn what_fits_a_frame() {
        assert_eq!(FRAME_SIZES.map(largest_mtu), [1770, 3818]);
        assert_eq!(FRAME_SIZES.map(zero_copy_mtu), [998, 3046]);
        assert_eq!(FRAME_SIZES.map(advised_mtu), [1770, 3046]);
    }

    /// Driver, advertised features, MTU, mode, copy, requested size: frame size, copy, a part of the note.
    #[test]
    fn frames_are_large_where_zero_copy_may_be_taken() {
        use crate::xdp::CopyMode::{Auto, Copy as Copied, ZeroCopy};
        use Mode::{Generic, Native};
        let with = Some(XdpFeatures::from_bits(0b1011));
        let without = Some(XdpFeatures::from_bits(0b11));
        for (driver, features, mtu, mode, copy, asked, size, then, note) in [
            ("igb", with, 1500, Native, Auto, None, 4096, Auto, ""),
            ("igb", with, 1500, Native, ZeroCopy, None, 4096, ZeroCopy, ""),
            ("igb", with, 1500, Native, Copied, None, 2048, Copied, ""),
            ("igb", with, 1500, Generic, Auto, None, 2048, Copied, ""),
            ("igb", with, 3046, Native, Auto, None, 4096, Auto, ""),
            ("igb", with, 3047, Native, Auto, None, 4096, Copied, "an MTU of 3046 fits"),
            ("igb", with, 1500, Native, Auto, Some(2048), 2048, Copied, "frames of 4096 bytes have room"),
            (
                "igb",
                with,
                1500,
                Native,
                ZeroCopy,
                Some(2048),
                2048,
                ZeroCopy,
                "frames of 4096 bytes have room",
            ),
            ("igb", without, 1500, Native, Auto, None, 2048, Auto, ""),
            ("igb", None, 1500, Native, Auto, None, 4096, Auto, ""), // before Linux 6.3
            ("veth", None, 1500, Native, Auto, None, 2048, Auto, ""),
            ("veth", without, 1771, Native, Auto, None, 4096, Auto, ""),
            ("veth", without, 1500, Generic, Auto, Some(4096), 4096, Copied, ""),
        ] {
            let row = format!("{driver} {features:?} {mtu} {mode} {copy:?} {asked:?}");
            let sizing = Sizing::choose(&device(driver, mtu), mode, copy, asked, features).expect("possible");
            assert_eq!((sizing.frame_size, sizing.copy), (size, then), "{row}");
            let text = sizing.note.unwrap_or_default();
            assert_eq!(text.is_empty(), note.is_empty(), "{row}: {text}");
            assert!(text.contains(note), "{row}: {text}");
        }
    }

    #[test]
    fn generic_mode_has_no_zero_copy() {
        let error = Sizing::choose(&device("igb", 1500), Mode::Generic, CopyMode::ZeroCopy, None, None);
        let text = error.expect_err("impossible").to_string();
        assert!(text.contains("eth0") && text.contains("no zero-copy"), "{text}");
    }
}
