use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use nix::time::{ClockId, clock_gettime};

use super::cores::Basis;
use super::{
    ActiveTier, CookieTierOptions, Effective, EffectiveDevice, StackConfig, StartError, TierChoice,
    UnprovenAcks, notes,
};
use crate::engine::FaultInjection;
use crate::engine::runner::now;
use crate::tcp::{Config, CookieMode, MIN_MSS};
use crate::wire::{EndpointRange, ParseConfig};
use crate::xdp::sizing::{FRAME_SIZES, Sizing};
use crate::xdp::{
    CopyMode, Device, EffectiveConfig, FlowFilter, Mode, Network, Preference, Program, Queue, QueueConfig,
    SteeringRule, Tier, TierConfig, TierDevice, Transmit, inspect,
};

/// An interface with the steering program on it, for as long as this lives.
pub(super) struct OpenDevice {
    pub(super) device: Device,
    pub(super) program: Program,
    mode: Mode,
    /// The program may answer SYNs here, if it can.
    answers: bool,
    /// It can: see [`OpenDevice::configure_tier`].
    answering: AtomicBool,
}

impl OpenDevice {
    /// Gives the program the properties of the interface that it needs to answer SYNs there.
    pub(super) fn configure_tier(&self, policy: &ParseConfig) {
        let transmit = match self.answers {
            true => self.transmit().unwrap_or_default(),
            false => Transmit::Nothing,
        };
        self.answering.store(transmit != Transmit::Nothing, Relaxed);
        self.program.set_tier_device(&TierDevice {
            transmit,
            accepts_partial: policy.accept_partial_checksum,
            mac: policy.mac,
            broadcasts: policy.broadcasts().collect(),
        });
    }

    /// As [`OpenDevice::can_answer`] when the tier was configured last.
    pub(super) fn is_answering(&self) -> bool {
        self.answering.load(Relaxed)
    }

    /// Whether the program can answer SYNs here.
    pub(super) fn can_answer(&self) -> bool {
        self.answers && self.transmit().is_ok()
    }

    /// Whether [`OpenDevice::can_answer`] is not for ever.
    pub(super) fn may_change(&self) -> bool {
        self.answers && self.mode == Mode::Native && self.device.driver.as_deref() == Some("veth")
    }

    /// How the program sends frames where they came from.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn transmit(&self) -> Result<Transmit, String> {
        inspect::transmit(&self.device, self.mode)
    }
}

/// The maps that the programs of all devices share, if they have a part in answering SYNs.
pub(super) fn tier(options: &StackConfig, basis: &Basis) -> Result<Option<Arc<Tier>>, StartError> {
    let CookieTierOptions { tier, unproven, syn_limit } = options.cookie_tier;
    if options.listen.is_empty() || !answers(options) && syn_limit == 0 {
        return Ok(None);
    }
    let Config { mss4, mss6, .. } = basis.config;
    let tier_of = Tier::new(&TierConfig {
        flow_key: basis.secrets.flow,
        filter_lines: FlowFilter::lines_for(options.max_connections),
        timestamp_offset: basis.secrets.timestamp_offset,
        mss: [mss4, mss6],
        min_mss: MIN_MSS,
        unproven_per_second: match unproven {
            UnprovenAcks::Reset => options.bounds.rst_rate.min(UNPROVEN_PER_SECOND),
            UnprovenAcks::Drop => 0,
        },
        syn_limit,
        syn_burst: syn_limit,
        epoch_ns: clock_start_ns(basis.epoch),
    });
    match tier_of {
        Err(_) if tier == TierChoice::Auto && syn_limit == 0 => Ok(None),
        other => Ok(other.map(Some)?),
    }
}

/// ACKs without a connection and a valid cookie that reach the cores, per second and CPU.
const UNPROVEN_PER_SECOND: u32 = 1000;

/// Whether the configuration lets the program answer SYNs.
fn answers(options: &StackConfig) -> bool {
    options.cookie_tier.tier != TierChoice::Engine && options.config.cookies != CookieMode::Never
}

/// CLOCK_MONOTONIC when the stack's clock was 0, nanoseconds, modulo 2^64.
fn clock_start_ns(epoch: Instant) -> u64 {
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    (monotonic.as_nanos() as u64).wrapping_sub(now(epoch).micros.wrapping_mul(1000))
}

/// Who answers SYNs by cookie on this device.
fn active_tier(options: &StackConfig, open: &OpenDevice, has_tier: bool) -> Result<ActiveTier, StartError> {
    let TierChoice::Engine = options.cookie_tier.tier else {
        if options.config.cookies == CookieMode::Never || options.listen.is_empty() {
            return Ok(ActiveTier::None);
        }
        if options.fault != FaultInjection::default() {
            return Ok(ActiveTier::EngineBecause("faults are injected by the cores".to_owned()));
        }
        let can = if has_tier { open.transmit() } else { Err("its maps cannot be made".to_owned()) };
        return match can {
            Ok(_) => Ok(ActiveTier::Ebpf),
            Err(why) if options.cookie_tier.tier == TierChoice::Ebpf => {
                Err(StartError::CookieTier { interface: open.device.name.clone(), why })
            }
            Err(why) => Ok(ActiveTier::EngineBecause(why)),
        };
    };
    let is_off = options.config.cookies == CookieMode::Never;
    Ok(if is_off { ActiveTier::None } else { ActiveTier::Engine })
}

