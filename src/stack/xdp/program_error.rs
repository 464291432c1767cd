use std::fmt;
use std::io;

use caps::{CapSet, Capability};
use thiserror::Error;

use super::kernel_tcp::Process;
use super::mode::Mode;
use super::withheld::{Withheld, withheld};

/// Why the steering program could not be loaded, told its rules, or attached.
#[derive(Debug, Error)]
pub enum ProgramError {
    #[error("cannot load the steering program: {source}; {}", capabilities())]
    LoadPermission { source: libbpf_rs::Error },
    #[error(
        "cannot load the steering program: {source}; it needs Linux 5.10 or newer with CONFIG_BPF_SYSCALL and \
         CONFIG_XDP_SOCKETS. libbpf and the kernel's verifier say:\n{log}"
    )]
    Load { source: libbpf_rs::Error, log: String },
    #[error("the rules need {entries} entries, {max} fit: give fewer or wider prefixes")]
    TooManyRules { entries: usize, max: usize },
    #[error("cannot write the rules of the steering program: {source}{}; the rules in force stay", too_old(.source))]
    Rules { source: libbpf_rs::Error },
    #[error("there is no queue {queue}: the steering program knows queues 0 to {}", max - 1)]
    Queue { queue: u32, max: u32 },
    #[error("cannot give queue {queue} its socket in the steering program: {source}")]
    Socket { queue: u32, source: libbpf_rs::Error },
    #[error("cannot read the counters of the steering program: {source}")]
    Counters { source: libbpf_rs::Error },
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Why the program could not be attached to an interface, and what to do.
#[derive(Debug, Error)]
pub enum AttachError {
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): {holder}.{}",
        holder.removal(interface)
    )]
    Busy { interface: String, mode: Mode, holder: Box<AttachedProgram>, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): a device on top of it (a bond, a bridge) has \
         an XDP program: attach there, or remove it with `ip link set dev DEVICE xdp off`"
    )]
    UpperDevice { interface: String, mode: Mode, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the MTU of {interface} or of its veth peer is \
         above 3506. Lower it with `ip link set dev {interface} mtu 3498` (for veth: on both ends), or use \
         generic mode"
    )]
    Mtu { interface: String, mode: Mode, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the driver has too few queues: a veth needs at \
         least as many receive queues as its peer has transmit queues (`ethtool -L {interface} rx N`), a NIC \
         a spare queue for each CPU (`ethtool -L {interface} combined N`). Or use generic mode"
    )]
    Queues { interface: String, mode: Mode, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): its driver (`ethtool -i {interface}`) has no \
         native XDP: use generic mode"
    )]
    Unsupported { interface: String, mode: Mode, source: io::Error },
    #[error("cannot attach to {interface} in {mode} mode ({source}): {}", capabilities())]
    Permission { interface: String, mode: Mode, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): this network namespace has no interface \
         {interface} with index {ifindex}, see `ip link`"
    )]
    NoInterface { interface: String, ifindex: u32, mode: Mode, source: io::Error },
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the kernel takes no XDP link there (Linux 5.10 \
         or newer has them), or the driver wants receive offload off: `ethtool -K {interface} lro off`"
    )]
    Invalid { interface: String, mode: Mode, source: io::Error },
    #[error("cannot attach to {interface} in {mode} mode: {source}; `dmesg | tail` may say more")]
    Other { interface: String, mode: Mode, source: io::Error },
}

/// The program that an interface has already. What only `CAP_SYS_ADMIN` may see is `None` without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    pub program_id: u32,
    pub name: Option<String>,
    pub mode: Mode,
    /// The link that keeps it attached; without one it was attached by netlink.
    pub link_id: Option<u32>,
    /// Who keeps it attached, as far as this process may look.
    pub process: Option<Process>,
}

/// What the steering program is called (`bpf/steer.bpf.c`).
const STEERING: &str = "steer";
/// And the process of a responder or benchmark.
const HANDFAST: &str = "handfast";

impl AttachedProgram {
    /// Whether it is a handfast's, as far as this process may see.
    pub fn is_handfast(&self) -> bool {
        let by_name = || self.name.as_deref() == Some(STEERING);
        self.process.as_ref().map_or_else(by_name, |process| process.name == HANDFAST)
    }

    /// The command that removes it. That of a handfast at work is never taken off.
    fn removal(&self, interface: &str) -> String {
        if self.is_handfast() {
            let process =
                self.process.as_ref().map_or_else(String::new, |process| format!(" {}", process.pid));
            return format!(
                " A handfast is at work there, process{process}, and an interface has one program"
            );
        }
        format!(" To remove it: {}", self.command(interface))
    }

    fn command(&self, interface: &str) -> String {
        let netlink = format!("`ip link set dev {interface} {} off`", self.mode.ip_link_keyword());
        match (self.link_id, &self.name) {
            (Some(link), _) => format!("stop its process, or `bpftool link detach id {link}`"),
            // The name was visible, so a link would have been as well.
            (None, Some(_)) => netlink,
            (None, None) => format!("{netlink}; if a link holds it, stop its process (`bpftool link`)"),
        }
    }
}

impl fmt::Display for AttachedProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.program_id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        write!(f, " is attached in {} mode", self.mode)?;
        if let Some(link) = self.link_id {
            write!(f, " by link {link}")?;
        }
        Ok(())
    }
}

/// Which of the capabilities to load and attach this thread has not. `CAP_SYS_ADMIN` includes two of them.
pub fn missing_capabilities() -> Vec<Capability> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let implied = has(Capability::CAP_SYS_ADMIN);
    [(Capability::CAP_BPF, implied), (Capability::CAP_PERFMON, implied), (Capability::CAP_NET_ADMIN, false)]
        .into_iter()
        .filter(|&(capability, implied)| !implied && !has(capability))
        .map(|(capability, _)| capability)
        .collect()
}

/// Which capabilities the work needs, and which of them are missing.
fn capabilities() -> String {
    let names: Vec<String> = missing_capabilities().iter().map(ToString::to_string).collect();
    let missing = match names.as_slice() {
        [] => return refused(withheld()).to_owned(),
        names => format!("missing: {}", names.join(", ")),
    };
    let binary = std::env::current_exe().unwrap_or_else(|_| "BINARY".into());
    format!(
        "this needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN ({missing}): run as root, or \
         `setcap cap_bpf,cap_perfmon,cap_net_admin,cap_net_raw+ep {}`",
        binary.display()
    )
}

/// With every capability there.
fn refused(withheld: Withheld) -> &'static str {
    match withheld {
        Withheld::Seccomp => {
            "no capability is missing, a seccomp filter refuses bpf(2): docker run --security-opt \
             seccomp=unconfined, or a profile that lets bpf(2) through (Docker's own does from 23.0 on, with --cap-add \
             BPF); in a systemd unit SystemCallFilter=bpf"
        }
        Withheld::UserNamespace => {
            "no capability is missing, but they are those of a user namespace, as of a rootless container: run it as \
             the host's root"
        }
        Withheld::Unknown => {
            "no capability is missing: a security module may refuse bpf(2) (lockdown, SELinux, AppArmor), `dmesg | \
             tail` may say which"
        }
    }
}

/// Why a process without capabilities may not, if that is it.
fn too_old(source: &libbpf_rs::Error) -> &'static str {
    match source.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            " (without capabilities it takes Linux 5.19 or newer, or sysctl kernel.unprivileged_bpf_disabled=0; \
             start again for other rules)"
        }
        _ => "",
    }
}
