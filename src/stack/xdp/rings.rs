//! The UMEM's registration, the AF_XDP socket and its four rings.
//!
//! The fill ring exists from the registration on, and is filled before the socket is bound: a driver in
//! zero-copy mode takes its first buffers during the bind, and may never look again if there are none.
#![allow(unsafe_code, reason = "only this file knows which ring of a socket holds which entries")]

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixDatagram,
    },
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, send},
};

use super::{
    CopyMode, KernelEnd, QueueConfig,
    frame::Descriptor,
    ring::{Consumer, Producer, in_memory},
    socket,
    umem::Umem,
};

/// The offset at which a socket's fill ring is mapped: beyond 32 bits.
const FILL_RING: libc::off_t = libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t;
const COMPLETION_RING: libc::off_t = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;
const _: () = assert!(size_of::<libc::off_t>() == 8);

/// A registered UMEM with its fill and completion rings; the socket is not bound to a queue yet.
#[derive(Debug)]
pub(super) struct Unbound {
    socket: OwnedFd,
    fill: Producer<u64>,
    completion: Consumer<u64>,
}

/// A bound socket. Each method is at most one call on one ring.
///
/// Frames that are produced belong to the kernel: every descriptor must be checked against the socket's
/// own memory, and its frame must have no other owner. `Queue` ensures it by its ledger.
#[derive(Debug)]
pub(super) struct Rings {
    fill: Producer<u64>,
    completion: Consumer<u64>,
    rx: Consumer<Descriptor>,
    tx: Producer<Descriptor>,
    socket: OwnedFd,
}

impl Unbound {
    /// Opens a socket and registers the memory as its UMEM. The memory must outlive the socket.
    pub(super) fn register(config: &QueueConfig, memory: &Umem) -> io::Result<Unbound> {
        let socket = socket::open()?;
        let fd = socket.as_fd();
        socket::register_umem(fd, memory, config.frame_size)?;
        socket::set(fd, libc::XDP_UMEM_FILL_RING, config.fill_ring)?;
        socket::set(fd, libc::XDP_UMEM_COMPLETION_RING, config.completion_ring)?;
        let offsets = socket::mmap_offsets(fd)?;
        // SAFETY: both rings were just made with these sizes and hold addresses; they are mapped here
        // only, once per socket.
        let (fill, completion) = unsafe {
            (
                Producer::map(fd, FILL_RING, &offsets.fr, config.fill_ring)?,
                Consumer::map(fd, COMPLETION_RING, &offsets.cr, config.completion_ring)?,
            )
        };
        Ok(Unbound { socket, fill, completion })
    }

    /// Puts frames into the fill ring: all or none. Returns their number.
    pub(super) fn fill(&mut self, addresses: &[u64]) -> usize {
        self.fill.produce(addresses)
    }

    /// Frames in the fill ring that the kernel has not taken.
    #[cfg(test)]
    pub(super) fn filled(&self) -> u32 {
        self.fill.waiting()
    }

    /// Makes the receive and transmit rings, and binds the socket. No program is loaded.
    pub(super) fn bind(self, config: &QueueConfig) -> io::Result<Rings> {
        let Unbound { socket, fill, completion } = self;
        let fd = socket.as_fd();
        socket::set(fd, libc::XDP_RX_RING, config.rx_ring)?;
        socket::set(fd, libc::XDP_TX_RING, config.tx_ring)?;
        let offsets = socket::mmap_offsets(fd)?;
        // SAFETY: both rings were just made with these sizes and hold descriptors; they are mapped here
        // only, once per socket.
        let (rx, tx) = unsafe {
            (
                Consumer::map(fd, libc::XDP_PGOFF_RX_RING, &offsets.rx, config.rx_ring)?,
                Producer::map(fd, libc::XDP_PGOFF_TX_RING, &offsets.tx, config.tx_ring)?,
            )
        };
        socket::bind(fd, config.ifindex, config.queue, bind_flags(config))?;
        Ok(Rings { fill, completion, rx, tx, socket })
    }
}

fn bind_flags(config: &QueueConfig) -> u16 {
    let copy = match config.copy {
        CopyMode::Auto => 0,
        CopyMode::Copy => libc::XDP_COPY,
        CopyMode::ZeroCopy => libc::XDP_ZEROCOPY,
    };
    if config.need_wakeup { copy | libc::XDP_USE_NEED_WAKEUP } else { copy }
}