/// Opens every queue of a device behind its steering program. A queue without a socket would
/// drop what we own, so it is all of them or none.
pub(super) fn open_device(
    options: &StackConfig,
    device: Device,
    (rules, local, tier): (&[SteeringRule], &[IpAddr], Option<&Arc<Tier>>),
    active: &mut Effective,
) -> Result<(OpenDevice, Vec<Queue>), StartError> {
    let [.., largest] = FRAME_SIZES;
    device.check(options.frame_size.unwrap_or(largest))?;
    let listened = options.listen.iter().map(|(owned, _)| owned);
    let owned: Vec<EndpointRange> = listened.chain(&options.owned).cloned().collect();
    let mut program = Program::load_with(rules, local, tier)?;
    let started = start(options, &mut program, &device, active)?;
    active.notes.extend(notes::whole_links(&device.name, &owned, &device.addresses));
    active.notes.extend(notes::hidden_tags(&device.name));
    let (mode, answers) = (started.mode, answers(options) && tier.is_some());
    let (queues, opened): (Vec<Queue>, Vec<EffectiveConfig>) = started.queues.into_iter().unzip();
    for note in opened.iter().flat_map(|opened| &opened.notes) {
        if !active.notes.contains(note) {
            active.notes.push(note.clone());
        }
    }
    let open = OpenDevice { device, program, mode, answers, answering: AtomicBool::new(false) };
    let cookie_tier = active_tier(options, &open, tier.is_some())?;
    let device = &open.device;
    active.devices.push(EffectiveDevice {
        name: device.name.clone(),
        driver: device.driver.clone().unwrap_or_else(|| "unknown driver".to_owned()),
        mode,
        zero_copy: opened.iter().all(|opened| opened.zero_copy),
        zero_copy_queues: (0..)
            .zip(&opened)
            .filter(|(_, opened)| opened.zero_copy)
            .map(|(at, _)| at)
            .collect(),
        queues: device.rx_queues,
        frame_size: started.config.frame_size,
        umem_bytes: started.config.memory(),
        tx_budget: opened.iter().map(|opened| opened.tx_budget).min().unwrap_or(0),
        hugepages: opened.iter().all(|opened| opened.hugepages),
        cookie_tier,
    });
    Ok((open, queues))
}

/// Queues behind an attached program.
struct Started {
    mode: Mode,
    config: QueueConfig,
    queues: Vec<(Queue, EffectiveConfig)>,
}

/// In the mode asked for; or in the one that suits the driver, and if that fails in the other.
fn start(
    options: &StackConfig,
    program: &mut Program,
    device: &Device,
    active: &mut Effective,
) -> Result<Started, StartError> {
    let mut start = |mode, notes: &mut Vec<String>| in_mode(options, program, device, mode, notes);
    if let Some(mode) = options.mode {
        return start(mode, &mut active.notes);
    }
    if options.copy == CopyMode::ZeroCopy {
        // Generic mode has none.
        return start(Mode::Native, &mut active.notes);
    }
    match device.preference() {
        Preference::Generic => start(Mode::Generic, &mut active.notes),
        Preference::Native => match start(Mode::Native, &mut Vec::new()) {
            Err(StartError::Program(error)) => {
                active.notes.push(format!("native mode failed, generic mode taken: {error}"));
                start(Mode::Generic, &mut active.notes)
            }
            Err(error) => Err(error),
            Ok(started) => Ok(started),
        },
    }
}

/// The sockets first, the program last. From its first frame on every queue has a socket; and a
/// driver that starts its queues anew for the program finds the sockets' memory, and frames in it.
fn in_mode(
    options: &StackConfig,
    program: &mut Program,
    device: &Device,
    mode: Mode,
    notes: &mut Vec<String>,
) -> Result<Started, StartError> {
    program.check_free(device.index, &device.name, mode)?;
    let says = inspect::features(device.index);
    let sizing = Sizing::choose(device, mode, options.copy, options.frame_size, says)?;
    notes.extend(sizing.note);
    let mut config = QueueConfig::new(&device.name, device.index, 0);
    config.set_rings(options.ring);
    config.hugepages = options.hugepages;
    (config.copy, config.frame_size) = (sizing.copy, sizing.frame_size);
    let mut queues = Vec::new();
    for number in 0..device.rx_queues {
        config.queue = number;
        let (queue, opened) = Queue::open(&config)?;
        program.set_socket(number, queue.as_fd())?;
        queues.push((queue, opened));
    }
    program.attach(device.index, &device.name, mode)?;
    Ok(Started { mode, config, queues })
}

/// What the parser is configured with, beside what the interface is.
#[derive(Clone)]
pub(super) struct Given {
    /// On-link prefixes; empty: the interface's own.
    pub(super) subnets: Vec<IpNet>,
    pub(super) accept_partial_checksum: bool,
}

impl Given {
    pub(super) fn of(options: &StackConfig) -> Given {
        let accept_partial_checksum = options.accept_partial_checksum;
        Given { subnets: options.subnets.clone(), accept_partial_checksum }
    }

    /// What the parser needs to know of an interface.
    pub(super) fn policy(&self, network: &Network, index: u32) -> ParseConfig {
        let links = if self.subnets.is_empty() { links(network, index) } else { self.subnets.clone() };
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net.trunc()),
            IpNet::V6(_) => None,
        };
        ParseConfig {
            mac: network.mac_of(index),
            subnets: links.into_iter().filter_map(v4).collect(),
            accept_partial_checksum: self.accept_partial_checksum,
        }
    }
}

/// The prefixes on the link of an interface, by its addresses.
pub(super) fn links(network: &Network, index: u32) -> Vec<IpNet> {
    let addresses = network.addresses_of(index);
    let links = addresses.iter().filter_map(|(address, length)| IpNet::new(*address, *length).ok());
    links.map(|link| link.trunc()).collect()
}
