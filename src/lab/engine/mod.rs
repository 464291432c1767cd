//! Measures the engine on a port in memory: the rate of this host's cores without a network.
//!
//! - `peer`: frames of the other end, written outside of the measured time.
//! - `workload`: the steps of a connection; `work`: one core's part; `clock`: its processor time.

mod clock;
mod peer;
mod work;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use handfast_stack::engine::CoreConfig;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::service::Service;
use handfast_stack::tcp::{Config, CookieMode};
use work::{CHUNK, CoreShare, Work};

pub use workload::EngineWorkload;

/// Options of a measurement.
#[derive(Clone, Debug)]
pub struct EngineRun {
    pub workload: EngineWorkload,
    /// Established connections in each core's part of the table, before the measurement.
    pub live: u32,
    pub cores: Vec<usize>,
    /// Processor time to measure, on each core.
    pub time: Duration,
}

/// Results. Times are processor time of the engine alone.
#[derive(Clone, Debug, Serialize)]
pub struct EngineReport {
    pub workload: String,
    pub live: u32,
    pub cores: Vec<usize>,
    pub connections: u64,
    pub connections_per_s_per_core: f64,
    /// Per segment in or out.
    pub ns_per_segment: f64,
    /// By stage, nanoseconds per segment in or out, from a second run, since reading clocks costs time.
    pub stages_ns: BTreeMap<String, f64>,
    /// Bytes of resident memory, index included; `None` with too few connections.
    pub bytes_per_connection: Option<f64>,
}

/// Minimum connections for a figure of memory per connection.
const MIN_FOR_MEMORY: u32 = 1 << 16;

impl EngineRun {
    /// Measures on a pinned thread for each core, then again with the clocks of the stages.
    ///
    /// # Errors
    /// No memory, or an unavailable core.
    pub fn measure(&self) -> Result<EngineReport, String> {
        let plain = self.once(false, self.time)?;
        let staged = self.once(true, (self.time / 4).min(Duration::from_secs(1)))?;
        let sum = |of: fn(&CoreShare) -> f64| plain.iter().map(of).sum::<f64>();
        let segments: u64 = plain.iter().map(|share| share.segments).sum();
        let staged_segments = staged.iter().map(|share| share.segments).sum::<u64>().max(1);
        let mut stages_ns = BTreeMap::new();
        for (name, ns) in staged.iter().flat_map(|share| &share.stages_ns) {
            *stages_ns.entry((*name).to_owned()).or_default() += *ns as f64 / staged_segments as f64;
        }
        let bytes = plain.iter().filter_map(|share| share.resident).sum::<f64>();
        let filled = f64::from(self.live) * self.cores.len() as f64;
        Ok(EngineReport {
            workload: self.workload.to_string(),
            live: self.live,
            cores: self.cores.clone(),
            connections: plain.iter().map(|share| share.connections).sum(),
            connections_per_s_per_core: sum(CoreShare::rate) / self.cores.len() as f64,
            ns_per_segment: sum(|share| share.spent.as_nanos() as f64) / segments.max(1) as f64,
            stages_ns,
            bytes_per_connection: (self.fills() && self.live >= MIN_FOR_MEMORY && self.cores.len() == 1)
                .then(|| bytes / filled),
        })
    }

    /// Whether the table is filled before the measurement.
    fn fills(&self) -> bool {
        self.workload != EngineWorkload::Cookie
    }

    fn once(&self, account_stages: bool, time: Duration) -> Result<Vec<CoreShare>, String> {
        let cookies = match self.workload {
            EngineWorkload::Cookie => CookieMode::Always,
            _ => CookieMode::Never,
        };
        let setup = Setup {
            config: Config { cookies, ..Config::default() },
            bounds: CoreConfig { account_stages, ..CoreConfig::default() },
            capacity: self.live + 2 * CHUNK,
            cores: self.cores.len(),
            ..Setup::default()
        };
        let owned = peer::OURS.parse().map_err(|error| format!("{error}"))?;
        let all = Simulation::new(setup, &[(owned, Box::new(|| Service::Discard.user()))]);
        let work = |(number, simulation)| Work::new(simulation, number as u32, self.workload, self.live);
        let works: Vec<Work> = all.split().into_iter().enumerate().map(work).collect();
        let cores = self.cores.iter().copied();
        std::thread::scope(|scope| {
            let threads: Vec<_> = works
                .into_iter()
                .zip(cores)
                .map(|(work, core)| scope.spawn(move || work.run(core, time)))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.map(|share| share.unwrap_or_else(|_| Err("a core's thread panicked".to_owned()))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_goes_to_its_end() {
        for (workload, name) in workload::NAMES {
            assert_eq!(name.parse(), Ok(workload));
            let run = EngineRun { workload, live: 1000, cores: vec![0], time: Duration::from_millis(5) };
            let report = run.measure().expect(name);
            assert!(report.connections > 0 && report.connections_per_s_per_core > 0.0, "{report:?}");
            let staged: f64 = report.stages_ns.values().sum();
            assert!(staged > 0.0 && report.stages_ns["tcp"] > 0.0, "{report:?}");
        }
    }
}
