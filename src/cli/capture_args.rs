use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use nix::errno::Errno;

use super::Failure;
use crate::capture::{Capture, Settings};

/// What the sockets see and send, as a file to look at.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArgs {
    /// Write every frame that our sockets receive and send to this file, as pcapng
    ///
    /// tcpdump on the interface is blind to what AF_XDP takes, or sees half of it. This is taken where
    /// the stack itself sees it: with nanoseconds, the direction, and an interface per queue. Whatever
    /// reads pcapng reads it: wireshark, tshark, handfast trace --pcap FILE.
    ///
    /// Copying never waits: a frame that is not captured for want of time or room is counted, and where
    /// it is missing the file says so. If nothing can be written any more the capture ends, and the run
    /// goes on. A named pipe works, once something reads it.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Only the first N octets of each frame; 96 hold all headers
    #[arg(long, value_name = "N", requires = "pcap", value_parser = snaplen)]
    pub snaplen: Option<NonZeroU32>,

    /// Only one connection of N, as in 1/100, with all its segments
    ///
    /// Chosen by addresses and ports, so that conversations stay whole, and a capture at the other end
    /// with the same N has the same ones. What belongs to no connection, such as ARP, is kept.
    #[arg(long, value_name = "1/N", requires = "pcap", value_parser = sample)]
    pub sample: Option<NonZeroU32>,

    /// Only TCP segments from or to this port, and ICMP errors about them
    #[arg(long, value_name = "PORT", requires = "pcap", value_parser = clap::value_parser!(u16).range(1..))]
    pub filter: Option<u16>,

    /// How much of each core's time copying may take [default: 10]
    ///
    /// Counted in tenths of a second: once a tenth's share is used up, the rest of it is dropped, and
    /// counted. To see less of everything rather than everything at times, use --sample or --snaplen.
    #[arg(long, value_name = "PERCENT", requires = "pcap", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub pcap_share: Option<u8>,
}

impl CaptureArgs {
    /// Makes the file, if one is asked for. Before privileges are given up.
    pub(super) fn create(&self) -> Result<Option<Capture>, Failure> {
        let Some(path) = &self.pcap else { return Ok(None) };
        let defaults = Settings::default();
        let settings = Settings {
            snaplen: self.snaplen,
            sample: self.sample.unwrap_or(defaults.sample),
            port: self.filter,
            share_percent: self.pcap_share.unwrap_or(defaults.share_percent),
        };
        let capture = Capture::create(path, settings).map_err(|error| {
            let failure = Failure::cannot_write(path, &error);
            if error.raw_os_error() != Some(Errno::ENXIO as i32) {
                return failure;
            }
            failure.fix(format!("start what reads the pipe first, as in: tshark -i {}", path.display()))
        })?;
        println!("capture to {}", capture.describe());
        Ok(Some(capture))
    }
}

/// Octets: an Ethernet, an IPv4 and a TCP header at least, since less tells nothing of a segment.
fn snaplen(text: &str) -> Result<NonZeroU32, String> {
    const LEAST: u32 = 54;
    let octets = text.parse::<NonZeroU32>().ok().filter(|octets| (LEAST..=65_535).contains(&octets.get()));
    octets.ok_or_else(|| format!("`{text}` is no length: write octets from {LEAST} (the headers) to 65535"))
}

/// `1/N`.
fn sample(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_prefix("1/").and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("`{text}` is no sample: write 1/100 for one connection of a hundred"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_lengths_have_their_bounds() {
        assert_eq!(sample("1/8").map(NonZeroU32::get), Ok(8));
        assert!(["", "8", "1/", "1/0", "2/3", "1/-1"].iter().all(|text| sample(text).is_err()));
        assert_eq!(snaplen("54").map(NonZeroU32::get), Ok(54));
        assert!(["", "0", "53", "65536", "-1"].iter().all(|text| snaplen(text).is_err()));
    }
}
