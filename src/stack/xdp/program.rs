use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, ObjectBuilder, ProgramType};
use libbpf_sys::BPF_FUNC_ktime_get_coarse_ns;

use super::abi;
use super::claims::{self, Claim};
use super::link::Link;
use super::lpm::flatten;
use super::mode::Mode;
use super::program_error::{ProgramError, missing_capabilities};
use super::rule_maps::RuleMaps;
use super::steering_rule::SteeringRule;
use super::tier::Tier;
use super::tier_device::{DeviceMap, TierDevice};
use super::verdict::VerdictCounts;
use super::{attach, libbpf_log};

/// The section of the settings that are set before loading.
const CONFIG: &str = ".rodata.config";
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steer.bpf.o"));

/// The steering program in the kernel: its code, its maps and, once attached, its link.
///
/// Loading and attaching need `CAP_BPF`, `CAP_PERFMON` and `CAP_NET_ADMIN`; everything else needs only
/// the descriptors of this value. The program is detached when the value is dropped, and when the
/// process ends for any reason.
#[derive(Debug)]
pub struct Program {
    code: OwnedFd,
    sockets: MapHandle,
    rules: Mutex<RuleMaps>,
    counts: VerdictWatch,
    claims: MapHandle,
    device: DeviceMap,
    tier: Option<Arc<Tier>>,
    link: Option<Link>,
}

impl Program {
    /// Loads the program with `rules`. `local` are the addresses of this host, of all interfaces: there
    /// the kernel keeps the traffic that no rule covers. The program is not attached yet.
    ///
    /// # Errors
    /// Missing capabilities, an old kernel, or too many rules.
    pub fn load<R>(rules: &[R], local: &[IpAddr]) -> Result<Self, ProgramError>
    where
        for<'a> SteeringRule: From<&'a R>,
    {
        Program::load_with(rules, local, None)
    }

    /// As [`Program::load`], with a cookie tier, which other programs may share. SYNs are answered once
    /// [`Program::set_tier_device`] was called.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn load_with<R>(rules: &[R], local: &[IpAddr], tier: Option<&Arc<Tier>>) -> Result<Self, ProgramError>
    where
        for<'a> SteeringRule: From<&'a R>,
    {
        let (program, log) = libbpf_log::capture(|| load(tier));
        let program = program.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied if is_about_capabilities(&log) => {
                ProgramError::LoadPermission { source }
            }
            _ => ProgramError::Load { source, log },
        })?;
        program.replace_rules(rules, local)?;
        Ok(program)
    }

    /// Checks that no program is attached to the interface.
    ///
    /// # Errors
    /// The error that [`Program::attach`] would return.
    pub fn check_free(&self, ifindex: u32, interface: &str, mode: Mode) -> Result<(), ProgramError> {
        Ok(attach::check_free(self.code.as_fd(), ifindex, interface, mode)?)
    }

    /// Attaches to the interface of this network namespace with this index and name. An earlier
    /// attachment of this value ends first; the program of another process is never replaced.
    ///
    /// # Errors
    /// [`AttachError`](super::AttachError).
    pub fn attach(&mut self, ifindex: u32, interface: &str, mode: Mode) -> Result<(), ProgramError> {
        self.detach();
        self.link = Some(attach::attach(self.code.as_fd(), ifindex, interface, mode)?);
        Ok(())
    }

    /// Detaches: the interface belongs to the kernel again.
    pub fn detach(&mut self) {
        self.link = None;
    }

    /// Redirects owned traffic of receive queue `queue` to this AF_XDP socket, until it is closed.
    ///
    /// # Errors
    /// The program has no such queue, or the socket is not bound.
    pub fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), ProgramError> {
        if queue >= abi::MAX_QUEUES {
            return Err(ProgramError::Queue { queue, max: abi::MAX_QUEUES });
        }
        let fd = socket.as_raw_fd().to_ne_bytes();
        self.sockets
            .update(&queue.to_ne_bytes(), &fd, MapFlags::ANY)
            .map_err(|source| ProgramError::Socket { queue, source })
    }

    /// Replaces all rules at the same moment: no packet sees a mixture.
    ///
    /// # Errors
    /// The old rules stay in force.
    pub fn replace_rules<R>(&self, rules: &[R], local: &[IpAddr]) -> Result<(), ProgramError>
    where
        for<'a> SteeringRule: From<&'a R>,
    {
        let rules: Vec<SteeringRule> = rules.iter().map(SteeringRule::from).collect();
        let entries = flatten(&rules, local);
        // A panic while the lock was held leaves the maps usable: their keys are recorded one by one.
        let replaced = self.rules.lock().unwrap_or_else(PoisonError::into_inner).replace(&entries);
        self.renew_tier();
        replaced
    }

    fn renew_tier(&self) {
        if let Some(tier) = &self.tier {
            tier.renew();
        }
    }

    /// Sets the cookie tier's settings of the interface. Needs no system call.
    pub fn set_tier_device(&self, device: &TierDevice) {
        self.device.set(device);
        self.renew_tier();
    }

    /// Frames by verdict since the program was loaded.
    ///
    /// # Errors
    /// [`ProgramError::Counters`].
    pub fn counters(&self) -> Result<VerdictCounts, ProgramError> {
        self.counts.counters()
    }

    /// The counters for another thread. They stay readable after the program is dropped.
    pub fn watch(&self) -> VerdictWatch {
        self.counts.clone()
    }

    /// Other hosts that claim an exclusive address, with the number of frames of each so far: the 1,024
    /// most recent ones. Empty if the kernel refuses to read them without privileges.
    pub fn claims(&self) -> Vec<(Claim, u64)> {
        claims::read(&self.claims)
    }
}

