use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::bench::baseline::FloodKind;
use crate::load::{ClientScript, PacedPlan};
use crate::{CLIENT_DEVICE, Lab, SERVER_DEVICE, SERVER_MAC, SOURCES_V4, SOURCES_V6, client_addresses};
use handfast_stack::xdp::Mode;

/// The port of the responder.
const PORT: u16 = 7000;
/// An honest client sends this and expects it back.
const MESSAGE: &[u8] = b"Echo these bytes.";
/// Timeout of an honest connection: three retransmissions of its SYN.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A flood and its honest clients.
#[derive(Clone, Debug)]
pub struct FloodPlan {
    /// The lab's name; a lab of that name is replaced.
    pub name: String,
    /// The `handfast` binary.
    pub program: PathBuf,
    pub kind: FloodKind,
    /// Frames per second. `None`: as many as the link takes.
    pub rate: Option<u32>,
    pub duration: Duration,
    /// Duration of the calm before.
    pub calm: Duration,
    /// Honest connections, at equal distances over the flood; the calm has the same rate.
    pub clients: u32,
    /// Mode of the eBPF programs of both ends. `None`: each chooses.
    pub mode: Option<Mode>,
    pub cores: FloodCores,
    pub ipv6: bool,
    /// Further arguments of `handfast respond`.
    pub respond: Vec<String>,
}

/// The core of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodCores {
    pub flood: usize,
    pub responder: usize,
    /// Of the honest clients.
    pub clients: usize,
}

impl FloodPlan {
    pub(super) fn target(&self) -> SocketAddr {
        let address = match self.ipv6 {
            false => IpAddr::from([198, 18, 1, 1]),
            true => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1]),
        };
        SocketAddr::new(address, PORT)
    }

    pub(super) fn responder(&self, lab: &Lab, report: &std::path::Path) -> Command {
        let mut command = lab.server().command(&self.program);
        command.args(["respond", "--dev", SERVER_DEVICE, "--listen", &format!("{}=echo", self.target())]);
        command.args(["--cores", &self.cores.responder.to_string(), "--interval", "0"]);
        if let Some(mode) = self.mode {
            command.args(["--mode", &mode.to_string()]);
        }
        command.arg("--json").arg(report).args(&self.respond);
        command
    }

    pub(super) fn flooder(&self, lab: &Lab) -> Command {
        let source = if self.ipv6 { SOURCES_V6 } else { SOURCES_V4 };
        let mut command = lab.client().command(&self.program);
        command.args(["lab", "ceiling", "flood", "--dev", CLIENT_DEVICE, "--peer-mac", SERVER_MAC]);
        command.args(["--kind", &self.kind.to_string(), "--peer", &self.target().to_string()]);
        command.args(["--source", source, "--core", &self.cores.flood.to_string()]);
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        if let Some(mode) = self.mode {
            command.args(["--mode", &mode.to_string()]);
        }
        command
    }

    /// The honest clients of this time.
    pub(super) fn honest(&self, duration: Duration) -> PacedPlan {
        let share = duration.as_secs_f64() / self.duration.as_secs_f64().max(f64::MIN_POSITIVE);
        PacedPlan {
            target: self.target(),
            sources: client_addresses(self.ipv6).collect(),
            script: ClientScript::Echo(MESSAGE.to_vec()),
            count: ((f64::from(self.clients) * share).round() as u64).max(1),
            duration,
            timeout: TIMEOUT,
        }
    }
}
