use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, Weak},
};

use crate::{observe::Counter, xdp::socket};

/// Counters of a queue, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Frames taken from the receive ring.
    pub received: u64,
    /// Frames put into the transmit ring.
    pub transmitted: u64,
    /// System calls made to send.
    pub wakeups: u64,
    /// Wake-ups after which the kernel took no frame (EAGAIN, EBUSY, ENOBUFS); the next flush retries.
    pub wakeup_stalls: u64,
    /// Wake-ups while the interface was down.
    pub link_down: u64,
    /// Flushes that left frames queued because the transmit ring was full.
    pub tx_ring_full: u64,
    /// Descriptors from the kernel for a frame that it did not have, or that exceed the frame.
    pub bad_descriptors: u64,
    /// Descriptors of packets that are split over several frames, which are dropped.
    pub split: u64,
    /// Frames passed to `transmit` with an invalid length, or to another queue than their own.
    pub misused: u64,
}

/// [`QueueCounters`] as the queue writes them, on cache lines of their own: readers do not slow the
/// queue down.
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

/// The kernel's counters of a socket (`XDP_STATISTICS`), since it was bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames dropped for other reasons, such as a packet longer than a frame.
    pub rx_dropped: u64,
    /// Invalid descriptors in the fill ring.
    pub rx_invalid_descs: u64,
    /// Invalid descriptors in the transmit ring.
    pub tx_invalid_descs: u64,
    /// Frames dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// Times that the kernel found the fill ring empty.
    pub rx_fill_ring_empty: u64,
    /// Times that the kernel found the transmit ring empty.
    pub tx_ring_empty: u64,
}

/// The counters of a queue for other threads, while it runs and after it is dropped. It does not keep
/// the socket open: the socket is closed with the queue.
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

    /// The receive queue of the interface, from 0.
    pub fn queue_id(&self) -> u32 {
        self.queue
    }

    /// The queue's own counters.
    pub fn counters(&self) -> QueueCounters {
        self.counters.read()
    }

    /// The kernel's counters of the socket. Needs no privileges.
    ///
    /// # Errors
    /// `NotConnected`: the queue was dropped. Or the errno of getsockopt(2).
    pub fn statistics(&self) -> io::Result<Statistics> {
        let socket = self.socket.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        socket::statistics(socket.as_raw_fd())
    }
}
