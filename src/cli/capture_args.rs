use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::result_file::ResultFile;
use super::{Failure, values};
use handfast_stack::capture::{Capture, Settings};

/// Capture of what the sockets receive and send.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArgs {
    /// Write every frame that the AF_XDP sockets receive and send to this file, as pcapng
    ///
    /// tcpdump on the interface does not see frames that AF_XDP takes, or sees one direction only. This
    /// capture is taken in the stack itself: with nanosecond timestamps, the direction, and one capture
    /// interface per queue. Any reader of pcapng can read it: wireshark, tshark, handfast trace --pcap
    /// FILE.
    ///
    /// The capture never delays packets: a frame that cannot be copied for lack of time or memory is
    /// counted, and the file marks the gap. If the file cannot be written any more, the capture ends and
    /// the run continues. FILE may be a named pipe that has a reader.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,

    /// Capture only the first N bytes of each frame; 96 hold all headers
    #[arg(long, value_name = "N", requires = "pcap", value_parser = snaplen)]
    pub snaplen: Option<NonZeroU32>,

    /// Capture only a share of the connections, as in 1/100 or 1%, with all their segments
    ///
    /// The choice depends on addresses and ports only: captured connections are complete, and a capture
    /// at the other end with the same share contains the same ones. A percentage is rounded to one in N.
    /// Frames that belong to no connection, such as ARP, are always captured.
    #[arg(long, value_name = "SHARE", requires = "pcap", value_parser = sample)]
    pub sample: Option<NonZeroU32>,

    /// Capture only TCP segments from or to this port, and ICMP errors about them
    #[arg(long, value_name = "PORT", requires = "pcap", value_parser = clap::value_parser!(u16).range(1..))]
    pub filter: Option<u16>,

    /// Limit for the CPU time that copying may take on each core, in percent [default: 10]
    ///
    /// The limit applies to each tenth of a second: when it is used up, the remaining frames of that
    /// tenth are not captured, and counted. For an even reduction use --sample or --snaplen.
    #[arg(long, value_name = "PERCENT", requires = "pcap", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub pcap_cpu_percent: Option<u8>,
}

impl CaptureArgs {
    /// Opens the capture file, if one was given. To be called before privileges are dropped.
    pub(super) fn create(&self) -> Result<Option<(ResultFile, Capture)>, Failure> {
        let Some(path) = &self.pcap else { return Ok(None) };
        let defaults = Settings::default();
        let settings = Settings {
            snaplen: self.snaplen,
            sample: self.sample.unwrap_or(defaults.sample),
            port: self.filter,
            cpu_percent: self.pcap_cpu_percent.unwrap_or(defaults.cpu_percent),
        };
        let (result, file) = ResultFile::growing(path)?;
        let capture = Capture::to(path.display().to_string(), file, settings);
        println!("capture to {}", capture.describe());
        Ok(Some((result, capture)))
    }
}

/// Bytes: at least an Ethernet, an IPv4 and a TCP header.
fn snaplen(text: &str) -> Result<NonZeroU32, String> {
    const MIN: u32 = 54;
    let bytes = text.parse::<NonZeroU32>().ok().filter(|bytes| (MIN..=65_535).contains(&bytes.get()));
    bytes.ok_or_else(|| format!("invalid length `{text}`: write bytes from {MIN} (the headers) to 65535"))
}

/// One in N: `1/N`, or a share.
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
        .ok_or_else(|| format!("invalid sample `{text}`: write 1/100 or 1% for one connection in a hundred"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_lengths_have_their_bounds() {
        assert_eq!(sample("1/8").map(NonZeroU32::get), Ok(8));
        assert_eq!(sample("1%").map(NonZeroU32::get), Ok(100));
        assert_eq!(sample("0.3").map(NonZeroU32::get), Ok(3));
        assert!(["", "8", "1/", "1/0", "2/3", "1/-1", "0", "0%"].iter().all(|text| sample(text).is_err()));
        assert_eq!(snaplen("54").map(NonZeroU32::get), Ok(54));
        assert!(["", "0", "53", "65536", "-1"].iter().all(|text| snaplen(text).is_err()));
    }
}
