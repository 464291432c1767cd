//! What the bare programs share: opening an interface, pinning, stopping, and refusing to shoot
//! at a real network.

use std::{
    error::Error,
    fs,
    net::IpAddr,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use clap::Args;
use handfast::{
    wire::owned::Owned,
    xdp::{Copy, Device, Mode, Preference, Program, Queue, QueueConfig, Statistics},
};
use signal_hook::consts::{SIGINT, SIGTERM};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Args, Debug)]
pub struct Common {
    /// The interface
    #[arg(long)]
    pub dev: String,
    /// Where the program runs: auto, native or generic
    #[arg(long, default_value = "auto")]
    pub mode: String,
    /// The core to run on
    #[arg(long)]
    pub core: Option<usize>,
    /// Frames per batch, up to 256
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Stop after this time; 0 runs until a signal
    #[arg(long, default_value_t = 0.0)]
    pub seconds: f64,
    /// Copy mode even where the driver has zero-copy
    #[arg(long)]
    pub copy: bool,
    /// Allow interfaces that are not veth, or not in a namespace made by ip netns
    #[arg(long)]
    pub i_know: bool,
}

/// An interface with a socket on every queue behind the steering program.
pub struct Port {
    pub device: Device,
    pub mode: Mode,
    pub queues: Vec<Queue>,
    _program: Program,
}

impl Port {
    pub fn open(common: &Common, rules: &[Owned]) -> Result<Port> {
        let device = Device::open(&common.dev)?;
        let safe = device.is_veth() && in_a_namespace();
        if !safe && !common.i_know {
            return Err(format!(
                "{} is not a veth inside a network namespace; --i-know if you do",
                device.name
            )
            .into());
        }
        pin(common.core)?;
        let mode = match common.mode.as_str() {
            "auto" => match device.preference() {
                Preference::Native => Mode::Native,
                Preference::Generic => Mode::Generic,
            },
            "native" => Mode::Native,
            "generic" => Mode::Generic,
            other => return Err(format!("--mode {other}: auto, native or generic").into()),
        };
        let local: Vec<IpAddr> = device.addresses.iter().map(|(address, _)| *address).collect();
        let mut program = Program::load(rules, &local)?;
        let mut queues = Vec::new();
        for number in 0..device.rx_queues {
            let mut config = QueueConfig::new(&device.name, device.index, number);
            device.check(config.frame_size)?;
            config.copy = if common.copy { Copy::Copy } else { Copy::Auto };
            let (queue, opened) = Queue::open(&config)?;
            eprintln!("{} queue {number}: {opened:?}", device.name);
            program.set_socket(number, queue.as_fd())?;
            queues.push(queue);
        }
        program.attach(device.index, &device.name, mode)?;
        Ok(Port { device, mode, queues, _program: program })
    }

    /// The kernel's counts, all queues together.
    pub fn statistics(&self) -> Result<Statistics> {
        let mut sum = Statistics::default();
        for queue in &self.queues {
            let one = queue.statistics()?;
            sum.rx_dropped += one.rx_dropped;
            sum.rx_ring_full += one.rx_ring_full;
            sum.rx_fill_ring_empty += one.rx_fill_ring_empty;
            sum.tx_invalid_descs += one.tx_invalid_descs;
        }
        Ok(sum)
    }

    /// System calls made to send.
    pub fn wakeups(&self) -> u64 {
        self.queues.iter().map(|queue| queue.counters().wakeups).sum()
    }
}

/// Whether this thread's namespace is one that `ip netns` has made. That of process 1 would say
/// as much, but takes CAP_SYS_PTRACE to read.
fn in_a_namespace() -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let Some(ours) = identity(Path::new("/proc/thread-self/ns/net")) else { return false };
    fs::read_dir("/run/netns")
        .is_ok_and(|names| names.flatten().any(|name| identity(&name.path()) == Some(ours)))
}

fn pin(core: Option<usize>) -> Result<()> {
    let Some(id) = core else { return Ok(()) };
    if !core_affinity::set_for_current(core_affinity::CoreId { id }) {
        return Err(format!("cannot run on core {id}").into());
    }
    Ok(())
}

/// When to stop, and when a second is over.
pub struct Pace {
    start: Instant,
    limit: Duration,
    next: Duration,
    last: u64,
    stop: Arc<AtomicBool>,
}

impl Pace {
    pub fn start(seconds: f64) -> Result<Pace> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, stop.clone())?;
        }
        let limit = if seconds > 0.0 { Duration::try_from_secs_f64(seconds)? } else { Duration::MAX };
        Ok(Pace { start: Instant::now(), limit, next: Duration::from_secs(1), last: 0, stop })
    }

    /// Since the start; `None` once it is over. Prints a line each second.
    pub fn tick(&mut self, packets: u64) -> Option<Duration> {
        let elapsed = self.start.elapsed();
        if elapsed >= self.next {
            eprintln!("{:>4} s  {packets} packets  {} /s", self.next.as_secs(), packets - self.last);
            self.last = packets;
            self.next += Duration::from_secs(1);
        }
        (elapsed < self.limit && !self.stop.load(Relaxed)).then_some(elapsed)
    }

    pub fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
