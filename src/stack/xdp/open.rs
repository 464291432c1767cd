use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit},
};

use super::{
    CopyMode, EffectiveConfig, QueueConfig, XdpError, device, ethtool,
    frame::Descriptor,
    inspect,
    refusal::Refusal,
    rings::{Rings, Unbound},
    socket,
    umem::Umem,
};

/// The kernel releases a closed queue some time later: as long as this a busy one is tried again.
const BUSY_PATIENCE: Duration = Duration::from_secs(1);
const BUSY_FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What makes a queue.
pub(super) struct Parts {
    pub memory: Umem,
    pub rings: Rings,
    /// Frames in the fill ring since before the socket was bound: the first ones.
    pub filled: usize,
    /// A duplicate of the socket's descriptor.
    pub watched: OwnedFd,
    /// Distinct for every UMEM of this process.
    pub pool: u32,
    pub opened: EffectiveConfig,
}

pub(super) fn open(config: &QueueConfig) -> Result<Parts, XdpError> {
    config.check()?;
    if if_nametoindex(config.ifname.as_str()).ok() != Some(config.ifindex) {
        return Err(no_interface(config)); // gone, or another one by the same name
    }
    let mut notes = Vec::new();
    let says = inspect::features(config.ifindex).map(inspect::XdpFeatures::zero_copy);
    let Bound { memory, rings, filled, hugepages } = bind_as_can_be(config, says, &mut notes)?;
    let zero_copy = socket::zero_copy(rings.fd()).map_err(|source| call(config, "XDP_OPTIONS", source))?;
    let tx_budget = if zero_copy { config.tx_budget } else { tx_budget(config, &rings, &mut notes) };
    Parts::new(config, memory, rings, filled, EffectiveConfig { zero_copy, hugepages, tx_budget, notes })
}

impl Parts {
    pub(super) fn new(
        config: &QueueConfig,
        memory: Umem,
        rings: Rings,
        filled: usize,
        opened: EffectiveConfig,
    ) -> Result<Parts, XdpError> {
        let watched = rings.as_fd().try_clone_to_owned();
        let watched =
            watched.map_err(|source| call(config, "duplicating the socket's descriptor", source))?;
        static POOLS: AtomicU32 = AtomicU32::new(0);
        let pool = POOLS.fetch_add(1, Relaxed); // only distinctness matters: no order to keep
        Ok(Parts { memory, rings, filled, watched, pool, opened })
    }
}

fn tx_budget(config: &QueueConfig, rings: &Rings, notes: &mut Vec<String>) -> u32 {
    socket::raise_tx_budget(rings.fd(), config.tx_budget).unwrap_or_else(|error| {
        notes.push(format!(
            "XDP_MAX_TX_SKB_BUDGET stays at {}, since this kernel refuses {} ({error}; Linux 6.17 has it)",
            socket::DEFAULT_TX_BUDGET,
            config.tx_budget
        ));
        socket::DEFAULT_TX_BUDGET
    })
}

/// In zero-copy mode where the driver says that it has it, so that a refusal comes with its reason:
/// asked for either, the kernel copies and does not say why.
fn bind_as_can_be(
    config: &QueueConfig,
    says: Option<bool>,
    notes: &mut Vec<String>,
) -> Result<Bound, XdpError> {
    let with = |copy| QueueConfig { copy, ..config.clone() };
    match (config.copy, says) {
        (CopyMode::Auto, Some(true)) => match bind_patiently(&with(CopyMode::ZeroCopy), says, notes) {
            Err(XdpError::NoZeroCopy { why, .. }) => {
                notes.push(format!("zero-copy was refused: {why}; frames are copied"));
                bind_patiently(&with(CopyMode::Copy), says, notes)
            }
            other => other,
        },
        (CopyMode::Auto, Some(false)) => {
            notes.push("the driver has no zero-copy: frames are copied".to_owned());
            bind_patiently(&with(CopyMode::Copy), says, notes)
        }
        (CopyMode::Auto, None) => {
            let bound = bind_patiently(config, says, notes)?;
            let zero_copy = socket::zero_copy(bound.rings.fd());
            if !zero_copy.map_err(|source| call(config, "XDP_OPTIONS", source))? {
                notes
                    .push("the kernel took no zero-copy, and does not say why: frames are copied".to_owned());
            }
            Ok(bound)
        }
        _ => bind_patiently(config, says, notes),
    }
}

/// What a try to bind leaves. The rings end before the memory that they speak of.
struct Bound {
    rings: Rings,
    memory: Umem,
    filled: usize,
    hugepages: bool,
}

