//! What the kernel tells about XDP without anything being attached.

use std::os::fd::AsFd;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Struct;
use libbpf_rs::query::LinkInfoIter;
use libbpf_rs::{Xdp, XdpFlags};

use super::libbpf_log;

/// What a driver says it can do (`NETDEV_XDP_ACT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures(u64);

impl XdpFeatures {
    /// Runs programs in the driver, and takes their plain verdicts.
    pub fn native(self) -> bool {
        self.0 & 0b1 != 0
    }

    /// Takes XDP_REDIRECT, which AF_XDP lives on.
    pub fn redirect(self) -> bool {
        self.0 & 0b10 != 0
    }

    /// AF_XDP without copying.
    pub fn zero_copy(self) -> bool {
        self.0 & 0b1000 != 0
    }
}

/// What the driver says of itself (since Linux 6.3). `None`: the kernel does not tell.
pub fn features(ifindex: u32) -> Option<XdpFeatures> {
    libbpf_log::silence();
    // Only attaching looks at the descriptor.
    let any = std::io::stdin();
    let state = Xdp::new(any.as_fd()).query(i32::try_from(ifindex).ok()?, XdpFlags::NONE).ok()?;
    // A driver with none at all looks like a kernel that does not tell.
    (state.feature_flags != 0).then_some(XdpFeatures(state.feature_flags))
}

/// The link that keeps a program attached; `None` also where only `CAP_SYS_ADMIN` may know.
pub fn link_of(program_id: u32) -> Option<u32> {
    LinkInfoIter::default().find(|link| link.prog_id == program_id).map(|link| link.id)
}

/// Whether the running kernel has a type of this name, by its BTF. `None`: it has no BTF.
pub fn kernel_has_type(name: &str) -> Option<bool> {
    libbpf_log::silence();
    let btf = Btf::from_vmlinux().ok()?;
    Some(btf.type_by_name::<Struct<'_>>(name).is_some())
}
