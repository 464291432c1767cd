//! The UMEM's registration, the socket and its four rings, set up by libxdp.
//!
//! The fill ring exists from the registration on, and holds its frames before the socket is bound:
//! a driver in zero-copy mode takes its first buffers while it binds, and one that finds none may
//! not look again.
#![allow(unsafe_code, reason = "libxdp is a C library, and its rings are shared with the kernel")]

use std::{
    ffi::CString,
    io,
    os::fd::{BorrowedFd, RawFd},
    ptr::{self, NonNull},
};

use libxdp_sys::{
    XDP_COPY, XDP_USE_NEED_WAKEUP, XDP_ZEROCOPY, XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD, xsk_prod_nb_free,
    xsk_ring_cons, xsk_ring_prod, xsk_socket, xsk_socket__create, xsk_socket__delete, xsk_socket_config,
    xsk_socket_config__bindgen_ty_1, xsk_umem, xsk_umem__create, xsk_umem__delete, xsk_umem__fd,
    xsk_umem_config,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, send},
};

use super::{
    CopyMode, QueueConfig,
    frame::Descriptor,
    ring::{consume, needs_wakeup, no_consumer, no_producer, produce},
    umem::{Umem, invalid},
};

/// A registered UMEM with its fill and completion rings; no socket is bound to a queue yet.
#[derive(Debug)]
pub(super) struct Unbound(Rings);

/// A bound socket. Each method is at most one call on one ring.
///
/// Producing hands frames to the kernel: every descriptor must be of the socket's own memory,
/// checked, and of a frame that has no other use. `Queue` proves it with its ledger.
#[derive(Debug)]
pub(super) struct Rings {
    umem: NonNull<xsk_umem>,
    /// Null until it is bound.
    socket: *mut xsk_socket,
    mapped: NonNull<Mapped>,
    fd: RawFd,
    tx_size: u32,
}

/// libxdp's view of the rings. It keeps the addresses of these four to the end, so they stay in
/// one place, and are reached through pointers alone.
#[derive(Debug)]
struct Mapped {
    fill: xsk_ring_prod,
    completion: xsk_ring_cons,
    rx: xsk_ring_cons,
    tx: xsk_ring_prod,
}

// SAFETY: the UMEM, the socket and the rings belong to this value alone. libxdp keeps nothing in
// threads, and shares nothing between two UMEMs.
unsafe impl Send for Rings {}

impl Drop for Rings {
    fn drop(&mut self) {
        // SAFETY: both were made by libxdp and are ended once, here, the socket first; the rings,
        // which it reads meanwhile to unmap them, are freed after it.
        unsafe {
            if !self.socket.is_null() {
                xsk_socket__delete(self.socket);
            }
            xsk_umem__delete(self.umem.as_ptr());
            drop(Box::from_raw(self.mapped.as_ptr()));
        }
    }
}

impl Unbound {
    /// Registers the memory as a UMEM. It must outlive what comes of this.
    pub(super) fn register(config: &QueueConfig, memory: &Umem) -> io::Result<Unbound> {
        let (producer, consumer) = (no_producer(), no_consumer());
        let mapped = Mapped { fill: producer, completion: consumer, rx: consumer, tx: producer };
        let mapped = NonNull::from(Box::leak(Box::new(mapped)));
        let mut umem = ptr::null_mut();
        let sizes = xsk_umem_config {
            fill_size: config.fill_ring,
            comp_size: config.completion_ring,
            frame_size: config.frame_size,
            frame_headroom: 0,
            flags: 0,
        };
        // SAFETY: the area is mapped and as long as it says, by the contract for as long as the
        // UMEM lives; the rings live in `mapped`, which is freed after the UMEM.
        let result = unsafe {
            let at = mapped.as_ptr();
            let (fill, completion) = (&raw mut (*at).fill, &raw mut (*at).completion);
            let (area, len) = (memory.base().as_ptr().cast(), memory.len() as u64);
            xsk_umem__create(&raw mut umem, area, len, fill, completion, &raw const sizes)
        };
        match NonNull::new(umem).filter(|_| result == 0) {
            Some(umem) => {
                // SAFETY: the UMEM was just made.
                let fd = unsafe { xsk_umem__fd(umem.as_ptr()) };
                Ok(Unbound(Rings { umem, socket: ptr::null_mut(), mapped, fd, tx_size: config.tx_ring }))
            }
            None => {
                // SAFETY: from `Box::leak` above, and libxdp keeps no pointer when it fails.
                drop(unsafe { Box::from_raw(mapped.as_ptr()) });
                Err(from_libxdp(result))
            }
        }
    }

    /// Gives frames to receive into. All or none; says how many.
    pub(super) fn fill(&mut self, frames: &[Descriptor]) -> usize {
        self.0.fill(frames)
    }

    /// Frames in the fill ring that the kernel has not taken.
    #[cfg(test)]
    pub(super) fn filled(&mut self) -> u32 {
        // SAFETY: the ring is mapped, and `self` has it alone.
        unsafe { (*self.0.mapped.as_ptr()).fill.size - xsk_prod_nb_free(self.0.fill_ring(), u32::MAX) }
    }

