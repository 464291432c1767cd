use std::io;

use thiserror::Error;

/// Why an interface or a queue cannot be used.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum XdpError {
    /// The interfaces cannot be listed.
    #[error("cannot list the interfaces (rtnetlink): {0}")]
    List(io::Error),
    /// No interface of this name; `existing` lists the names.
    #[error("there is no interface {ifname:?} in this network namespace; it has {existing}")]
    NoInterface { ifname: String, existing: String },
    /// The loopback, which no peer is connected to.
    #[error("{ifname} is the loopback interface, which receives no frames from a network")]
    Loopback { ifname: String },
    /// An interface without Ethernet headers; `hardware` is its `ARPHRD_*`.
    #[error(
        "{ifname} carries no Ethernet frames: its hardware type is {hardware}{}", hardware_name(*.hardware)
    )]
    NotEthernet { ifname: String, hardware: u16 },
    /// The interface is down.
    #[error("{ifname} is down")]
    InterfaceDown { ifname: String },
    /// Packets of this MTU do not fit a frame, which holds `max` bytes of IP packet; `advised` does.
    #[error("{ifname} has an MTU of {mtu}; a frame has room for {max} bytes after the link header")]
    Mtu { ifname: String, mtu: u32, max: u32, advised: u32 },
    /// An invalid configuration; `what` is the reason.
    #[error("{ifname} queue {queue}: {what}")]
    Config { ifname: String, queue: u32, what: String },
    /// The kernel does not permit the call.
    #[error("{ifname} queue {queue}: {call} is not permitted")]
    NotPermitted { ifname: String, queue: u32, call: &'static str },
    /// Another socket is bound to the queue, and still was after `waited_ms` milliseconds.
    #[error("{ifname} queue {queue} is in use by another AF_XDP socket (retried for {waited_ms} ms)")]
    QueueInUse { ifname: String, queue: u32, waited_ms: u64 },
    /// The interface has only `queues` queues that receive and send.
    #[error("{ifname} has no queue {queue}: it has {queues} that both receive and send, numbered from 0")]
    NoQueue { ifname: String, queue: u32, queues: u32 },
    /// The driver or the kernel refuses zero-copy; `why` is the likely reason.
    #[error("{ifname} queue {queue}: zero-copy was refused: {why}")]
    NoZeroCopy { ifname: String, queue: u32, why: String },
    /// Zero-copy was requested in generic mode.
    #[error("{ifname}: generic mode copies every frame and has no zero-copy")]
    ZeroCopyInGeneric { ifname: String },
    /// The UMEM of `mib` MiB exceeds the limit of locked memory, `limit_kib` KiB.
    #[error("{ifname} queue {queue}: {mib} MiB of frames exceed the locked-memory limit of {limit_kib} KiB")]
    Memlock { ifname: String, queue: u32, mib: u64, limit_kib: u64 },
    /// Another error of the kernel.
    #[error("{ifname} queue {queue}: {call} failed: {source}")]
    Call { ifname: String, queue: u32, call: &'static str, source: io::Error },
}

/// The usual kind of interface with this `ARPHRD_*`.
fn hardware_name(hardware: u16) -> &'static str {
    match hardware {
        libc::ARPHRD_NONE => " (tun or WireGuard)",
        libc::ARPHRD_PPP => " (PPP)",
        libc::ARPHRD_INFINIBAND => " (InfiniBand)",
        libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT | libc::ARPHRD_IPGRE => {
            " (an IP tunnel)"
        }
        _ => "",
    }
}

/// Why a working queue failed. It cannot be recovered: after privileges are dropped, sockets
/// cannot be created again.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The interface no longer exists in this network namespace.
    #[error(
        "{ifname} queue {queue}: the interface is gone (removed, moved into another namespace, or unbound from its driver)"
    )]
    DeviceGone { ifname: String, queue: u32 },
    /// The kernel refuses wake-ups.
    #[error("{ifname} queue {queue}: waking the kernel failed with {errno}")]
    Wakeup { ifname: String, queue: u32, errno: nix::errno::Errno },
}
