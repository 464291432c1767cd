//! The calls for which libbpf-rs has no wrapper: a link with flags, and its end.

#![allow(unsafe_code, reason = "bpf_link_create and bpf_link_detach are C functions")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;

/// A program's attachment to an interface. It ends with this value, and with the process.
///
/// Closing the descriptor alone would end it only once no copy is left, and while another thread
/// starts a process there is one: whoever attaches next would find the interface taken.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Drop for Link {
    fn drop(&mut self) {
        // SAFETY: a plain number that the kernel checks. It fails where the interface is gone, and the
        // link with it; what else it might be, closing does the rest.
        unsafe { libbpf_sys::bpf_link_detach(self.0.as_raw_fd()) };
    }
}

/// Attaches an XDP program to an interface of this network namespace. `flags` is one of
/// `XDP_FLAGS_DRV_MODE` and `XDP_FLAGS_SKB_MODE`.
pub fn attach_xdp(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<Link> {
    let target = i32::try_from(ifindex).map_err(|_| io::Error::from_raw_os_error(libc::ENODEV))?;
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as libbpf_sys::size_t,
        flags,
        ..Default::default()
    };
    // SAFETY: `options` outlives the call and says its own size; both descriptors are plain numbers
    // that the kernel checks.
    let fd = unsafe {
        libbpf_sys::bpf_link_create(program.as_raw_fd(), target, libbpf_sys::BPF_XDP, &raw const options)
    };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd));
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(Link(unsafe { OwnedFd::from_raw_fd(fd) }))
}
