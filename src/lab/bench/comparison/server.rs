use std::fmt;
use std::str::FromStr;

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
}

impl ServerKind {
    pub const ALL: [ServerKind; 6] = [
        ServerKind::Kernel,
        ServerKind::KernelRps,
        ServerKind::Handfast,
        ServerKind::Replay,
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
        }
    }

    pub fn is_ceiling(self) -> bool {
        !self.is_kernel() && self != ServerKind::Handfast
    }

    pub fn is_kernel(self) -> bool {
        matches!(self, ServerKind::Kernel | ServerKind::KernelRps)
    }

    /// Whether it replies to one frame with one, whatever its content: a ceiling in round trips.
    pub fn is_one_to_one(self) -> bool {
        matches!(self, ServerKind::Reflector | ServerKind::XdpTx)
    }
}

impl FromStr for ServerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerKind, String> {
        let names = ServerKind::ALL.map(ServerKind::name);
        let found = ServerKind::ALL.into_iter().find(|server| server.name() == text);
        found.ok_or_else(|| format!("unknown server `{text}`: use {}", names.join(", ")))
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