/// Registers, fills and binds, again and again while the queue is busy. Each try has a UMEM of its
/// own: of another the kernel may have taken frames.
fn bind_patiently(
    config: &QueueConfig,
    says: Option<bool>,
    notes: &mut Vec<String>,
) -> Result<Bound, XdpError> {
    let start = Instant::now();
    let mut pause = BUSY_FIRST_PAUSE;
    let mut hugepages = config.hugepages;
    loop {
        let (mut unbound, memory) = register(config, &mut hugepages, notes)?;
        let filled = unbound.fill(&first_frames(config, &memory));
        let source = match unbound.bind(config) {
            Ok(rings) => return Ok(Bound { rings, memory, filled, hugepages }),
            Err(source) => source,
        };
        let waited = start.elapsed();
        if source.raw_os_error() != Some(libc::EBUSY) {
            return Err(bind_error(config, says, source));
        }
        if waited >= BUSY_PATIENCE {
            return Err(XdpError::QueueInUse {
                ifname: config.ifname.clone(),
                queue: config.queue,
                waited_ms: waited.as_millis() as u64,
            });
        }
        drop(memory);
        sleep(pause);
        pause = (pause * 2).min(BUSY_PATIENCE / 4);
    }
}

/// The frames that are given to the kernel to receive into, from the first on.
pub(super) fn first_frames(config: &QueueConfig, memory: &Umem) -> Vec<Descriptor> {
    memory.descriptors().take(config.fill_target() as usize).collect()
}

/// Maps and registers the UMEM: without hugepages if there are none, with a higher limit if it may.
fn register(
    config: &QueueConfig,
    hugepages: &mut bool,
    notes: &mut Vec<String>,
) -> Result<(Unbound, Umem), XdpError> {
    if *hugepages {
        match registered(config, true) {
            Ok(both) => return Ok(both),
            Err(error) => notes.push(format!(
                "no hugepages ({error}), using 4 KiB pages; to reserve some: sysctl vm.nr_hugepages=64"
            )),
        }
        *hugepages = false;
    }
    let source = match registered(config, false) {
        Ok(both) => return Ok(both),
        Err(source) => source,
    };
    if !matches!(source.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM)) {
        return Err(call(config, "registering the UMEM (XDP_UMEM_REG)", source));
    }
    // Refused already by a limit of address space, which is another one.
    Umem::new(config, false).map_err(|source| call(config, "mapping the UMEM (mmap)", source))?;
    raise_memlock();
    registered(config, false).map_err(|_| XdpError::Memlock {
        ifname: config.ifname.clone(),
        queue: config.queue,
        mib: config.memory() >> 20,
        limit_kib: getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft >> 10),
    })
}

fn registered(config: &QueueConfig, hugepages: bool) -> io::Result<(Unbound, Umem)> {
    let memory = Umem::new(config, hugepages)?;
    Ok((Unbound::register(config, &memory)?, memory))
}

/// As high as this process may. Failure shows in the registration that follows.
fn raise_memlock() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_err()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
    {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
}

/// What a refusal to bind means.
fn bind_error(config: &QueueConfig, says: Option<bool>, source: io::Error) -> XdpError {
    let (ifname, queue) = (config.ifname.clone(), config.queue);
    let queues = ethtool::channels(&ifname).map_or(0, |channels| channels.paired());
    match source.raw_os_error() {
        Some(libc::ENODEV) => no_interface(config),
        Some(libc::ENETDOWN) => XdpError::InterfaceDown { ifname },
        Some(libc::EINVAL) if queue >= queues => XdpError::NoQueue { ifname, queue, queues },
        Some(libc::EPERM | libc::EACCES) => call(config, "binding the AF_XDP socket", source),
        Some(errno) if config.copy == CopyMode::ZeroCopy => {
            let driver = ethtool::driver(&ifname).ok();
            let refusal = Refusal {
                errno: Errno::from_raw(errno),
                driver: driver.as_deref(),
                says,
                mtu: ethtool::mtu(&ifname).unwrap_or(0),
                frame_size: config.frame_size,
            };
            XdpError::NoZeroCopy { why: refusal.why(), ifname, queue }
        }
        _ => call(config, "binding the AF_XDP socket", source),
    }
}

fn no_interface(config: &QueueConfig) -> XdpError {
    XdpError::NoInterface { ifname: config.ifname.clone(), existing: device::existing() }
}

pub(super) fn call(config: &QueueConfig, call: &'static str, source: io::Error) -> XdpError {
    let (ifname, queue) = (config.ifname.clone(), config.queue);
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => XdpError::NotPermitted { ifname, queue, call },
        _ => XdpError::Call { ifname, queue, call, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver in zero-copy mode takes its first buffers while the socket is bound.
    #[test]
    fn the_fill_ring_is_full_before_the_bind() {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "privileged tests must run in CI");
            eprintln!("SKIPPED: needs root for AF_XDP");
            return;
        }
        for (ring, frames, target) in [(2048, 4096, 2048), (64, 128, 64), (2048, 2048, 1024)] {
            let mut config = QueueConfig::new("eth0", 2, 0);
            config.set_rings(ring);
            config.frames = frames;
            let (mut unbound, memory) = registered(&config, false).expect("a UMEM");
            assert_eq!(unbound.fill(&first_frames(&config, &memory)), target, "{ring} {frames}");
            assert_eq!(unbound.filled(), target as u32, "{ring} {frames}: nothing has taken any");
        }
    }
}
