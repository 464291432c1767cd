use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, Weak},
};

use crate::{observe::Counter, xdp::socket};

/// What a queue counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    pub received: u64,
    /// Handed to the transmit ring.
    pub transmitted: u64,
    /// System calls made to send.
    pub wakeups: u64,
    /// Wake-ups that moved nothing (EAGAIN, EBUSY, ENOBUFS): tried again at the next flush.
    pub wakeup_stalls: u64,
    /// Wake-ups while the interface was down.
    pub link_down: u64,
    /// Flushes that left frames behind because the transmit ring was full.
    pub tx_ring_full: u64,
    /// Descriptors from the kernel that named no frame it had, or lay outside of one.
    pub bad_descriptors: u64,
    /// Descriptors of packets that lie in several frames: we reassemble none.
    pub split: u64,
    /// Frames given to `transmit` with an impossible length, or to a queue that is not theirs.
    pub misused: u64,
}

/// [`QueueCounters`] as the queue writes them: on lines of their own, so that who reads them costs
/// the queue nothing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(in crate::xdp) struct LiveCounters {
    pub(super) received: Counter,
    pub(super) transmitted: Counter,
    pub(super) wakeups: Counter,
    pub(super) wakeup_stalls: Counter,
    pub(super) link_down: Counter,
    pub(super) tx_ring_full: Counter,
    pub(super) bad_descriptors: Counter,
    pub(super) split: Counter,
    pub(super) misused: Counter,
}

impl LiveCounters {
    pub(super) fn read(&self) -> QueueCounters {
        QueueCounters {
            received: self.received.value(),
            transmitted: self.transmitted.value(),
            wakeups: self.wakeups.value(),
            wakeup_stalls: self.wakeup_stalls.value(),
            link_down: self.link_down.value(),
            tx_ring_full: self.tx_ring_full.value(),
            bad_descriptors: self.bad_descriptors.value(),
            split: self.split.value(),
            misused: self.misused.value(),
        }
    }
}

/// What the kernel counts for a socket (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Dropped for other reasons, such as a frame that is too long.
    pub rx_dropped: u64,
    pub rx_invalid_descs: u64,
    pub tx_invalid_descs: u64,
    pub rx_ring_full: u64,
    pub rx_fill_ring_empty: u64,
    pub tx_ring_empty: u64,
}

/// A queue's counts for other threads, while it works and after its end. It does not keep the
/// socket: the queue's end is its socket's end, however many look on.
#[derive(Clone, Debug)]
pub struct QueueWatch {
    pub(super) ifname: String,
    pub(super) queue: u32,
    pub(super) counters: Arc<LiveCounters>,
    pub(super) socket: Weak<OwnedFd>,
}

impl QueueWatch {
    /// The interface's name.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The queue's number on its interface.
    pub fn number(&self) -> u32 {
        self.queue
    }

    pub fn counters(&self) -> QueueCounters {
        self.counters.read()
    }

    /// The kernel's own counts. Needs no privileges.
    ///
    /// # Errors
    /// The queue has ended, or what the kernel says.
    pub fn statistics(&self) -> io::Result<Statistics> {
        let socket = self.socket.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        socket::statistics(socket.as_raw_fd())
    }
}
