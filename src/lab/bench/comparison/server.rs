use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use super::{PORT, RESIDENT, Run};
use crate::bench::workload::{Closer, Pattern, Workload};
use crate::{Lab, LabError, SERVER_DEVICE};

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// The kernel's stack: `handfast lab serve-kernel`. On veth the sender's core does the receiving
    /// for it.
    Kernel,
    /// The same with receive packet steering to the server's core, as a NIC's interrupts would be.
    KernelRps,
    /// `handfast respond`.
    Handfast,
    /// Ceiling: the same packets without a TCP.
    Replay,
    /// Ceiling: every frame back, from user space.
    Reflector,
    /// Ceiling: every frame back, from the driver.
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

    /// Answers one frame with one, whatever it says: a ceiling in round trips.
    pub fn is_one_to_one(self) -> bool {
        matches!(self, ServerKind::Reflector | ServerKind::XdpTx)
    }

    /// The program that plays this part in that run.
    pub(super) fn command(self, run: &Run<'_>, lab: &Lab) -> Command {
        let mut command = lab.server().command(&run.plan.program);
        let (target, core) = (run.target().to_string(), run.plan.cores.server.to_string());
        match self {
            ServerKind::Kernel | ServerKind::KernelRps => {
                command.args(["lab", "serve-kernel", "--listen", &target, "--core", &core]);
                command.args(pattern_arguments(&run.pattern));
                return command;
            }
            ServerKind::Handfast => {
                let listen = format!("{target}={}", service(&run.pattern));
                command.args(["respond", "--listen", &listen, "--cores", &core, "--poll", "busy"]);
                command.args(["--cookies", "never", "--msl", "1", "--interval", "0"]);
                command.args(RESIDENT);
                command.arg("--json").arg(report_file(run));
            }
            ServerKind::Replay => {
                command.args(["lab", "ceiling", "replay-server", "--own", &target, "--core", &core]);
                command.args(pattern_arguments(&run.pattern));
            }
            ServerKind::Reflector => {
                command.args(["lab", "ceiling", "reflector", "--own", &target, "--core", &core]);
            }
            ServerKind::XdpTx => {
                let port = PORT.to_string();
                command.args(["lab", "ceiling", "xdp-tx", "--tcp-port", &port, "--core", &core]);
            }
        }
        command.args(["--dev", SERVER_DEVICE, "--mode", &run.mode.to_string()]);
        command
    }

    /// Sets up the server's end for this server, whatever the one before needed.
    pub(super) fn prepare(self, run: &Run<'_>, lab: &Lab) -> Result<(), LabError> {
        let cores = match self {
            ServerKind::KernelRps => core_mask(run.plan.cores.server),
            _ => "0".to_string(),
        };
        let queue = format!("/sys/class/net/{SERVER_DEVICE}/queues/rx-0/rps_cpus");
        lab.server().run(&["sh", "-c", &format!("echo {cores} > {queue}")]).map(drop)
    }

    /// Where it writes its report, if not to standard output.
    pub(super) fn report_file(self, run: &Run<'_>) -> Option<PathBuf> {
        (self == ServerKind::Handfast).then(|| report_file(run))
    }
}

/// One core, as the kernel reads sets of them: groups of 32 bits, the highest first.
fn core_mask(core: usize) -> String {
    format!("{:x}{}", 1u32 << (core % 32), ",00000000".repeat(core / 32))
}

fn report_file(run: &Run<'_>) -> PathBuf {
    std::env::temp_dir().join(format!("hf-{}-{}.json", run.plan.name, std::process::id()))
}

/// Arguments that tell a bare program or the kernel's server what to play.
pub(super) fn pattern_arguments(pattern: &Pattern) -> Vec<String> {
    let Pattern { workload, closer, timestamps, request, response } = pattern;
    let mut arguments: Vec<String> = vec!["--workload".into(), workload.to_string()];
    arguments.extend(["--closer".into(), closer.to_string()]);
    arguments.extend(["--request".into(), request.to_string(), "--response".into(), response.to_string()]);
    arguments.extend(timestamps.then(|| "--timestamps".into()));
    arguments
}

/// The responder's service that plays the server's part.
fn service(pattern: &Pattern) -> &'static str {
    match (pattern.workload, pattern.closer) {
        (Workload::Lifecycle, Closer::Client) => "discard",
        (Workload::Lifecycle, Closer::Server) => "close",
        (Workload::Request, Closer::Server) => "http",
        (Workload::Request, Closer::Client) => "echo",
        (Workload::Syn | Workload::Establish | Workload::Handshake, _) => "hold",
    }
}

impl FromStr for ServerKind {
    type Err = String;

    fn from_str(text: &str) -> Result<ServerKind, String> {
        let names = ServerKind::ALL.map(ServerKind::name);
        let found = ServerKind::ALL.into_iter().find(|server| server.name() == text);
        found.ok_or_else(|| format!("`{text}` is no server; there are {}", names.join(", ")))
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_as_the_kernel_reads_them() {
        for (core, mask) in
            [(0, "1"), (1, "2"), (31, "80000000"), (32, "1,00000000"), (70, "40,00000000,00000000")]
        {
            assert_eq!(core_mask(core), mask);
        }
    }
}
