use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::UmemArgs;
use super::values::{self, CoreList};
use handfast_stack::engine::stack::StackConfig;
use handfast_stack::engine::{Polling, Priority};
use handfast_stack::xdp::Mode;

/// How packets get to the cores, for `respond` and `bench`. Their defaults differ: see `mut_arg`
/// at `BenchArgs`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Packet path")]
pub struct PacketPathArgs {
    /// CPU cores to run on, as in 0,2-3 [default: as many as there are queues, from 0 on]
    #[arg(long, value_name = "LIST")]
    cores: Option<CoreList>,

    /// Where the eBPF program runs: in the driver (native) or in the network stack (generic)
    ///
    /// auto chooses by the driver: generic on a veth with one queue and where the driver has no XDP,
    /// native elsewhere. The mode in use is printed at start.
    #[arg(long, value_name = "MODE", default_value = "auto",
          value_parser = PossibleValuesParser::new(["auto", "native", "generic"]).map(|text| mode(&text)))]
    mode: ModeChoice,

    #[command(flatten)]
    umem: UmemArgs,

    /// How a core waits for frames: busy never sleeps, adaptive sleeps while there is no work
    #[arg(long, value_name = "HOW", default_value = "adaptive",
          value_parser = PossibleValuesParser::new(["busy", "adaptive"]).map(|text| poll(&text)))]
    poll: Polling,

    /// Scheduling of the cores' threads: nice:N (-20 to 19) or fifo:N (1 to 99)
    ///
    /// On cores that other programs use too, fifo:10 makes answers as prompt as the kernel's own: the
    /// threads sleep while there is no work, and run at once when a frame arrives. nice:N gives them
    /// more time, but not sooner. [default: inherited from the process that starts handfast]
    #[arg(long, value_name = "POLICY", default_value = "inherited", hide_default_value = true)]
    priority: Priority,

    /// Entries of each ring of each queue, a power of two; each entry takes two frames of memory
    ///
    /// A larger ring holds the frames that arrive during a longer pause of the core.
    #[arg(long, value_name = "FRAMES", default_value = "2048", value_parser = values::ring)]
    ring: u32,

    /// Accept TCP segments whose checksum covers the pseudo-header only
    ///
    /// A veth peer sends such segments while its transmit checksum offload is on (`ethtool -K PEER tx
    /// off` is the better fix), and virtio-net delivers them in generic mode. The sender's segmentation
    /// offload must be off (`ethtool -K PEER tso off gso off`): its segments are larger than a frame, and
    /// uploads stall.
    #[arg(long)]
    accept_partial_checksums: bool,
}

/// `--mode`; `None` is auto.
pub(crate) type ModeChoice = Option<Mode>;

impl PacketPathArgs {
    /// `options` with these.
    pub(super) fn apply(&self, options: StackConfig) -> StackConfig {
        StackConfig {
            cores: self.cores.clone().map_or(options.cores, |cores| cores.0),
            mode: self.mode,
            copy: self.umem.copy(),
            frame_size: self.umem.frame_size(),
            polling: self.poll,
            priority: self.priority,
            ring: self.ring,
            accept_partial_checksum: self.accept_partial_checksums,
            ..options
        }
    }
}

pub(super) fn mode(text: &str) -> ModeChoice {
    match text {
        "native" => Some(Mode::Native),
        "generic" => Some(Mode::Generic),
        _ => None,
    }
}

fn poll(text: &str) -> Polling {
    if text == "busy" { Polling::Busy } else { Polling::Adaptive }
}

/// The room for connections, for `respond` and `bench`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct TableArgs {
    /// Connections of each address family, including TIME-WAIT; address space is reserved at start
    #[arg(long, value_name = "N", default_value = "1_048_576", value_parser = values::count)]
    pub(super) max_connections: u32,

    /// Make all memory for connections resident at start
    ///
    /// Otherwise the first use of each page costs a page fault, which shows at full rate. The size
    /// follows from --max-connections, for both address families.
    #[arg(long)]
    prefault: bool,
}

impl TableArgs {
    /// `options` with these.
    pub(super) fn apply(&self, options: StackConfig) -> StackConfig {
        StackConfig { max_connections: self.max_connections, prefault: self.prefault, ..options }
    }
}
