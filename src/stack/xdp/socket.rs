//! The calls on an AF_XDP socket: opening, options, the address it is bound to.
#![allow(unsafe_code, reason = "these calls take pointers, and nix has no SOL_XDP and no sockaddr_xdp")]

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use super::{Statistics, mapping::invalid, umem::Umem};

/// `XDP_MAX_TX_SKB_BUDGET`, since Linux 6.17.
const MAX_TX_SKB_BUDGET: libc::c_int = 9;
/// What one wake-up sends where the option does not exist (`TX_BATCH_SIZE`).
pub(super) const DEFAULT_TX_BUDGET: u32 = 32;

/// A new socket. Needs CAP_NET_RAW.
pub(super) fn open() -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    checked(fd)?;
    // SAFETY: the descriptor is new, and this value alone has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes `memory`, in frames of `frame_size` bytes, the socket's UMEM (`XDP_UMEM_REG`). The kernel
/// pins its pages.
pub(super) fn register_umem(socket: BorrowedFd<'_>, memory: &Umem, frame_size: u32) -> io::Result<()> {
    let registration = libc::xdp_umem_reg {
        addr: memory.base().as_ptr() as u64,
        len: memory.len() as u64,
        chunk_size: frame_size,
        headroom: 0,
        flags: 0,
        tx_metadata_len: 0,
    };
    write(socket.as_raw_fd(), libc::XDP_UMEM_REG, &registration)
}

/// Sets an option that is one number, such as the number of entries of a ring.
pub(super) fn set(socket: BorrowedFd<'_>, option: libc::c_int, value: u32) -> io::Result<()> {
    write(socket.as_raw_fd(), option, &value)
}

/// Where the parts of each ring lie in its mapping (`XDP_MMAP_OFFSETS`).
pub(super) fn mmap_offsets(socket: BorrowedFd<'_>) -> io::Result<libc::xdp_mmap_offsets> {
    let zero = || libc::xdp_ring_offset { producer: 0, consumer: 0, desc: 0, flags: 0 };
    let mut offsets = libc::xdp_mmap_offsets { rx: zero(), tx: zero(), fr: zero(), cr: zero() };
    let len = read(socket.as_raw_fd(), libc::XDP_MMAP_OFFSETS, &mut offsets)?;
    // Before Linux 5.4 the offsets have no flags, and another layout.
    if len == mem::size_of_val(&offsets) { Ok(offsets) } else { Err(invalid()) }
}

/// Binds the socket to a receive queue of an interface. `flags`: `XDP_COPY` and the like.
pub(super) fn bind(socket: BorrowedFd<'_>, ifindex: u32, queue: u32, flags: u16) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: flags,
        sxdp_ifindex: ifindex,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let len = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is live for the call and `len` is its size.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) })
}

/// Whether the socket is bound in zero-copy mode (`XDP_OPTIONS`).
pub(super) fn zero_copy(fd: RawFd) -> io::Result<bool> {
    let mut options = 0u32;
    read(fd, libc::XDP_OPTIONS, &mut options)?;
    Ok(options & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Lets one wake-up send up to `frames` in copy mode. Returns the kernel's new limit.
pub(super) fn raise_tx_budget(fd: RawFd, frames: u32) -> io::Result<u32> {
    write(fd, MAX_TX_SKB_BUDGET, &frames)?;
    Ok(frames)
}

/// The kernel's counters of the socket (`XDP_STATISTICS`). Needs no privileges.
pub(super) fn statistics(fd: RawFd) -> io::Result<Statistics> {
    let mut counts = libc::xdp_statistics {
        rx_dropped: 0,
        rx_invalid_descs: 0,
        tx_invalid_descs: 0,
        rx_ring_full: 0,
        rx_fill_ring_empty_descs: 0,
        tx_ring_empty_descs: 0,
    };
    read(fd, libc::XDP_STATISTICS, &mut counts)?;
    Ok(Statistics {
        rx_dropped: counts.rx_dropped,
        rx_invalid_descs: counts.rx_invalid_descs,
        tx_invalid_descs: counts.tx_invalid_descs,
        rx_ring_full: counts.rx_ring_full,
        rx_fill_ring_empty: counts.rx_fill_ring_empty_descs,
        tx_ring_empty: counts.tx_ring_empty_descs,
    })
}

/// Reads an option into `value`, a number or a struct of numbers: any bits are valid. Returns the
/// bytes that the kernel has written.
fn read<T: Copy>(fd: RawFd, option: libc::c_int, value: &mut T) -> io::Result<usize> {
    let mut len = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` and `len` are live for the call, and `len` is the size of `value`, past which
    // the kernel does not write.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_XDP, option, (&raw mut *value).cast(), &raw mut len) };
    checked(result)?;
    Ok(len as usize)
}

fn write<T>(fd: RawFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let len = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is live for the call and `len` is its size.
    checked(unsafe { libc::setsockopt(fd, libc::SOL_XDP, option, (&raw const *value).cast(), len) })
}

/// The error of a call that has returned a negative number.
fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
