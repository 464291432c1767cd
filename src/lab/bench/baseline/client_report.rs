use serde::Serialize;

use super::tracker::ConnTracker;
use super::{PortReport, ReplayClientOptions};
use crate::processor_time::ProcessorTime;

/// Results of a run. `rate`: connections that ended per second of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayClientReport {
    pub program: &'static str,
    #[serde(flatten)]
    pub port: PortReport,
    pub workload: String,
    pub closer: String,
    pub window: Option<u32>,
    pub seconds: f64,
    /// Processor time of the whole machine in these seconds.
    pub processors: Vec<ProcessorTime>,
    /// Connections begun.
    pub sent: u64,
    pub syn_ack: u64,
    pub completed: u64,
    pub rst: u64,
    pub reflected: u64,
    pub other: u64,
    pub duplicate: u64,
    pub lost: u64,
    pub no_frame: u64,
    pub in_flight: u32,
    pub rate: f64,
}

impl ReplayClientReport {
    /// `ended`: connections that had ended after `seconds`; the tracker also counts those of the drain.
    pub(super) fn new(
        options: &ReplayClientOptions,
        tracker: &ConnTracker,
        port: PortReport,
        ended: u64,
        (seconds, processors): (f64, Vec<ProcessorTime>),
    ) -> ReplayClientReport {
        ReplayClientReport {
            program: "replay-client",
            port,
            workload: options.pattern.workload.to_string(),
            closer: options.pattern.closer.to_string(),
            window: options.rate.is_none().then_some(options.window),
            seconds,
            processors,
            sent: tracker.sent,
            syn_ack: tracker.syn_ack,
            completed: tracker.completed,
            rst: tracker.rst,
            reflected: tracker.reflected,
            other: tracker.other,
            duplicate: tracker.duplicate,
            lost: tracker.lost,
            no_frame: tracker.no_frame,
            in_flight: tracker.outstanding,
            rate: ended as f64 / seconds,
        }
    }
}
