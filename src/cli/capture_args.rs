use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::result_file::ResultFile;
use super::{Failure, values};
use handfast_stack::capture::{Capture, Settings};

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

    /// Only a share of the connections, as in 1/100 or 1%, with all their segments
    ///
    /// Chosen by addresses and ports, so that conversations stay whole, and a capture at the other end
    /// with the same share has the same ones: one of N, the whole N nearest to it. What belongs to no connection, such as ARP, is kept.
    #[arg(long, value_name = "SHARE", requires = "pcap", value_parser = sample)]
    pub sample: Option<NonZeroU32>,

    /// Only TCP segments from or to this port, and ICMP errors about them
    #[arg(long, value_name = "PORT", requires = "pcap", value_parser = clap::value_parser!(u16).range(1..))]
    pub filter: Option<u16>,

    /// How much of each core's time copying may take, as in 10%, 0.1 or 10 [default: 10%]
    ///
    /// Counted in tenths of a second: once a tenth's share is used up, the rest of it is dropped, and
    /// counted. To see less of everything rather than everything at times, use --sample or --snaplen.
    #[arg(long, value_name = "SHARE", requires = "pcap", value_parser = percent)]
    pub pcap_share: Option<u8>,
}

impl CaptureArgs {
    /// What it is written to, if it is asked for. Before privileges are given up.
    pub(super) fn create(&self) -> Result<Option<(ResultFile, Capture)>, Failure> {
        let Some(path) = &self.pcap else { return Ok(None) };
        let defaults = Settings::default();
        let settings = Settings {
            snaplen: self.snaplen,
            sample: self.sample.unwrap_or(defaults.sample),
            port: self.filter,
            share_percent: self.pcap_share.unwrap_or(defaults.share_percent),
        };
        let (result, file) = ResultFile::growing(path)?;
        let capture = Capture::to(path.display().to_string(), file, settings);
        println!("capture to {}", capture.describe());
        Ok(Some((result, capture)))
    }
}

/// Octets: an Ethernet, an IPv4 and a TCP header at least, since less tells nothing of a segment.
fn snaplen(text: &str) -> Result<NonZeroU32, String> {
    const LEAST: u32 = 54;
    let octets = text.parse::<NonZeroU32>().ok().filter(|octets| (LEAST..=65_535).contains(&octets.get()));
    octets.ok_or_else(|| format!("`{text}` is no length: write octets from {LEAST} (the headers) to 65535"))
}

/// One of so many: `1/N`, or a share.
fn sample(text: &str) -> Result<NonZeroU32, String> {
    let number = match text.strip_prefix("1/") {
        Some(number) => number.parse().ok(),
        None => values::share(text)
            .ok()
            .filter(|share| *share > 0.0)
            .map(|share| (1.0 / share).round() as u32)
            .and_then(NonZeroU32::new),
    };
    number
        .ok_or_else(|| format!("invalid sample `{text}`: write 1/100 or 1% for one connection of a hundred"))
}

/// A share of whole percents; a whole number is one of percents, too.
fn percent(text: &str) -> Result<u8, String> {
    let whole = text.parse::<u8>().ok();
    let share = || values::share(text).ok().map(|share| share * 100.0);
    let of_share =
        || share().filter(|percent| (percent - percent.round()).abs() < 1e-9).map(|p| p.round() as u8);
    whole.or_else(of_share).filter(|percent| (1..=100).contains(percent)).ok_or_else(|| {
        format!("invalid share `{text}`: write whole percents from 1% to 100%, or 0.01 to 0.99")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_lengths_have_their_bounds() {
        assert_eq!(sample("1/8").map(NonZeroU32::get), Ok(8));
        assert_eq!(sample("1%").map(NonZeroU32::get), Ok(100));
        assert_eq!(sample("0.3").map(NonZeroU32::get), Ok(3));
        for (text, expected) in [("10%", 10), ("0.29", 29), ("10", 10), ("1", 1), ("100%", 100), ("1.0", 100)]
        {
            assert_eq!(percent(text), Ok(expected), "{text}");
        }
        assert!(["", "0", "0%", "101", "1.5%", "-1", "x"].iter().all(|text| percent(text).is_err()));
        assert!(["", "8", "1/", "1/0", "2/3", "1/-1", "0", "0%"].iter().all(|text| sample(text).is_err()));
        assert_eq!(snaplen("54").map(NonZeroU32::get), Ok(54));
        assert!(["", "0", "53", "65536", "-1"].iter().all(|text| snaplen(text).is_err()));
    }
}
