use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, ObjectBuilder};

use super::abi;
use super::claims::{self, Claim};
use super::link::Link;
use super::mode::Mode;
use super::program_error::{ProgramError, missing_capabilities};
use super::rules::RuleSets;
use super::steer::flatten;
use super::verdict::VerdictCounts;
use super::{attach, libbpf_log};
use crate::wire::endpoint_range::EndpointRange;

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steer.bpf.o"));

/// The steering program in the kernel: its code, its maps and, once attached, its link.
///
/// Loading and attaching need `CAP_BPF`, `CAP_PERFMON` and `CAP_NET_ADMIN`; everything after that
/// needs only the descriptors held here. Dropping the value detaches the program, and so does the end of the
/// process, whatever ended it.
#[derive(Debug)]
pub struct Program {
    code: OwnedFd,
    sockets: MapHandle,
    rules: Mutex<RuleSets>,
    counts: VerdictWatch,
    claims: MapHandle,
    link: Option<Link>,
}

impl Program {
    /// Loads the program with `rules` in force. `local` are the addresses of this machine, on
    /// whichever interface: there the kernel keeps all that no rule takes. It is attached to nothing
    /// yet.
    pub fn load(rules: &[EndpointRange], local: &[IpAddr]) -> Result<Self, ProgramError> {
        let (program, log) = libbpf_log::listen(load);
        let program = program.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied if is_about_capabilities(&log) => {
                ProgramError::LoadPermission { source }
            }
            _ => ProgramError::Load { source, log },
        })?;
        program.replace_rules(rules, local)?;
        Ok(program)
    }

    /// Whether nothing is attached there that an attachment in this mode would meet: the error is
    /// what [`Program::attach`] would say.
    pub fn check_free(&self, ifindex: u32, interface: &str, mode: Mode) -> Result<(), ProgramError> {
        Ok(attach::check_free(self.code.as_fd(), ifindex, interface, mode)?)
    }

    /// Attaches to the interface of this network namespace that has this index and name. An earlier
    /// attachment of this value ends first; somebody else's program is never replaced.
    pub fn attach(&mut self, ifindex: u32, interface: &str, mode: Mode) -> Result<(), ProgramError> {
        self.detach();
        self.link = Some(attach::attach(self.code.as_fd(), ifindex, interface, mode)?);
        Ok(())
    }

    /// Leaves the interface to the kernel.
    pub fn detach(&mut self) {
        self.link = None;
    }

    /// Redirects what receive queue `queue` owns to this AF_XDP socket, until it is closed.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), ProgramError> {
        if queue >= abi::MAX_QUEUES {
            return Err(ProgramError::Queue { queue, max: abi::MAX_QUEUES });
        }
        let fd = socket.as_raw_fd().to_ne_bytes();
        self.sockets
            .update(&queue.to_ne_bytes(), &fd, MapFlags::ANY)
            .map_err(|source| ProgramError::Socket { queue, source })
    }

    /// Puts other rules in force, all at the same moment: no packet sees a mixture.
    pub fn replace_rules(&self, rules: &[EndpointRange], local: &[IpAddr]) -> Result<(), ProgramError> {
        let entries = flatten(rules, local);
        // A panic while the lock was held leaves the sets usable: what a set holds is recorded
        // entry by entry.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).replace(&entries)
    }

    /// Frames by verdict since the program was loaded.
    pub fn counters(&self) -> Result<VerdictCounts, ProgramError> {
        self.counts.counters()
    }

    /// The same, for another thread to read, also when the program is gone.
    pub fn watch(&self) -> VerdictWatch {
        self.counts.clone()
    }

    /// Who else says that an exclusive address is theirs, and in how many frames so far; the last
    /// 1,024 of them. Nothing where the kernel does not let them be read without privileges.
    pub fn claims(&self) -> Vec<(Claim, u64)> {
        claims::read(&self.claims)
    }
}

/// A program's verdicts, for any thread to read.
#[derive(Clone, Debug)]
pub struct VerdictWatch(Arc<MapHandle>);

impl VerdictWatch {
    /// Frames by verdict since the program was loaded.
    ///
    /// # Errors
    /// [`ProgramError::Counters`].
    pub fn counters(&self) -> Result<VerdictCounts, ProgramError> {
        self.0
            .lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY)
            .map(|per_cpu| VerdictCounts::from_kernel(&per_cpu.unwrap_or_default()))
            .map_err(|source| ProgramError::Counters { source })
    }
}

/// The program's descriptor, for `BPF_PROG_TEST_RUN`.
impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.code.as_fd()
    }
}

/// Without `CAP_PERFMON` the verifier refuses offsets that are read from the packet; with it, it may
/// still refuse (with the same errno), and then its log has the reason.
fn is_about_capabilities(log: &str) -> bool {
    !missing_capabilities().is_empty() || !log.contains("BEGIN PROG LOAD LOG")
}

/// Loads the object and keeps descriptors of what it made; libbpf's own copy ends here.
fn load() -> libbpf_rs::Result<Program> {
    let object = ObjectBuilder::default().open_memory(OBJECT)?.load()?;
    let missing = |name: &str| libbpf_rs::Error::from(io::Error::other(format!("steer.bpf.o has no {name}")));
    let map = |name: &str| {
        let found = object.maps().find(|map| map.name() == name);
        MapHandle::try_from(&found.ok_or_else(|| missing(name))?)
    };
    let program = object.progs().find(|program| program.name() == "steer");
    Ok(Program {
        code: program.ok_or_else(|| missing("steer"))?.as_fd().try_clone_to_owned()?,
        sockets: map("sockets")?,
        rules: Mutex::new(RuleSets::new(map("rules")?, map("rules_a")?, map("rules_b")?)),
        counts: VerdictWatch(Arc::new(map("counts")?)),
        claims: map("claims")?,
        link: None,
    })
}