impl Rings {
    /// Rings in plain memory, and their other ends. `socket` is woken as an AF_XDP socket is.
    pub(super) fn in_memory(
        config: &QueueConfig,
        socket: OwnedFd,
        peer: UnixDatagram,
        memory: Umem,
    ) -> io::Result<(Rings, KernelEnd)> {
        let (fill, kernel_fill) = in_memory(config.fill_ring)?;
        let (kernel_completion, completion) = in_memory(config.completion_ring)?;
        let (kernel_rx, rx) = in_memory(config.rx_ring)?;
        let (tx, kernel_tx) = in_memory(config.tx_ring)?;
        let kernel = KernelEnd {
            fill: kernel_fill,
            completion: kernel_completion,
            rx: kernel_rx,
            tx: kernel_tx,
            memory,
            socket: peer,
        };
        Ok((Rings { fill, completion, rx, tx, socket }, kernel))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Puts frames into the fill ring: all or none. Returns their number.
    #[inline]
    pub(super) fn fill(&mut self, addresses: &[u64]) -> usize {
        self.fill.produce(addresses)
    }

    /// Wakes a driver that waits for frames, if it asks for that.
    #[inline]
    pub(super) fn wake_fill(&mut self) {
        if self.fill.needs_wakeup() {
            // An error shows again in the next wake-up to send.
            let _ = self.poll(PollTimeout::ZERO);
        }
    }

    /// Takes up to `limit` received frames, as many as `out` has room for, each through `take`: their
    /// descriptors are unchecked. Ends with the first that `take` refuses, which is returned.
    #[inline]
    pub(super) fn receive<T>(
        &mut self,
        out: &mut Vec<T>,
        limit: usize,
        take: impl FnMut(Descriptor) -> Option<T>,
    ) -> Option<Descriptor> {
        self.rx.consume(out, limit, take)
    }

    /// Takes one received frame: its descriptor is unchecked.
    pub(super) fn receive_one(&mut self) -> Option<Descriptor> {
        self.rx.next()
    }

    /// Reads the kernel's position in the transmit ring. Returns the number of free entries.
    pub(super) fn tx_room(&mut self) -> usize {
        self.tx.free(u32::MAX) as usize
    }

    /// Writes a frame into the transmit ring, for the next [`submit`](Rings::submit). Returns false if there
    /// was no room by the last reading of the kernel's position.
    #[inline]
    pub(super) fn transmit(&mut self, addr: u64, len: u32) -> bool {
        // Any other option is an invalid descriptor to the kernel.
        self.tx.push(Descriptor::new(addr, len, 0))
    }

    /// Frames in the transmit ring that are not submitted.
    #[inline]
    pub(super) fn tx_written(&self) -> u32 {
        self.tx.unpublished()
    }

    /// Their descriptors, read back: unchecked.
    pub(super) fn tx_descriptors(&self) -> impl ExactSizeIterator<Item = Descriptor> {
        self.tx.written()
    }

    /// Shows the kernel the frames written into the transmit ring. Returns their number.
    #[inline]
    pub(super) fn submit(&mut self) -> u32 {
        self.tx.publish()
    }

    /// Frames in the transmit ring that the kernel has not taken.
    #[inline]
    pub(super) fn tx_waiting(&self) -> u32 {
        self.tx.waiting()
    }

    /// Whether the driver asks to be woken to send.
    #[inline]
    pub(super) fn tx_needs_wakeup(&self) -> bool {
        self.tx.needs_wakeup()
    }

    /// Makes the kernel read the transmit ring. Fails if the interface is down or gone.
    #[inline]
    pub(super) fn wake_tx(&self) -> Result<(), Errno> {
        send(self.fd(), &[], MsgFlags::MSG_DONTWAIT).map(drop)
    }

    /// Takes all frames that were sent, as [`receive`](Rings::receive) does: their addresses are unchecked.
    #[inline]
    pub(super) fn completed<T>(
        &mut self,
        out: &mut Vec<T>,
        take: impl FnMut(u64) -> Option<T>,
    ) -> Option<u64> {
        self.completion.consume(out, usize::MAX, take)
    }

    /// Waits for a received frame, up to `timeout_ms`, or for a signal.
    pub(super) fn wait(&mut self, timeout_ms: i32) -> io::Result<bool> {
        self.poll(PollTimeout::try_from(timeout_ms).unwrap_or(PollTimeout::NONE))
    }

    fn poll(&self, timeout: PollTimeout) -> io::Result<bool> {
        match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}
