use super::{XdpError, sizing::FRAME_SIZES};

/// Bytes the kernel keeps free in front of the data of every received frame
/// (`XDP_PACKET_HEADROOM`).
pub(super) const KERNEL_HEADROOM: u32 = 256;

/// Whether frames are copied between the driver and the UMEM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// Zero-copy where the driver has it, otherwise copy. What came of it is in [`EffectiveConfig`].
    #[default]
    Auto,
    Copy,
    /// Fails where the driver does not have it.
    ZeroCopy,
}

/// Frames of a ring, if nothing else is said.
pub const RING: u32 = 2048;

/// What can be chosen for a queue. Sizes of rings are powers of two, in frames.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    pub ifname: String,
    pub ifindex: u32,
    /// The receive queue, from 0.
    pub queue: u32,
    /// Buffers in the UMEM. Fixed while running.
    pub frames: u32,
    /// Bytes per buffer, 256 of which are the kernel's headroom: 2048 or 4096.
    pub frame_size: u32,
    /// Also the most frames that wait for reception: the others stay for transmission.
    pub fill_ring: u32,
    /// No larger than the fill ring.
    pub rx_ring: u32,
    pub tx_ring: u32,
    /// No smaller than the transmit ring.
    pub completion_ring: u32,
    pub copy: CopyMode,
    /// Let the driver sleep until woken (`XDP_USE_NEED_WAKEUP`). Copy mode transmits only when
    /// woken, with or without.
    pub need_wakeup: bool,
    /// Try 2 MiB pages; without any reserved, 4 KiB pages and a note.
    pub hugepages: bool,
    /// Frames that one wake-up may send in copy mode (`XDP_MAX_TX_SKB_BUDGET`).
    pub tx_budget: u32,
}

impl QueueConfig {
    /// One queue of an interface, everything else at its default.
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

    /// All rings with room for so many frames, and twice as many frames.
    pub fn set_rings(&mut self, frames: u32) {
        (self.fill_ring, self.rx_ring, self.tx_ring, self.completion_ring) = (frames, frames, frames, frames);
        self.frames = frames.saturating_mul(2);
    }

    /// Bytes a frame holds.
    pub fn capacity(&self) -> u32 {
        self.frame_size.saturating_sub(KERNEL_HEADROOM)
    }

    /// Frames that wait for reception: half of them at most, the others stay for transmission.
    pub(super) fn fill_target(&self) -> u32 {
        self.fill_ring.min(self.frames / 2)
    }

    /// Bytes of memory that the kernel pins.
    pub fn memory(&self) -> u64 {
        u64::from(self.frames) * u64::from(self.frame_size)
    }

    /// What the kernel would refuse with a bare EINVAL, said in words.
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

/// What is really active on a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveConfig {
    pub zero_copy: bool,
    pub hugepages: bool,
    /// Frames that one wake-up may send in copy mode.
    pub tx_budget: u32,
    /// What was asked for and could not be had, one sentence each.
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
        for (change, said) in rows {
            let mut config = QueueConfig::new("eth0", 2, 3);
            change(&mut config);
            let text = config.check().expect_err(said).to_string();
            assert!(text.contains(said) && text.contains("eth0") && text.contains("queue 3"), "{text}");
        }
    }
}