/// The counters of a program, readable by any thread.
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

/// Whether missing capabilities explain a refusal. Without `CAP_PERFMON` the verifier refuses offsets
/// that are read from the packet; with it, it may still refuse with the same errno, and its log has the
/// reason.
fn is_about_capabilities(log: &str) -> bool {
    !missing_capabilities().is_empty() || !log.contains("BEGIN PROG LOAD LOG")
}

/// Loads the object and duplicates the descriptors of its program and maps; libbpf's own are closed.
fn load(tier: Option<&Arc<Tier>>) -> libbpf_rs::Result<Program> {
    let mut object = ObjectBuilder::default().open_memory(OBJECT)?;
    for (name, shared) in tier.map(|tier| tier.maps()).unwrap_or_default() {
        let map = object.maps_mut().find(|map| map.name() == *name);
        map.ok_or_else(|| missing(name))?.reuse_fd(shared.as_fd())?;
    }
    let mut config = object.maps_mut().find(|map| map.name() == CONFIG).ok_or_else(|| missing(CONFIG))?;
    config.set_initial_value(&u32::from(has_coarse_clock()).to_ne_bytes())?;
    let object = object.load()?;
    let map = |name: &str| {
        let found = object.maps().find(|map| map.name() == name);
        MapHandle::try_from(&found.ok_or_else(|| missing(name))?)
    };
    let program = object.progs().find(|program| program.name() == "steer");
    Ok(Program {
        code: program.ok_or_else(|| missing("steer"))?.as_fd().try_clone_to_owned()?,
        sockets: map("sockets")?,
        rules: Mutex::new(RuleMaps::new(map("rules")?, map("rules_a")?, map("rules_b")?)),
        counts: VerdictWatch(Arc::new(map("counts")?)),
        claims: map("claims")?,
        device: DeviceMap::new(&map("tier_device")?)?,
        tier: tier.cloned(),
        link: None,
    })
}

/// Whether a program may read the coarse clock: not before Linux 5.11. The exact clock does as well.
fn has_coarse_clock() -> bool {
    ProgramType::Xdp.is_helper_supported(BPF_FUNC_ktime_get_coarse_ns).unwrap_or(false)
}

fn missing(name: &str) -> libbpf_rs::Error {
    io::Error::other(format!("steer.bpf.o has no {name}")).into()
}
