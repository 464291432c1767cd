use std::fmt;
use std::str::FromStr;

use crate::bench::workload::Pattern;

/// A server of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// The kernel's stack: `handfast lab serve-kernel`. On veth the sender's core processes the reception.
    Kernel,
    /// The same, with receive packet steering to the server's core, as with a NIC's interrupts.
    KernelRps,
    /// `handfast respond`.
    Handfast,
    /// Ceiling: the same packets, without a TCP.
    Replay,
    /// Ceiling: reflects every frame, in user space.
    Reflector,
    /// Ceiling: reflects every frame, in the driver.
    XdpTx,
    /// `handfast respond`, SYNs answered with cookies by its eBPF program. For SYNs alone.
    HandfastEbpf,
    /// `handfast respond`, SYNs answered with cookies by its engine. For SYNs alone.
    HandfastEngine,
    /// The kernel's stack, which answers every SYN with a cookie. For SYNs alone.
    KernelCookies,
}

impl ServerKind {
    /// The servers of connections.
    pub const ALL: [ServerKind; 6] = [
        ServerKind::Kernel,
        ServerKind::KernelRps,
        ServerKind::Handfast,
        ServerKind::Replay,
        ServerKind::Reflector,
        ServerKind::XdpTx,
    ];

    /// The servers of SYNs alone.
    pub const OF_SYNS: [ServerKind; 5] = [
        ServerKind::KernelCookies,
        ServerKind::HandfastEngine,
        ServerKind::HandfastEbpf,
        ServerKind::Reflector,
        ServerKind::XdpTx,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            ServerKind::Kernel => "kernel",
            ServerKind::KernelRps => "kernel-rps",
            ServerKind::Handfast => "handfast",
            ServerKind::Replay => "replay",
            ServerKind::Reflector => "reflector",
            ServerKind::XdpTx => "xdp-tx",
            ServerKind::HandfastEbpf => "handfast-ebpf",
            ServerKind::HandfastEngine => "handfast-engine",
            ServerKind::KernelCookies => "kernel-cookies",
        }
    }

    pub fn is_ceiling(self) -> bool {
        !self.is_kernel() && !self.is_handfast()
    }

    pub fn is_kernel(self) -> bool {
        matches!(self, ServerKind::Kernel | ServerKind::KernelRps | ServerKind::KernelCookies)
    }

    pub fn is_handfast(self) -> bool {
        matches!(self, ServerKind::Handfast | ServerKind::HandfastEbpf | ServerKind::HandfastEngine)
    }

    /// Whether it is a server of SYNs alone, or of connections.
    fn is_of(self, syns: bool) -> bool {
        let among = if syns { &ServerKind::OF_SYNS[..] } else { &ServerKind::ALL[..] };
        among.contains(&self)
    }

    /// Whether its run of this pattern is part of a comparison. Those of one frame for one reply to SYNs
    /// alone, of which they need no more than one pattern.
    pub(super) fn plays(self, pattern: &Pattern) -> bool {
        self.is_of(pattern.is_syn()) && (pattern.is_syn() || !self.is_one_to_one())
    }

    /// Whether it replies to one frame with one, whatever its content: a ceiling in round trips.
    pub fn is_one_to_one(self) -> bool {
        matches!(self, ServerKind::Reflector | ServerKind::XdpTx)
    }
}

impl FromStr for ServerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerKind, String> {
        let mut known = ServerKind::ALL.to_vec();
        known.extend(ServerKind::OF_SYNS.iter().filter(|server| !server.is_one_to_one()));
        let names: Vec<&str> = known.iter().map(|server| server.name()).collect();
        let found = known.iter().copied().find(|server| server.name() == text);
        found.ok_or_else(|| format!("unknown server `{text}`: use {}", names.join(", ")))
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
