use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use super::{Load, Source, Target, TupleSpace, Workload};
use handfast_stack::tcp::SendBuffers;

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: Target,
    pub sources: Vec<Source>,
    pub workload: Workload,
    pub load: Load,
    /// The load increases evenly over this time, at the beginning.
    pub ramp_up: Duration,
    /// Full load that is not measured yet.
    pub warm_up: Duration,
    /// The measured time; of [`Workload::Hold`]: how long connections are kept before they are probed.
    /// `None`: until `connections` have ended or the run is stopped.
    pub duration: Option<Duration>,
    /// The load of an open loop decreases evenly over this time, after the measured time.
    pub ramp_down: Duration,
    /// Connections to measure. `None`: all in the duration.
    pub connections: Option<u64>,
    /// The same seed gives the same intended starts and the same order of 4-tuples.
    pub seed: u64,
    /// Time before a 4-tuple is used again after its connection ended: twice the longer MSL of the two
    /// sides, since either may hold TIME-WAIT. Zero: immediately.
    pub reuse_after: Duration,
    /// Time for connections in flight to end after the last one was opened. Longer than `timeout`: otherwise
    /// connections that the target never answers are in flight at the end, not failed.
    pub drain: Duration,
    /// A connection that is not complete this long after its intended start has failed.
    pub timeout: Duration,
    pub probes: Probes,
}

/// How held connections are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    /// Probes per second, of all cores.
    pub per_second: u32,
    /// Time between the last probe of a round and the first one of the next.
    pub wait: Duration,
    /// Rounds; from the second round on only connections without a reply are probed.
    pub rounds: u8,
}

impl Default for Probes {
    fn default() -> Probes {
        Probes { per_second: 100_000, wait: Duration::from_secs(1), rounds: 3 }
    }
}

impl Plan {
    /// The defaults: a closed loop of one connection at a time, for ten seconds.
    pub fn new(target: Target, sources: Vec<Source>, workload: Workload) -> Plan {
        Plan {
            target,
            sources,
            workload,
            load: Load::Concurrency(1),
            ramp_up: Duration::ZERO,
            warm_up: Duration::ZERO,
            duration: Some(Duration::from_secs(10)),
            ramp_down: Duration::ZERO,
            connections: None,
            seed: 1,
            reuse_after: Duration::from_secs(60),
            drain: Duration::from_secs(12),
            timeout: Duration::from_secs(10),
            probes: Probes::default(),
        }
    }

    /// All 4-tuples of this plan.
    pub fn space(&self) -> TupleSpace {
        TupleSpace::new(&self.sources, &self.target)
    }

