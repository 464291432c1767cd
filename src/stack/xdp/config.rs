use super::{XdpError, sizing::FRAME_SIZES};

/// Bytes that the kernel keeps free before the data of every received frame (`XDP_PACKET_HEADROOM`).
pub(super) const KERNEL_HEADROOM: u32 = 256;

/// Whether frames are copied between the driver and the UMEM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// Zero-copy if the driver supports it, otherwise copy; see [`EffectiveConfig::zero_copy`].
    #[default]
    Auto,
    /// Copy, even if the driver supports zero-copy.
    Copy,
    /// Zero-copy; opening fails if the driver does not support it.
    ZeroCopy,
}

/// The default size of a ring, in frames.
pub const RING: u32 = 2048;

/// The configuration of a queue. Sizes of rings are in frames, powers of two.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// The interface's name.
    pub ifname: String,
    /// Its index in the calling thread's network namespace.
    pub ifindex: u32,
    /// The receive queue, from 0.
    pub queue: u32,
    /// Frames of the UMEM, fixed while the queue exists.
    pub frames: u32,
    /// Bytes of a frame, 256 of which are the kernel's headroom: 2048 or 4096.
    pub frame_size: u32,
    /// The fill ring. Also limits the frames that wait for reception; the others are left for transmission.
    pub fill_ring: u32,
    /// The receive ring, at most as large as the fill ring.
    pub rx_ring: u32,
    /// The transmit ring.
    pub tx_ring: u32,
    /// The completion ring, at least as large as the transmit ring.
    pub completion_ring: u32,
    /// Whether frames are copied.
    pub copy: CopyMode,
    /// Lets the driver sleep until it is woken (`XDP_USE_NEED_WAKEUP`). Copy mode always needs a wake-up to
    /// transmit.
    pub need_wakeup: bool,
    /// Uses 2 MiB pages, or 4 KiB pages with a note if none are reserved.
    pub hugepages: bool,
    /// Maximum number of frames that one wake-up sends in copy mode (`XDP_MAX_TX_SKB_BUDGET`).
    pub tx_budget: u32,
}

impl QueueConfig {
    /// The default configuration of one queue.
    pub fn new(ifname: &str, ifindex: u32, queue: u32) -> QueueConfig {
        QueueConfig {
            ifname: ifname.to_owned(),
            ifindex,
            queue,
            frames: 2 * RING,
            frame_size: 2048,
            fill_ring: RING,
            rx_ring: RING,
            tx_ring: RING,
            completion_ring: RING,
            copy: CopyMode::Auto,
            need_wakeup: true,
            hugepages: false,
            tx_budget: 512,
        }
    }

    /// Sets all rings to `frames` entries, and the UMEM to twice as many frames.
    pub fn set_rings(&mut self, frames: u32) {
        (self.fill_ring, self.rx_ring, self.tx_ring, self.completion_ring) = (frames, frames, frames, frames);
        self.frames = frames.saturating_mul(2);
    }

    /// Bytes of a packet, link header included, that a frame holds.
    pub fn capacity(&self) -> u32 {
        self.frame_size.saturating_sub(KERNEL_HEADROOM)
    }

    /// Frames that wait for reception: at most half of them, the others are left for transmission.
    pub(super) fn fill_target(&self) -> u32 {
        self.fill_ring.min(self.frames / 2)
    }

    /// Bytes of memory that the kernel pins.
    pub fn memory(&self) -> u64 {
        u64::from(self.frames) * u64::from(self.frame_size)
    }

    /// Explains what the kernel would refuse with EINVAL.
    pub(super) fn check(&self) -> Result<(), XdpError> {
        let refuse =
            |what: String| Err(XdpError::Config { ifname: self.ifname.clone(), queue: self.queue, what });
        for (name, size) in [
            ("fill", self.fill_ring),
            ("rx", self.rx_ring),
            ("tx", self.tx_ring),
            ("completion", self.completion_ring),
        ] {
            if !size.is_power_of_two() {
                return refuse(format!("the {name} ring has {size} entries; it needs a power of two"));
            }
        }
        if self.fill_ring < self.rx_ring || self.completion_ring < self.tx_ring {
            return refuse("the fill ring must hold the rx ring, and the completion ring the tx ring".into());
        }
        if !FRAME_SIZES.contains(&self.frame_size) {
            return refuse(format!("frames of {} bytes; the kernel takes 2048 or 4096", self.frame_size));
        }
        if self.frames < 2 || self.frames.checked_mul(self.frame_size).is_none() {
            return refuse(format!("{} frames; from 2 to 4 GiB in all", self.frames));
        }
        Ok(())
    }
}

/// The active settings of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfig {
    /// Whether frames are not copied.
    pub zero_copy: bool,
    /// Whether the UMEM has 2 MiB pages.
    pub hugepages: bool,
    /// Maximum number of frames that one wake-up sends in copy mode.
    pub tx_budget: u32,
    /// Requested settings that are not available, one sentence each.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_accepted() {
        let config = QueueConfig::new("eth0", 2, 0);
        assert!(config.check().is_ok());
        assert_eq!(config.capacity(), 1792);
    }

    #[test]
    fn impossible_sizes_are_named() {
        type Change = fn(&mut QueueConfig);
        let rows: [(Change, &str); 7] = [
            (|c| c.rx_ring = 1000, "the rx ring has 1000"),
            (|c| c.tx_ring = 0, "the tx ring has 0"),
            (|c| c.fill_ring = 1024, "must hold the rx ring"),
            (|c| c.completion_ring = 1024, "must hold the rx ring"),
            (|c| c.frame_size = 3000, "frames of 3000"),
            (|c| c.frames = 1, "1 frames"),
            (|c| c.frames = u32::MAX, "frames; from 2"),
        ];
        for (change, part) in rows {
            let mut config = QueueConfig::new("eth0", 2, 3);
            change(&mut config);
            let text = config.check().expect_err(part).to_string();
            assert!(text.contains(part) && text.contains("eth0") && text.contains("queue 3"), "{text}");
        }
    }
}
