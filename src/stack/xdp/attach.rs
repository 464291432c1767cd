use std::io;
use std::os::fd::BorrowedFd;

use libbpf_rs::query::{LinkInfoIter, LinkTypeInfo, ProgInfoIter};
use libbpf_rs::{Xdp, XdpFlags};
use nix::net::if_::if_nametoindex;

use super::libbpf_log;
use super::link::{self, Link};
use super::link_holder;
use super::mode::Mode;
use super::program_error::{AttachError, AttachedProgram};

/// Attaches a program to an interface until the returned link is dropped, or the process ends: a killed
/// process leaves nothing attached.
///
/// # Errors
/// [`AttachError`], with the fix.
pub fn attach(
    program: BorrowedFd<'_>,
    ifindex: u32,
    interface: &str,
    mode: Mode,
) -> Result<Link, AttachError> {
    libbpf_log::silence();
    link::attach_xdp(program, ifindex, mode.flags())
        .map_err(|source| explain(program, ifindex, interface, mode, source))
}

/// Checks that no program is attached. One may be attached afterwards: attaching checks again.
pub(super) fn check_free(
    program: BorrowedFd<'_>,
    ifindex: u32,
    interface: &str,
    mode: Mode,
) -> Result<(), AttachError> {
    libbpf_log::silence();
    match holder(program, ifindex) {
        Some(holder) => {
            let source = io::Error::from_raw_os_error(libc::EBUSY);
            Err(AttachError::Busy { interface: interface.to_owned(), mode, holder, source })
        }
        None => Ok(()),
    }
}

fn explain(
    program: BorrowedFd<'_>,
    ifindex: u32,
    interface: &str,
    mode: Mode,
    source: io::Error,
) -> AttachError {
    let interface = interface.to_owned();
    match source.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => match holder(program, ifindex) {
            Some(holder) => AttachError::Busy { interface, mode, holder, source },
            None => AttachError::UpperDevice { interface, mode, source },
        },
        Some(libc::ERANGE) => AttachError::Mtu { interface, mode, source },
        Some(libc::ENOSPC) => AttachError::Queues { interface, mode, source },
        Some(libc::EOPNOTSUPP) => AttachError::Unsupported { interface, mode, source },
        Some(libc::EPERM | libc::EACCES) => AttachError::Permission { interface, mode, source },
        _ if if_nametoindex(interface.as_str()).ok() != Some(ifindex) => {
            AttachError::NoInterface { interface, ifindex, mode, source }
        }
        Some(libc::EINVAL) => AttachError::Invalid { interface, mode, source },
        _ => AttachError::Other { interface, mode, source },
    }
}

/// The program that is attached, with the fields that this process may read; `None` if there is none.
fn holder(program: BorrowedFd<'_>, ifindex: u32) -> Option<Box<AttachedProgram>> {
    let state = Xdp::new(program).query(i32::try_from(ifindex).ok()?, XdpFlags::NONE).ok()?;
    let (program_id, mode) = match (state.drv_prog_id, state.skb_prog_id) {
        (0, 0) => return None,
        (0, generic) => (generic, Mode::Generic),
        (native, _) => (native, Mode::Native),
    };
    let on_this_interface =
        |info: &LinkTypeInfo| matches!(info, LinkTypeInfo::Xdp(xdp) if xdp.ifindex == ifindex);
    let link_id = LinkInfoIter::default().find(|link| on_this_interface(&link.info)).map(|link| link.id);
    let name = ProgInfoIter::default()
        .find(|info| info.id == program_id)
        .map(|info| info.name.to_string_lossy().into_owned());
    Some(Box::new(AttachedProgram {
        program_id,
        name,
        mode,
        link_id,
        process: link_holder::process_of(program_id),
    }))
}