    /// Checks whether the plan can run on this number of cores. Returns warnings.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn check(&self, cores: u32) -> Result<Vec<String>, PlanError> {
        self.check_sources()?;
        let tuples = self.space().len();
        if tuples < u64::from(cores) {
            return Err(PlanError::FewerThanCores { tuples, cores });
        }
        self.check_load(tuples)?;
        self.check_workload(tuples)?;
        if self.timeout.is_zero() || self.timeout > MAX_TIMEOUT {
            return Err(PlanError::Timeout);
        }
        Ok(self.warnings(tuples))
    }

    fn check_sources(&self) -> Result<(), PlanError> {
        if self.sources.is_empty() {
            return Err(PlanError::NoSource);
        }
        for (index, source) in self.sources.iter().enumerate() {
            if source.net.addr().is_ipv4() != self.target.address.is_ipv4() {
                return Err(PlanError::Family(source.clone(), self.target.clone()));
            }
            if source.net.contains(&IpNet::from(self.target.address)) {
                return Err(PlanError::TargetAmongSources(source.clone(), self.target.clone()));
            }
            if let Some(other) = self.sources[..index].iter().find(|other| other.overlaps(source)) {
                return Err(PlanError::Overlap(other.clone(), source.clone()));
            }
        }
        Ok(())
    }

    fn check_load(&self, tuples: u64) -> Result<(), PlanError> {
        match self.load {
            Load::Concurrency(0) => Err(PlanError::NoConcurrency),
            Load::Rate { per_second, .. } if !(1..=MAX_RATE).contains(&per_second) => {
                Err(PlanError::Rate(MAX_RATE))
            }
            Load::Concurrency(asked) if u64::from(asked) > tuples => {
                Err(PlanError::Concurrency { asked, tuples })
            }
            _ => Ok(()),
        }
    }

    fn check_workload(&self, tuples: u64) -> Result<(), PlanError> {
        match (&self.workload, self.connections) {
            (_, Some(0)) | (Workload::Hold, None) => Err(PlanError::NoConnections),
            (Workload::Hold, Some(asked)) if asked > tuples => Err(PlanError::Hold { asked, tuples }),
            (Workload::Request { request, .. }, _) if request.is_empty() => Err(PlanError::NoRequest),
            (Workload::Request { request, .. }, _) if request.len() > SendBuffers::CAPACITY => {
                Err(PlanError::RequestTooLong { bytes: request.len(), max: SendBuffers::CAPACITY })
            }
            _ => Ok(()),
        }
    }

    /// Connections per second that the 4-tuples allow in the long run, each resting after its connection's
    /// end. `None`: no limit, since they do not rest.
    pub fn tuples_per_second(&self) -> Option<f64> {
        let rest = self.reuse_after.as_secs_f64();
        (rest > 0.0).then(|| self.space().len() as f64 / rest)
    }

    fn warnings(&self, tuples: u64) -> Vec<String> {
        let mut warnings: Vec<String> = self.too_few_tuples(tuples).into_iter().collect();
        if self.workload == Workload::Hold && (!self.warm_up.is_zero() || !self.ramp_down.is_zero()) {
            warnings.push("hold measures every connection: warm-up and ramp-down are ignored".to_owned());
        }
        warnings
    }

    /// The 4-tuples may run out before the run ends.
    fn too_few_tuples(&self, tuples: u64) -> Option<String> {
        let rest = self.reuse_after.as_secs_f64();
        let total = (self.ramp_up + self.warm_up + self.ramp_down).as_secs_f64()
            + self.duration.map_or(f64::INFINITY, |time| time.as_secs_f64());
        let lasts = |per_second: u64| tuples as f64 / per_second as f64;
        let runs_out = |per_second| lasts(per_second) < rest.min(total);
        let fix = "Add addresses or ports to --source, or let them rest for a shorter time (--reuse-after)";
        match self.load {
            Load::Rate { per_second, .. } if runs_out(per_second) => Some(format!(
                "{tuples} 4-tuples last {:.1} s at {per_second} connections per second, and each rests \
                 {rest:.0} s after its connection's end: after that {:.0} % find none and fail as no-tuple. {fix}",
                lasts(per_second),
                100.0 * (1.0 - lasts(per_second) / rest)
            )),
            Load::Concurrency(_)
                if runs_out(LIKELY_RATE) && self.connections.is_none_or(|all| all > tuples) =>
            {
                Some(format!(
                    "{tuples} 4-tuples are used up after as many connections, and each rests {rest:.0} s after \
                     its connection's end: they allow {:.0} connections per second in the long run, even if the \
                     target could do more. {fix}",
                    tuples as f64 / rest
                ))
            }
            _ => None,
        }
    }
}

/// The rate that a closed loop is assumed to reach, connections per second.
const LIKELY_RATE: u64 = 100_000;

/// Latencies are kept modulo 2^32 microseconds, 71 minutes.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);
/// Connections per second: with more, sums of microseconds would not be exact.
const MAX_RATE: u64 = 1_000_000_000;

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    #[error("there are no source addresses")]
    NoSource,
    #[error("source {0} and target {1} are of different address families")]
    Family(Source, Target),
    #[error("the target {1} lies within the source {0}")]
    TargetAmongSources(Source, Target),
    #[error("the sources {0} and {1} overlap: a 4-tuple would be used twice at the same time")]
    Overlap(Source, Source),
    #[error("{tuples} 4-tuples are too few for {cores} cores")]
    FewerThanCores { tuples: u64, cores: u32 },
    #[error("invalid concurrency 0: the minimum is 1")]
    NoConcurrency,
    #[error("invalid rate: it must be from 1 to {0} connections per second")]
    Rate(u64),
    #[error("{asked} connections at a time need {asked} 4-tuples, and there are {tuples}")]
    Concurrency { asked: u32, tuples: u64 },
    #[error("the number of connections is missing or 0")]
    NoConnections,
    #[error("{asked} connections to hold need {asked} 4-tuples, and there are {tuples}")]
    Hold { asked: u64, tuples: u64 },
    #[error("the request is empty")]
    NoRequest,
    #[error("the request has {bytes} bytes, and a send buffer holds {max}")]
    RequestTooLong { bytes: usize, max: usize },
    #[error("invalid timeout: it must be longer than 0 and at most an hour")]
    Timeout,
}