    /// Makes the rings to receive and to send, and binds the socket. No program is loaded.
    pub(super) fn bind(mut self, config: &QueueConfig) -> io::Result<Rings> {
        let rings = &mut self.0;
        let ifname = CString::new(config.ifname.as_str()).map_err(|_| invalid())?;
        let how = socket_config(config);
        let at = rings.mapped.as_ptr();
        // SAFETY: the UMEM has no socket yet; all that is pointed to outlives the call, and the
        // rings outlive the socket.
        let result = unsafe {
            let (umem, rx, tx) = (rings.umem.as_ptr(), &raw mut (*at).rx, &raw mut (*at).tx);
            xsk_socket__create(
                &raw mut rings.socket,
                ifname.as_ptr(),
                config.queue,
                umem,
                rx,
                tx,
                &raw const how,
            )
        };
        if result != 0 {
            rings.socket = ptr::null_mut();
            return Err(from_libxdp(result));
        }
        Ok(self.0)
    }
}

impl Rings {
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket is open for as long as `self` lives, which the borrow ensures.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    fn fill_ring(&self) -> *mut xsk_ring_prod {
        // SAFETY: `mapped` is live; only the address is taken.
        unsafe { &raw mut (*self.mapped.as_ptr()).fill }
    }

    fn completion_ring(&self) -> *mut xsk_ring_cons {
        // SAFETY: as above.
        unsafe { &raw mut (*self.mapped.as_ptr()).completion }
    }

    fn rx_ring(&self) -> *mut xsk_ring_cons {
        // SAFETY: as above.
        unsafe { &raw mut (*self.mapped.as_ptr()).rx }
    }

    fn tx_ring(&self) -> *mut xsk_ring_prod {
        // SAFETY: as above.
        unsafe { &raw mut (*self.mapped.as_ptr()).tx }
    }

    /// Gives frames to receive into. All or none; says how many.
    #[inline]
    pub(super) fn fill(&mut self, frames: &[Descriptor]) -> usize {
        // SAFETY: the fill ring holds addresses; see the type for what may be given.
        unsafe { produce(self.fill_ring(), frames, |desc| desc.addr) }
    }

    /// Wakes a driver that sleeps for want of frames, if it says so.
    #[inline]
    pub(super) fn wake_fill(&mut self) {
        // SAFETY: the ring is mapped.
        if unsafe { needs_wakeup(self.fill_ring()) } {
            // A poll that fails says nothing that the next wake-up to send does not.
            let _ = self.poll(PollTimeout::ZERO);
        }
    }

    /// Takes received frames: their descriptors are unchecked.
    #[inline]
    pub(super) fn receive(&mut self, into: &mut [Descriptor]) -> usize {
        // SAFETY: the receive ring holds descriptors; `Descriptor` has their layout.
        unsafe { consume(self.rx_ring(), into, |desc: &Descriptor| *desc) }
    }

    /// Room in the transmit ring, counted up to `wanted` where the kernel has moved on.
    #[inline]
    pub(super) fn tx_room(&mut self, wanted: usize) -> usize {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).min(self.tx_size);
        // SAFETY: the ring is mapped, and `self` has it alone.
        unsafe { xsk_prod_nb_free(self.tx_ring(), wanted) as usize }
    }

    /// Queues frames to send. All or none; says how many.
    #[inline]
    pub(super) fn transmit(&mut self, frames: &[Descriptor]) -> usize {
        // SAFETY: the transmit ring holds descriptors; see the type for what may be given.
        unsafe { produce(self.tx_ring(), frames, |desc| *desc) }
    }

    /// Frames in the transmit ring that the kernel has not taken.
    #[inline]
    pub(super) fn tx_waiting(&mut self) -> u32 {
        // SAFETY: the ring is mapped, and `self` has it alone. Asked for a whole ring's room,
        // libxdp looks where the kernel is.
        self.tx_size.saturating_sub(unsafe { xsk_prod_nb_free(self.tx_ring(), self.tx_size) })
    }

    /// Whether the driver asks to be woken to send.
    #[inline]
    pub(super) fn tx_needs_wakeup(&self) -> bool {
        // SAFETY: the ring is mapped.
        unsafe { needs_wakeup(self.tx_ring()) }
    }

    /// Has the kernel look at the transmit ring. Also fails if the interface is down or gone.
    #[inline]
    pub(super) fn wake_tx(&self) -> Result<(), Errno> {
        send(self.fd, &[], MsgFlags::MSG_DONTWAIT).map(drop)
    }

    /// Takes frames that were sent: their descriptors are unchecked.
    #[inline]
    pub(super) fn completed(&mut self, into: &mut [Descriptor]) -> usize {
        // SAFETY: the completion ring holds addresses.
        unsafe { consume(self.completion_ring(), into, |&addr: &u64| Descriptor::new(addr)) }
    }

    /// Waits until there is something to receive, for `timeout_ms`, or until a signal comes.
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

fn socket_config(config: &QueueConfig) -> xsk_socket_config {
    let copy = match config.copy {
        CopyMode::Auto => 0,
        CopyMode::Copy => XDP_COPY,
        CopyMode::ZeroCopy => XDP_ZEROCOPY,
    };
    let wakeup = if config.need_wakeup { XDP_USE_NEED_WAKEUP } else { 0 };
    xsk_socket_config {
        rx_size: config.rx_ring,
        tx_size: config.tx_ring,
        __bindgen_anon_1: xsk_socket_config__bindgen_ty_1 {
            libxdp_flags: XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
        },
        xdp_flags: 0,
        bind_flags: (copy | wakeup) as u16,
    }
}

/// libxdp returns negative error numbers.
fn from_libxdp(result: i32) -> io::Error {
    if result < 0 { io::Error::from_raw_os_error(-result) } else { invalid() }
}
