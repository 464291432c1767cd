use std::io;

use thiserror::Error;

const PERMISSIONS: &str =
    "run it as root, or: setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep PATH_OF_THIS_BINARY";

/// Why an interface or a queue cannot be used, and the command that changes that.
#[derive(Debug, Error)]
pub enum XdpError {
    #[error("cannot list the interfaces (rtnetlink): {0}")]
    List(io::Error),
    #[error("there is no interface {ifname:?} in this network namespace; there are: {existing} (ip link)")]
    NoInterface { ifname: String, existing: String },
    #[error(
        "{ifname} is the loopback, which carries this machine's talk with itself and no frames to answer: name \
         another interface; `handfast lab up` makes a pair to try things on"
    )]
    Loopback { ifname: String },
    #[error(
        "{ifname} carries no Ethernet frames (its hardware type is {hardware}{}): handfast needs an interface \
         with Ethernet headers; name the Ethernet interface that the tunnel's packets come in on, or make it one \
         with headers: ip tuntap add {ifname} mode tap", hardware_name(*.hardware)
    )]
    NotEthernet { ifname: String, hardware: u16 },
    #[error("{ifname} is down: ip link set {ifname} up")]
    InterfaceDown { ifname: String },
    #[error(
        "{ifname} has an MTU of {mtu}, and a frame has room for {most} behind the link header: \
         ip link set {ifname} mtu {advised}"
    )]
    Mtu { ifname: String, mtu: u32, most: u32, advised: u32 },
    #[error("{ifname} queue {queue}: {what}")]
    Config { ifname: String, queue: u32, what: String },
    #[error("{ifname} queue {queue}: {call} is not permitted; {PERMISSIONS}")]
    NotPermitted { ifname: String, queue: u32, call: &'static str },
    #[error(
        "{ifname} queue {queue} is in use by another AF_XDP socket (tried for {waited_ms} ms); \
         see who: ss --xdp -p, or: bpftool net show dev {ifname}"
    )]
    QueueInUse { ifname: String, queue: u32, waited_ms: u64 },
    #[error(
        "{ifname} has no queue {queue}: it has {queues} that both receive and send, from 0; \
         for more: ethtool -L {ifname} combined N (veth: rx N tx N)"
    )]
    NoQueue { ifname: String, queue: u32, queues: u32 },
    #[error("{ifname} queue {queue}: zero-copy was refused: {why}. Without it: --copy")]
    NoZeroCopy { ifname: String, queue: u32, why: String },
    #[error(
        "{ifname}: generic mode copies every frame; zero-copy takes --mode native, or leave --zerocopy out"
    )]
    ZeroCopyInGeneric { ifname: String },
    #[error(
        "{ifname} queue {queue}: {mib} MiB of frames exceed the locked memory limit of {limit_kib} KiB: \
         ulimit -l unlimited, or systemd's LimitMEMLOCK=infinity, or CAP_IPC_LOCK"
    )]
    Memlock { ifname: String, queue: u32, mib: u64, limit_kib: u64 },
    #[error("{ifname} queue {queue}: {call} failed: {source}")]
    Call { ifname: String, queue: u32, call: &'static str, source: io::Error },
}

/// What an interface with this `ARPHRD_*` mostly is.
fn hardware_name(hardware: u16) -> &'static str {
    match hardware {
        libc::ARPHRD_NONE => ", as of tun and WireGuard",
        libc::ARPHRD_PPP => ", PPP",
        libc::ARPHRD_INFINIBAND => ", InfiniBand",
        libc::ARPHRD_TUNNEL | libc::ARPHRD_TUNNEL6 | libc::ARPHRD_SIT | libc::ARPHRD_IPGRE => {
            ", an IP tunnel"
        }
        _ => "",
    }
}

/// Why a queue that worked no longer does. There is no way back: sockets cannot be made again
/// after the privileges are gone.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    #[error(
        "{ifname} queue {queue}: the interface is gone (removed, renamed into another namespace, or unbound)"
    )]
    DeviceGone { ifname: String, queue: u32 },
    #[error("{ifname} queue {queue}: waking the kernel failed with {errno}")]
    Wakeup { ifname: String, queue: u32, errno: nix::errno::Errno },
}