#[cfg(test)]
mod tests {
    use super::super::source::SourceArg;
    use super::super::{Arrivals, ResponseKind};
    use super::*;

    fn sources(texts: &[&str]) -> Vec<Source> {
        texts.iter().flat_map(|text| text.parse::<SourceArg>().unwrap().resolve(None).unwrap()).collect()
    }

    fn plan(texts: &[&str]) -> Plan {
        Plan::new("10.9.0.1:80".parse().unwrap(), sources(texts), Workload::Handshake)
    }

    #[test]
    fn what_cannot_run_says_why() {
        let good = plan(&["10.0.0.0/24"]);
        assert_eq!(good.check(4), Ok(vec![]));
        let rate = |per_second| Load::Rate { per_second, arrivals: Arrivals::Steady };
        let request =
            |length| Workload::Request { request: vec![0; length], response: ResponseKind::Segment };
        let few = plan(&["10.0.0.1:1-3"]);
        for (plan, part) in [
            (plan(&[]), "no source addresses"),
            (plan(&["2001:db8::/64"]), "different address families"),
            (plan(&["10.9.0.0/24"]), "lies within the source"),
            (plan(&["10.0.0.0/24", "10.0.0.7"]), "overlap"),
            (few.clone(), "3 4-tuples are too few for 4 cores"),
            (Plan { load: Load::Concurrency(0), ..good.clone() }, "minimum is 1"),
            (Plan { load: Load::Concurrency(u32::MAX), ..good.clone() }, "at a time need"),
            (Plan { load: rate(0), ..good.clone() }, "invalid rate"),
            (Plan { load: rate(u64::MAX), ..good.clone() }, "invalid rate"),
            (Plan { connections: Some(0), ..good.clone() }, "number of connections"),
            (Plan { workload: Workload::Hold, ..good.clone() }, "number of connections"),
            (Plan { workload: Workload::Hold, connections: Some(1 << 40), ..good.clone() }, "to hold need"),
            (Plan { workload: request(0), ..good.clone() }, "request is empty"),
            (Plan { workload: request(5000), ..good.clone() }, "5000 bytes"),
            (Plan { timeout: Duration::ZERO, ..good.clone() }, "invalid timeout"),
            (Plan { timeout: Duration::from_secs(3601), ..good.clone() }, "invalid timeout"),
        ] {
            let error = plan.check(4).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_range_too_small_for_the_rate_is_told_before() {
        let load = Load::Rate { per_second: 10_000, arrivals: Arrivals::Steady };
        let small = Plan { load, ..plan(&["10.0.0.1"]) };
        let warnings = small.check(1).unwrap();
        assert!(warnings[0].contains("last 6.5 s") && warnings[0].contains("89 %"), "{warnings:?}");
        let closed =
            |load, duration, connections| Plan { load, duration, connections, ..plan(&["10.0.0.1"]) };
        let load = Load::Concurrency(4);
        let ten = Some(Duration::from_secs(10));
        for (plan, warned) in [
            (closed(load, ten, None), true),
            (closed(load, None, Some(64_512)), false),
            (closed(load, None, Some(64_513)), true),
            (Plan { reuse_after: Duration::ZERO, ..closed(load, ten, None) }, false),
            (Plan { sources: sources(&["10.0.0.0/24"]), ..closed(load, ten, None) }, false),
        ] {
            let warnings = plan.check(1).unwrap();
            assert_eq!(warnings.len(), usize::from(warned), "{warnings:?}");
            assert!(!warned || warnings[0].contains("allow 1075 connections per second"), "{warnings:?}");
        }
        let short = Plan { duration: Some(Duration::from_secs(5)), ..small.clone() };
        assert_eq!(short.check(1), Ok(vec![]));
        let unrested = Plan { reuse_after: Duration::ZERO, ..small };
        assert_eq!(unrested.check(1), Ok(vec![]));
    }
}
