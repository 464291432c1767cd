use std::fs;

use procfs::process::Process;
use procfs::{WithCurrentSystemInfo, ticks_per_second};

use crate::link_counts::LinkCounts;
use crate::processor_time::ProcessorClock;
use crate::{CLIENT_DEVICE, Lab, LabError, SERVER_DEVICE};

/// Counts at one moment.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub client_end: LinkCounts,
    pub server_end: LinkCounts,
    /// Frames that the backlogs of the host's processors dropped, in all namespaces.
    pub backlog_dropped: u64,
    /// Resident memory of the responder, bytes; its processor time, seconds. `None`: it has ended.
    pub resident: Option<u64>,
    pub used_s: Option<f64>,
    pub processors: Option<ProcessorClock>,
}

impl Observation {
    /// Of this lab, and of the responder with this process id.
    pub(super) fn now(lab: &Lab, responder: u32) -> Result<Observation, LabError> {
        let process = i32::try_from(responder).ok().and_then(|pid| Process::new(pid).ok());
        let stat = process.and_then(|process| process.stat().ok());
        Ok(Observation {
            client_end: LinkCounts::of(lab.client(), CLIENT_DEVICE)?,
            server_end: LinkCounts::of(lab.server(), SERVER_DEVICE)?,
            backlog_dropped: fs::read_to_string("/proc/net/softnet_stat").map_or(0, |text| dropped(&text)),
            resident: stat.as_ref().map(|stat| stat.rss_bytes().get()),
            used_s: stat.map(|stat| (stat.utime + stat.stime) as f64 / ticks_per_second() as f64),
            processors: ProcessorClock::now(),
        })
    }
}

/// The second column of each processor's line, in hexadecimal.
fn dropped(softnet: &str) -> u64 {
    let column = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    softnet.lines().filter_map(column).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_all_processors_are_added() {
        let text = "0004fe2d 00000010 00000003 00000000\n0008a1b2 0000000a 00000000 00000000\n";
        assert_eq!(dropped(text), 26);
        assert_eq!(dropped(""), 0);
    }
}
