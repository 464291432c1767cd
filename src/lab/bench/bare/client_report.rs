use serde::Serialize;

use super::tally::Tally;
use super::{ClientOptions, PortReport};

/// What came of it. `rate`: of what ended, per second, until the time was over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientReport {
    pub program: &'static str,
    #[serde(flatten)]
    pub port: PortReport,
    pub workload: String,
    pub closer: String,
    pub window: Option<u32>,
    pub seconds: f64,
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

impl ClientReport {
    /// `ended` of the connections had ended after `seconds`; the tally is of a little later.
    pub(super) fn new(
        options: &ClientOptions,
        tally: &Tally,
        port: PortReport,
        ended: u64,
        seconds: f64,
    ) -> ClientReport {
        ClientReport {
            program: "replay-client",
            port,
            workload: options.pattern.workload.to_string(),
            closer: options.pattern.closer.to_string(),
            window: options.rate.is_none().then_some(options.window),
            seconds,
            sent: tally.sent,
            syn_ack: tally.syn_ack,
            completed: tally.completed,
            rst: tally.rst,
            reflected: tally.reflected,
            other: tally.other,
            duplicate: tally.duplicate,
            lost: tally.lost,
            no_frame: tally.no_frame,
            in_flight: tally.outstanding,
            rate: ended as f64 / seconds,
        }
    }
}
