//! AF_XDP socket options that libxdp does not offer.
#![allow(unsafe_code, reason = "getsockopt and setsockopt take pointers, and nix knows no SOL_XDP")]

use std::{io, mem, os::fd::RawFd};

use super::Statistics;

/// `XDP_MAX_TX_SKB_BUDGET`, since Linux 6.17.
const MAX_TX_SKB_BUDGET: libc::c_int = 9;
/// What one wake-up sends where the option does not exist (`TX_BATCH_SIZE`).
pub(super) const DEFAULT_TX_BUDGET: u32 = 32;

/// Whether the socket is bound in zero-copy mode (`XDP_OPTIONS`).
pub(super) fn zero_copy(fd: RawFd) -> io::Result<bool> {
    Ok(read(fd, libc::XDP_OPTIONS)? & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Lets one wake-up send up to `frames` in copy mode; says what the kernel now has.
pub(super) fn raise_tx_budget(fd: RawFd, frames: u32) -> io::Result<u32> {
    write(fd, MAX_TX_SKB_BUDGET, frames)?;
    Ok(frames)
}

/// What the kernel has counted for the socket (`XDP_STATISTICS`). Needs no privileges.
pub(super) fn statistics(fd: RawFd) -> io::Result<Statistics> {
    let mut counts = libc::xdp_statistics {
        rx_dropped: 0,
        rx_invalid_descs: 0,
        tx_invalid_descs: 0,
        rx_ring_full: 0,
        rx_fill_ring_empty_descs: 0,
        tx_ring_empty_descs: 0,
    };
    let mut len = mem::size_of_val(&counts) as libc::socklen_t;
    let into = (&raw mut counts).cast();
    // SAFETY: `counts` and `len` are live for the call, and `len` is the size of `counts`.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_XDP, libc::XDP_STATISTICS, into, &raw mut len) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Statistics {
        rx_dropped: counts.rx_dropped,
        rx_invalid_descs: counts.rx_invalid_descs,
        tx_invalid_descs: counts.tx_invalid_descs,
        rx_ring_full: counts.rx_ring_full,
        rx_fill_ring_empty: counts.rx_fill_ring_empty_descs,
        tx_ring_empty: counts.tx_ring_empty_descs,
    })
}

fn read(fd: RawFd, option: libc::c_int) -> io::Result<u32> {
    let mut value = 0u32;
    let mut len = mem::size_of::<u32>() as libc::socklen_t;
    // SAFETY: `value` and `len` are live for the call, and `len` is the size of `value`. The only
    // option read, XDP_OPTIONS, is a struct of one u32.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_XDP, option, (&raw mut value).cast(), &raw mut len) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

fn write(fd: RawFd, option: libc::c_int, value: u32) -> io::Result<()> {
    let len = mem::size_of::<u32>() as libc::socklen_t;
    // SAFETY: `value` is live for the call and `len` is its size.
    let result = unsafe { libc::setsockopt(fd, libc::SOL_XDP, option, (&raw const value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
