use std::path::PathBuf;
use std::process::Command;

use super::plan::{PORT, RESIDENT, Run};
use super::server::ServerKind;
use crate::bench::workload::{Closer, Pattern, Workload};
use crate::{Lab, LabError, SERVER_DEVICE};
use handfast_stack::xdp::Mode;

impl ServerKind {
    /// Returns the server's command for this run.
    pub(super) fn command(self, run: &Run<'_>, lab: &Lab) -> Command {
        let mut command = lab.server().command(&run.plan.program);
        let (target, core) = (run.target().to_string(), run.plan.cores.server.to_string());
        match self {
            ServerKind::Kernel | ServerKind::KernelRps | ServerKind::KernelCookies => {
                command.args(["lab", "serve-kernel", "--listen", &target, "--core", &core]);
                command.args(served_by_kernel(&run.pattern).arguments());
                return command;
            }
            ServerKind::Handfast | ServerKind::HandfastEbpf | ServerKind::HandfastEngine => {
                let listen = format!("{target}={}", service(&run.pattern));
                command.args(["respond", "--listen", &listen, "--cores", &core]);
                command.args(["--msl", "1", "--interval", "0"]);
                command.args(self.cookies(run));
                command.args(RESIDENT);
                command.arg("--json").arg(report_file(run));
            }
            ServerKind::Replay => {
                command.args(["lab", "ceiling", "replay-server", "--own", &target, "--core", &core]);
                command.args(run.pattern.arguments());
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

    /// Returns how SYNs are answered, and how the core waits for frames. The tier has nothing to wait for,
    /// and a rate shows how busy a core is only if it sleeps.
    fn cookies(self, run: &Run<'_>) -> Vec<&'static str> {
        let poll = match self {
            ServerKind::HandfastEbpf => "adaptive",
            _ if run.pattern.rate.is_some() => "adaptive",
            _ => "busy",
        };
        let mut arguments = vec!["--poll", poll, "--cookies"];
        match self {
            ServerKind::HandfastEbpf => arguments.extend(["always", "--cookie-tier", "ebpf"]),
            ServerKind::HandfastEngine if run.plan.cookie_tier => {
                arguments.extend(["always", "--cookie-tier", "engine"]);
            }
            // Without a tier every cookie is the engine's.
            ServerKind::HandfastEngine => arguments.push("always"),
            _ => arguments.push("never"),
        }
        arguments
    }

    /// Sets up the interfaces for this server, independent of the previous run.
    pub(super) fn prepare(self, run: &Run<'_>, lab: &Lab) -> Result<(), LabError> {
        let cores = match self {
            ServerKind::KernelRps => core_mask(run.plan.cores.server),
            _ => "0".to_string(),
        };
        // Otherwise only when the backlog overflows, as in every lab.
        let cookies = if self == ServerKind::KernelCookies { 2 } else { 1 };
        let queue = format!("/sys/class/net/{SERVER_DEVICE}/queues/rx-0/rps_cpus");
        let settings =
            format!("echo {cores} > {queue} && echo {cookies} > /proc/sys/net/ipv4/tcp_syncookies");
        lab.server().run(&["sh", "-c", &settings])?;
        lab.set_client_napi(run.pattern.is_syn() && run.mode == Mode::Native)
    }

    /// Returns the file of its report, if it does not write that to standard output.
    pub(super) fn report_file(self, run: &Run<'_>) -> Option<PathBuf> {
        self.is_handfast().then(|| report_file(run))
    }
}

/// Returns a mask of one core in the kernel's format: groups of 32 bits, the highest first.
fn core_mask(core: usize) -> String {
    format!("{:x}{}", 1u32 << (core % 32), ",00000000".repeat(core / 32))
}

fn report_file(run: &Run<'_>) -> PathBuf {
    std::env::temp_dir().join(format!("hf-{}-{}.json", run.plan.name, std::process::id()))
}

/// Returns the pattern for the kernel's server: for SYNs alone it only listens.
fn served_by_kernel(pattern: &Pattern) -> Pattern {
    let workload = if pattern.is_syn() { Workload::Handshake } else { pattern.workload };
    Pattern { workload, ..*pattern }
}

/// Returns the responder's service for this pattern.
fn service(pattern: &Pattern) -> &'static str {
    match (pattern.workload, pattern.closer) {
        (Workload::Lifecycle, Closer::Client) => "discard",
        (Workload::Lifecycle, Closer::Server) => "close",
        (Workload::Request, Closer::Server) => "http",
        (Workload::Request, Closer::Client) => "echo",
        (Workload::Syn | Workload::Establish | Workload::Handshake, _) => "hold",
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
