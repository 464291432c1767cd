use std::fmt;
use std::io;

use caps::{CapSet, Capability};
use thiserror::Error;

use super::bpf_refusal::{BpfRefusal, bpf_refusal};
use super::kernel_tcp::Process;
use super::mode::Mode;

/// Why the steering program could not be loaded, configured or attached.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Loading is not permitted.
    #[error("cannot load the steering program: {source}; {}", refusal())]
    LoadPermission { source: libbpf_rs::Error },
    /// The kernel cannot load it; `log` has the messages of libbpf and the verifier.
    #[error("cannot load the steering program: {source}; libbpf and the kernel's verifier say:\n{log}")]
    Load { source: libbpf_rs::Error, log: String },
    /// The maps of the cookie tier cannot be made.
    #[error("cannot make the maps of the cookie tier: {source}")]
    Tier { source: libbpf_rs::Error },
    /// The rules need more than `max` entries.
    #[error("the rules need {entries} entries in the steering program; at most {max} fit")]
    TooManyRules { entries: usize, max: usize },
    /// The kernel refuses an entry. The old rules stay in force.
    #[error(
        "cannot write the rules of the steering program: {source}{}; the rules in force are unchanged",
        too_old(.source)
    )]
    Rules { source: libbpf_rs::Error },
    /// The program supports queues 0 to `max` - 1.
    #[error("invalid queue {queue}: the steering program supports queues 0 to {}", max - 1)]
    Queue { queue: u32, max: u32 },
    /// The kernel refuses the socket.
    #[error("cannot register the socket of queue {queue} in the steering program: {source}")]
    Socket { queue: u32, source: libbpf_rs::Error },
    /// The kernel refuses to read the counters.
    #[error("cannot read the counters of the steering program: {source}")]
    Counters { source: libbpf_rs::Error },
    /// It cannot be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
}

/// Why the program could not be attached to an interface.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// Another program is attached.
    #[error("cannot attach to {interface} in {mode} mode ({source}): {holder}")]
    Busy { interface: String, mode: Mode, holder: Box<AttachedProgram>, source: io::Error },
    /// A device on top of the interface has a program.
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): a device on top of it (a bond, a bridge) has \
         an XDP program"
    )]
    UpperDevice { interface: String, mode: Mode, source: io::Error },
    /// The MTU is too large for native mode.
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the MTU of {interface} or of its veth peer is \
         above 3506"
    )]
    Mtu { interface: String, mode: Mode, source: io::Error },
    /// The driver has too few queues for native mode.
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the driver has too few queues: a veth needs at \
         least as many receive queues as its peer has transmit queues, a NIC a spare queue for each CPU"
    )]
    Queues { interface: String, mode: Mode, source: io::Error },
    /// The driver has no native mode.
    #[error("cannot attach to {interface} in {mode} mode ({source}): its driver has no native XDP")]
    Unsupported { interface: String, mode: Mode, source: io::Error },
    /// Attaching is not permitted.
    #[error("cannot attach to {interface} in {mode} mode ({source}): {}", refusal())]
    Permission { interface: String, mode: Mode, source: io::Error },
    /// The interface was removed or renamed.
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): this network namespace has no interface \
         {interface} with index {ifindex}"
    )]
    NoInterface { interface: String, ifindex: u32, mode: Mode, source: io::Error },
    /// The kernel or the driver refuses the link.
    #[error(
        "cannot attach to {interface} in {mode} mode ({source}): the kernel has no XDP links (they need Linux \
         5.10), or the driver does not accept XDP while receive offload (LRO) is on"
    )]
    Invalid { interface: String, mode: Mode, source: io::Error },
    /// Another error of the kernel.
    #[error("cannot attach to {interface} in {mode} mode: {source}")]
    Other { interface: String, mode: Mode, source: io::Error },
}

/// The program that is already attached to an interface. `None` where only `CAP_SYS_ADMIN` may
/// read a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// The kernel's id of the program.
    pub program_id: u32,
    /// Its name, up to 15 bytes.
    pub name: Option<String>,
    /// The mode it is attached in.
    pub mode: Mode,
    /// The id of the link that keeps it attached; `None` if it was attached by netlink.
    pub link_id: Option<u32>,
    /// The process that keeps it attached, if this process may see it.
    pub process: Option<Process>,
}

/// The name of the steering program (`bpf/steer.bpf.c`).
const STEERING: &str = "steer";
/// The process name of a responder or benchmark.
const HANDFAST: &str = "handfast";

impl AttachedProgram {
    /// Whether it belongs to a handfast, as far as this process may see.
    pub fn is_handfast(&self) -> bool {
        let by_name = || self.name.as_deref() == Some(STEERING);
        self.process.as_ref().map_or_else(by_name, |process| process.name == HANDFAST)
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
        if self.is_handfast() {
            let process = self
                .process
                .as_ref()
                .map_or_else(String::new, |process| format!(", process {}", process.pid));
            write!(f, ". A handfast is running there{process}, and an interface has one program")?;
        }
        Ok(())
    }
}

/// The capabilities for loading and attaching that this thread lacks. `CAP_SYS_ADMIN` includes two of them.
pub fn missing_capabilities() -> Vec<Capability> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let implied = has(Capability::CAP_SYS_ADMIN);
    [(Capability::CAP_BPF, implied), (Capability::CAP_PERFMON, implied), (Capability::CAP_NET_ADMIN, false)]
        .into_iter()
        .filter(|&(capability, implied)| !implied && !has(capability))
        .map(|(capability, _)| capability)
        .collect()
}

/// Why bpf(2) was refused: the missing capabilities, or what else refuses it.
fn refusal() -> String {
    let missing: Vec<String> = missing_capabilities().iter().map(ToString::to_string).collect();
    if !missing.is_empty() {
        return format!(
            "this needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (missing: {})",
            missing.join(", ")
        );
    }
    let by = match bpf_refusal() {
        BpfRefusal::Seccomp => "a seccomp filter refuses bpf(2)",
        BpfRefusal::UserNamespace => {
            "but they belong to a user namespace, as in a rootless container; bpf(2) needs those of the host"
        }
        BpfRefusal::Unknown => "a security module may refuse bpf(2) (lockdown, SELinux, AppArmor)",
    };
    format!("no capability is missing, {by}")
}

/// Why a process without capabilities is refused, if that is the cause.
fn too_old(source: &libbpf_rs::Error) -> &'static str {
    match source.kind() {
        libbpf_rs::ErrorKind::PermissionDenied => {
            " (without capabilities this needs Linux 5.19 or newer, or sysctl \
             kernel.unprivileged_bpf_disabled=0; with neither, other rules need a restart)"
        }
        _ => "",
    }
}
