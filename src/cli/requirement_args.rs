use std::time::Duration;

use clap::Args;

use super::{Failure, values};
use handfast_report::bench::Requirements;

/// Requirements for the results of a run, for scripts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Requirements")]
pub struct RequirementArgs {
    /// Exit with 3 if fewer connections per second were completed (mean; with --find-max: at the rate found)
    #[arg(long, value_name = "R", value_parser = values::count)]
    pub require_rate: Option<u32>,

    /// Exit with 3 if a smaller share of the attempted connections was completed
    #[arg(long, value_name = "SHARE", value_parser = values::share)]
    pub require_success: Option<f64>,

    /// Exit with 3 if the 99th percentile of the completion time is higher (for `hold`: of the time to
    /// connect)
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub require_p99: Option<Duration>,
}

impl RequirementArgs {
    pub(super) fn requirements(&self) -> Requirements {
        Requirements {
            rate: self.require_rate.map(f64::from),
            success: self.require_success,
            p99_us: self.require_p99.map(|time| time.as_micros() as f64),
        }
    }

    /// `flood`: the workload is a flood, which has no answers to measure.
    pub(super) fn check(&self, flood: bool) -> Result<(), Failure> {
        let options = [
            (self.require_success.is_some(), "--require-success"),
            (self.require_p99.is_some(), "--require-p99"),
        ];
        match options.iter().find(|(given, _)| *given) {
            Some((_, option)) if flood => Err(Failure::new(format!(
                "{option} does not apply to --workload flood: a flood waits for no answers"
            ))
            .fix(format!("--require-rate, or leave {option} out"))),
            _ => Ok(()),
        }
    }
}
