use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use handfast_stack::xdp::CopyMode;

/// How frames get from the driver into the UMEM.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Packet path")]
pub struct UmemArgs {
    /// Copy frames between driver and UMEM [default: zero-copy if the driver supports it]
    #[arg(long, conflicts_with = "zerocopy")]
    copy: bool,

    /// Require zero-copy; fail if the driver does not support it
    #[arg(long)]
    zerocopy: bool,

    /// Size of a UMEM frame in bytes [default: 4096 for zero-copy, else what the MTU needs]
    ///
    /// A packet must fit into one frame. In zero-copy mode some drivers round the room in a frame down
    /// to whole KiB; frames of 2048 bytes then hold no packet of full size. Each entry of --ring takes
    /// two frames of memory; the total is printed at start.
    #[arg(long, value_name = "BYTES",
          value_parser = PossibleValuesParser::new(["2048", "4096"]).map(|text| bytes(&text)))]
    frame_size: Option<u32>,
}

impl UmemArgs {
    pub(super) fn copy(&self) -> CopyMode {
        match (self.copy, self.zerocopy) {
            (true, _) => CopyMode::Copy,
            (_, true) => CopyMode::ZeroCopy,
            _ => CopyMode::Auto,
        }
    }

    pub(super) fn frame_size(&self) -> Option<u32> {
        self.frame_size
    }
}

fn bytes(text: &str) -> u32 {
    text.parse().unwrap_or(4096)
}
