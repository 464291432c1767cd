//! The calls that libbpf-rs has no wrapper for: creating a link with flags, and detaching it.

#![allow(unsafe_code, reason = "bpf_link_create and bpf_link_detach are C functions")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;

/// The attachment of a program to an interface. It ends when this value is dropped or the process ends.
///
/// Dropping detaches explicitly. Closing the descriptor detaches only once no duplicate is left, and
/// there is one while another thread starts a process: the next attachment would find the interface busy.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Drop for Link {
    fn drop(&mut self) {
        // SAFETY: a plain number that the kernel checks. The call fails if the interface is gone, and the
        // link with it; after any other failure closing the descriptor detaches.
        unsafe { libbpf_sys::bpf_link_detach(self.0.as_raw_fd()) };
    }
}

/// Attaches an XDP program to an interface of this network namespace. `flags` is one of
/// `XDP_FLAGS_DRV_MODE` and `XDP_FLAGS_SKB_MODE`.
pub(super) fn attach_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<Link> {
    let target = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        flags,
        ..Default::default()
    };
    // SAFETY: `options` outlives the call and has its own size in it; both descriptors are plain numbers
    // that the kernel checks.
    let fd = unsafe {
        libbpf_sys::bpf_link_create(program.as_raw_fd(), target, libbpf_sys::BPF_XDP, &raw const options)
    };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd));
    }
    // SAFETY: the descriptor is new, and this value alone has it.
    Ok(Link(unsafe { OwnedFd::from_raw_fd(fd) }))
}
