use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::{
    CopyMode, Device, DeviceError, MAX_BATCH, Mode, Network, Preference, Program, ProgramError, Queue,
    QueueConfig, VerdictCounts, XdpError, inspect, sizing::Sizing,
};

/// Why a baseline program cannot start, or has ended.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error(transparent)]
    Device(#[from] XdpError),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    DeviceError(#[from] DeviceError),
    #[error("{0} is not a veth inside a network namespace; --force to use it all the same")]
    RealNetwork(String),
    #[error("cannot run on core {0}")]
    Core(usize),
    #[error("cannot read the socket's statistics: {0}")]
    Statistics(std::io::Error),
    #[error("{0}")]
    Argument(String),
    #[error("cannot {step} the replying program on {dev}: {source}")]
    Object { dev: String, step: &'static str, source: libbpf_rs::Error },
}

/// Interface options of a baseline program.
#[derive(Clone, Debug)]
pub struct PortOptions {
    pub dev: String,
    /// `None`: the driver's fastest, see [`Device::preference`].
    pub mode: Option<Mode>,
    pub core: Option<usize>,
    /// Frames per batch.
    pub batch: usize,
    /// Copy mode even where the driver has zero-copy.
    pub copy: bool,
    /// Also use interfaces that are not veth, or not in a namespace made by `ip netns`.
    pub force: bool,
}

impl PortOptions {
    /// The default options for this interface.
    pub fn new(dev: impl Into<String>) -> PortOptions {
        PortOptions { dev: dev.into(), mode: None, core: None, batch: 64, copy: false, force: false }
    }

    /// Returns the interface, if it may be used, and its mode. Pins this thread.
    pub(in crate::bench) fn device(&self) -> Result<(Device, Mode), BaselineError> {
        let device = Device::open(&self.dev)?;
        let confined = device.is_veth() && in_a_namespace();
        if !self.force && !confined {
            return Err(BaselineError::RealNetwork(device.name));
        }
        pin(self.core)?;
        let preferred = match device.preference() {
            Preference::Native => Mode::Native,
            Preference::Generic => Mode::Generic,
        };
        let mode = self.mode.unwrap_or(preferred);
        Ok((device, mode))
    }

    pub(super) fn batch(&self) -> usize {
        self.batch.clamp(1, MAX_BATCH)
    }
}

/// An interface with a socket on every queue, fed by the steering program.
#[derive(Debug)]
pub struct BaselinePort {
    pub device: Device,
    pub mode: Mode,
    pub queues: Vec<Queue>,
    program: Program,
}

impl BaselinePort {
    /// Opens the sockets, attaches the program and pins this thread.
    pub fn open(options: &PortOptions, rules: &[EndpointRange]) -> Result<BaselinePort, BaselineError> {
        BaselinePort::open_with(options, rules, true)
    }

    /// As [`BaselinePort::open`], but nothing is received: the program drops and counts the frames that the
    /// rules own.
    pub(super) fn open_deaf(
        options: &PortOptions,
        rules: &[EndpointRange],
    ) -> Result<BaselinePort, BaselineError> {
        BaselinePort::open_with(options, rules, false)
    }

    fn open_with(
        options: &PortOptions,
        rules: &[EndpointRange],
        receives: bool,
    ) -> Result<BaselinePort, BaselineError> {
        let (device, mode) = options.device()?;
        let mut program = Program::load(rules, &Network::read()?.local())?;
        let mut queues = Vec::new();
        for number in 0..device.rx_queues {
            let mut config = QueueConfig::new(&device.name, device.index, number);
            let copy = if options.copy { CopyMode::Copy } else { CopyMode::Auto };
            let sizing = Sizing::choose(&device, mode, copy, None, inspect::features(device.index))?;
            (config.copy, config.frame_size) = (sizing.copy, sizing.frame_size);
            device.check(config.frame_size)?;
            let (queue, _) = Queue::open(&config)?;
            if receives {
                program.set_socket(number, queue.as_fd())?;
            }
            queues.push(queue);
        }
        program.attach(device.index, &device.name, mode)?;
        Ok(BaselinePort { device, mode, queues, program })
    }

    /// Frames by the program's verdict.
    pub(super) fn verdicts(&self) -> Result<VerdictCounts, BaselineError> {
        Ok(self.program.counters()?)
    }

    pub(super) fn report(&self, batch: usize) -> Result<PortReport, BaselineError> {
        let mut report = PortReport {
            dev: self.device.name.clone(),
            mode: self.mode.to_string(),
            queues: self.queues.len(),
            batch,
            ..PortReport::default()
        };
        for queue in &self.queues {
            let kernel = queue.statistics().map_err(BaselineError::Statistics)?;
            let counters = queue.counters();
            report.frames_in += counters.received;
            report.frames_out += counters.transmitted;
            report.wakeups += counters.wakeups;
            report.rx_dropped += kernel.rx_dropped;
            report.rx_ring_full += kernel.rx_ring_full;
            report.rx_fill_ring_empty += kernel.rx_fill_ring_empty;
            report.lost_frames += u64::from(queue.lost());
        }
        Ok(report)
    }
}

/// Interface counters in the report of every baseline program.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PortReport {
    pub dev: String,
    pub mode: String,
    pub queues: usize,
    pub batch: usize,
    pub frames_in: u64,
    pub frames_out: u64,
    /// Wakeup system calls for transmission.
    pub wakeups: u64,
    pub rx_ring_full: u64,
    pub rx_dropped: u64,
    pub rx_fill_ring_empty: u64,
    /// Must be 0.
    pub lost_frames: u64,
}

/// Whether `ip netns` has made this thread's namespace. A comparison with that of process 1 would do too,
/// but needs CAP_SYS_PTRACE.
fn in_a_namespace() -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let Some(ours) = identity(Path::new("/proc/thread-self/ns/net")) else { return false };
    fs::read_dir("/run/netns")
        .is_ok_and(|names| names.flatten().any(|name| identity(&name.path()) == Some(ours)))
}

pub(in crate::bench) fn pin(core: Option<usize>) -> Result<(), BaselineError> {
    match core {
        Some(id) if !core_affinity::set_for_current(core_affinity::CoreId { id }) => {
            Err(BaselineError::Core(id))
        }
        _ => Ok(()),
    }
}
