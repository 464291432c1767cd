use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use handfast_stack::xdp::CopyMode;

/// How frames get from the driver into the UMEM, for every command that opens queues.
#[derive(Clone, Debug, Args)]
pub struct UmemArgs {
    /// Copy frames between driver and UMEM [default: zero-copy where the driver has it]
    #[arg(long, conflicts_with = "zerocopy", help_heading = "Packet path")]
    copy: bool,

    /// Insist on zero-copy: an error where it cannot be had
    #[arg(long, help_heading = "Packet path")]
    zerocopy: bool,

    /// Bytes of a frame of the UMEM: 2048 or 4096 [default: 4096 for zero-copy, else what the MTU needs]
    ///
    /// A packet must fit one frame. In zero-copy mode some drivers round the room in a frame down to
    /// whole KiB: frames of 2048 bytes then take no packet of full size. Each entry of --ring takes
    /// two frames of memory; what it comes to is printed at start.
    #[arg(long, value_name = "BYTES", help_heading = "Packet path",
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
