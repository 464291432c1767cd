//! The socket and its four rings.
#![allow(unsafe_code, reason = "xsk-rs cannot know that the frames it is given are ours to give")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, send},
};
use xsk_rs::{
    CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue,
    config::{BindFlags, LibxdpFlags, QueueSize, SocketConfig},
};

use super::{
    Copy, QueueConfig,
    umem::{Memory, errno, invalid},
};

/// A bound socket. Each method is at most one call on one ring.
///
/// Producing hands frames to the kernel: every descriptor must be of the socket's own memory,
/// checked, and of a frame that nobody keeps. `Queue` proves it with its ledger.
#[derive(Debug)]
pub(super) struct Rings {
    fill: FillQueue,
    rx: RxQueue,
    tx: TxQueue,
    completion: CompQueue,
    tx_size: u32,
}

impl Rings {
    /// Makes the socket and binds it. The UMEM is used up if this fails: libxdp would share it
    /// with the next socket.
    pub(super) fn bind(config: &QueueConfig, memory: &Memory) -> io::Result<Rings> {
        let interface = config.ifname.parse().map_err(|_| invalid())?;
        // SAFETY: the UMEM is new and used for this one socket; no program is loaded by libxdp.
        let (tx, rx, rings) =
            unsafe { Socket::new(socket_config(config)?, memory.umem(), &interface, config.queue) }
                .map_err(errno)?;
        let (fill, completion) = rings.ok_or_else(invalid)?;
        Ok(Rings { fill, rx, tx, completion, tx_size: config.tx_ring })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.rx.fd().as_raw_fd()
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket is open for as long as `self.rx` lives, which the borrow ensures.
        unsafe { BorrowedFd::borrow_raw(self.fd()) }
    }

    /// Gives frames to receive into. All or none; says how many.
    #[inline]
    pub(super) fn fill(&mut self, frames: &[FrameDesc]) -> usize {
        // SAFETY: see the type; the caller has passed these frames to `Owner::Receive`.
        unsafe { self.fill.produce(frames) }
    }

    /// Wakes a driver that sleeps for want of frames, if it says so.
    #[inline]
    pub(super) fn wake_fill(&mut self) {
        if self.fill.needs_wakeup() {
            // A poll that fails says nothing that the next wake-up to send does not.
            let _ = self.fill.wakeup(self.rx.fd_mut(), 0);
        }
    }

    /// Takes received frames: their descriptors are unchecked.
    #[inline]
    pub(super) fn receive(&mut self, into: &mut [FrameDesc]) -> usize {
        // SAFETY: only descriptors are written; they are checked before any memory is touched.
        unsafe { self.rx.consume(into) }
    }

    /// Room in the transmit ring, counted up to `wanted` where the kernel has moved on.
    #[inline]
    pub(super) fn tx_room(&mut self, wanted: usize) -> usize {
        self.tx.nb_free(u32::try_from(wanted).unwrap_or(u32::MAX).min(self.tx_size)) as usize
    }

    /// Queues frames to send. All or none; says how many.
    #[inline]
    pub(super) fn transmit(&mut self, frames: &[FrameDesc]) -> usize {
        // SAFETY: see the type; the caller has passed these frames to `Owner::Transmit`.
        unsafe { self.tx.produce(frames) }
    }

    /// Frames in the transmit ring that the kernel has not taken.
    #[inline]
    pub(super) fn tx_waiting(&mut self) -> u32 {
        self.tx_size.saturating_sub(self.tx.nb_free_exact())
    }

    /// Whether the driver asks to be woken to send.
    #[inline]
    pub(super) fn tx_needs_wakeup(&self) -> bool {
        self.tx.needs_wakeup()
    }

    /// Has the kernel look at the transmit ring. Also fails if the interface is down or gone.
    #[inline]
    pub(super) fn wake_tx(&self) -> Result<(), Errno> {
        send(self.fd(), &[], MsgFlags::MSG_DONTWAIT).map(drop)
    }

    /// Takes frames that were sent: their descriptors are unchecked.
    #[inline]
    pub(super) fn completed(&mut self, into: &mut [FrameDesc]) -> usize {
        // SAFETY: only descriptors are written; they are checked before any memory is touched.
        unsafe { self.completion.consume(into) }
    }

    /// Waits until there is something to receive, for `timeout_ms`, or until a signal comes.
    pub(super) fn wait(&mut self, timeout_ms: i32) -> io::Result<bool> {
        match self.rx.poll(timeout_ms) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            other => other,
        }
    }
}

fn socket_config(config: &QueueConfig) -> io::Result<SocketConfig> {
    let mut flags = match config.copy {
        Copy::Auto => BindFlags::empty(),
        Copy::Copy => BindFlags::XDP_COPY,
        Copy::ZeroCopy => BindFlags::XDP_ZEROCOPY,
    };
    flags.set(BindFlags::XDP_USE_NEED_WAKEUP, config.need_wakeup);
    Ok(SocketConfig::builder()
        .rx_queue_size(QueueSize::new(config.rx_ring).map_err(|_| invalid())?)
        .tx_queue_size(QueueSize::new(config.tx_ring).map_err(|_| invalid())?)
        .bind_flags(flags)
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        .build())
}
