use std::{
    io,
    os::fd::OwnedFd,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit},
};

use super::{
    CopyMode, EffectiveConfig, QueueConfig, XdpError, device, ethtool, inspect, pool,
    refusal::Refusal,
    rings::{Rings, Unbound},
    socket,
    umem::Umem,
};

/// The kernel releases a closed queue with a delay: a bind that fails with EBUSY is repeated for this long.
const BIND_TIMEOUT: Duration = Duration::from_secs(1);
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(5);

/// The parts of a [`Queue`](super::Queue).
pub(super) struct QueueParts {
    pub memory: Umem,
    pub rings: Rings,
    /// Frames in the fill ring since before the bind: the first ones of the memory.
    pub filled: usize,
    /// A duplicate of the socket's descriptor.
    pub watched: OwnedFd,
    /// See [`pool`].
    pub pool: u16,
    pub effective: EffectiveConfig,
}

pub(super) fn open(config: &QueueConfig) -> Result<QueueParts, XdpError> {
    config.check()?;
    if if_nametoindex(config.ifname.as_str()).ok() != Some(config.ifindex) {
        return Err(no_interface(config)); // removed, or another one has its name
    }
    let mut notes = Vec::new();
    let advertised = inspect::features(config.ifindex).map(inspect::XdpFeatures::zero_copy);
    let Bound { memory, rings, filled, hugepages } = bind_in_best_mode(config, advertised, &mut notes)?;
    let zero_copy = socket::zero_copy(rings.fd()).map_err(|source| call(config, "XDP_OPTIONS", source))?;
    let tx_budget = if zero_copy { config.tx_budget } else { tx_budget(config, &rings, &mut notes) };
    QueueParts::new(config, memory, rings, filled, EffectiveConfig { zero_copy, hugepages, tx_budget, notes })
}

impl QueueParts {
    pub(super) fn new(
        config: &QueueConfig,
        memory: Umem,
        rings: Rings,
        filled: usize,
        effective: EffectiveConfig,
    ) -> Result<QueueParts, XdpError> {
        let watched = rings.as_fd().try_clone_to_owned();
        let watched =
            watched.map_err(|source| call(config, "duplicating the socket's descriptor", source))?;
        let pool = pool::number().map_err(|source| call(config, "numbering the UMEM", source))?;
        Ok(QueueParts { memory, rings, filled, watched, pool, effective })
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

/// Binds in zero-copy mode by name if the driver advertises it, so that a refusal has an error number:
/// with neither mode named, the kernel falls back to copying without one. `advertised` is `None` before
/// Linux 6.3.
fn bind_in_best_mode(
    config: &QueueConfig,
    advertised: Option<bool>,
    notes: &mut Vec<String>,
) -> Result<Bound, XdpError> {
    let with = |copy| QueueConfig { copy, ..config.clone() };
    match (config.copy, advertised) {
        (CopyMode::Auto, Some(true)) => match bind_with_retry(&with(CopyMode::ZeroCopy), advertised, notes) {
            Err(XdpError::NoZeroCopy { why, .. }) => {
                notes.push(format!("zero-copy was refused: {why}; frames are copied"));
                bind_with_retry(&with(CopyMode::Copy), advertised, notes)
            }
            other => other,
        },
        (CopyMode::Auto, Some(false)) => {
            notes.push("the driver has no zero-copy: frames are copied".to_owned());
            bind_with_retry(&with(CopyMode::Copy), advertised, notes)
        }
        (CopyMode::Auto, None) => {
            let bound = bind_with_retry(config, advertised, notes)?;
            let zero_copy = socket::zero_copy(bound.rings.fd());
            if !zero_copy.map_err(|source| call(config, "XDP_OPTIONS", source))? {
                notes.push("the kernel chose copy mode without a reason: frames are copied".to_owned());
            }
            Ok(bound)
        }
        _ => bind_with_retry(config, advertised, notes),
    }
}

/// A bound socket and its memory. The rings are dropped before the memory that they describe.
struct Bound {
    rings: Rings,
    memory: Umem,
    filled: usize,
    hugepages: bool,
}

/// Registers, fills and binds, and repeats that while the queue is busy. Each attempt has a UMEM of its
/// own: the kernel may have taken frames of the last one.
fn bind_with_retry(
    config: &QueueConfig,
    advertised: Option<bool>,
    notes: &mut Vec<String>,
) -> Result<Bound, XdpError> {
    let start = Instant::now();
    let mut delay = FIRST_RETRY_DELAY;
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
            return Err(bind_error(config, advertised, source));
        }
        if waited >= BIND_TIMEOUT {
            return Err(XdpError::QueueInUse {
                ifname: config.ifname.clone(),
                queue: config.queue,
                waited_ms: waited.as_millis() as u64,
            });
        }
        drop(memory);
        sleep(delay);
        delay = (delay * 2).min(BIND_TIMEOUT / 4);
    }
}

/// The addresses of the frames that are given to the kernel to receive into, from the first on.
pub(super) fn first_frames(config: &QueueConfig, memory: &Umem) -> Vec<u64> {
    memory.addresses().take(config.fill_target() as usize).collect()
}

/// Maps and registers the UMEM. Falls back to 4 KiB pages, and raises the limit of locked memory if it
/// is too low and this process may raise it.
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
    // A mapping that already fails is limited by RLIMIT_AS, not by RLIMIT_MEMLOCK.
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

/// Raises the limit of locked memory as far as this process may. A failure shows in the registration
/// that follows.
fn raise_memlock() {
    if setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_err()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_MEMLOCK)
    {
        let _ = setrlimit(Resource::RLIMIT_MEMLOCK, hard, hard);
    }
}

/// The cause of a failed bind, by its errno.
fn bind_error(config: &QueueConfig, advertised: Option<bool>, source: io::Error) -> XdpError {
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
                advertised,
                mtu: ethtool::mtu(&ifname).unwrap_or(0),
                frame_size: config.frame_size,
            };
            XdpError::NoZeroCopy { why: refusal.why(), ifname, queue }
        }
        _ => call(config, "binding the AF_XDP socket", source),
    }
}

fn no_interface(config: &QueueConfig) -> XdpError {
    XdpError::NoInterface { ifname: config.ifname.clone(), existing: device::interface_names() }
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

    /// A driver in zero-copy mode takes its first buffers during the bind.
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
