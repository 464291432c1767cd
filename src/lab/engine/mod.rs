//! The engine alone, on a port in memory: what this machine's cores can do without a wire.
//!
//! - `peer`: the other end: frames of many connections, made outside of the measured time.
//! - `work`: one core's share of a workload; `clock` what it spends.

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
use work::{CHUNK, Share, Work};

pub use workload::EngineWorkload;

/// What to measure.
#[derive(Clone, Debug)]
pub struct EngineRun {
    pub workload: EngineWorkload,
    /// Established connections in the table before anything is measured, on each core.
    pub live: u32,
    pub cores: Vec<usize>,
    /// Processor time to measure, on each core.
    pub time: Duration,
}

/// What came of it. Processor time of the engine alone.
#[derive(Clone, Debug, Serialize)]
pub struct EngineReport {
    pub workload: String,
    pub live: u32,
    pub cores: Vec<usize>,
    pub connections: u64,
    pub connections_per_s_per_core: f64,
    /// Per segment in or out.
    pub ns_per_segment: f64,
    /// By stage, nanoseconds per segment in or out; of a second run, since looking costs time.
    pub stages_ns: BTreeMap<String, f64>,
    /// Octets of resident memory, index included; `None` with too few connections to tell.
    pub bytes_per_connection: Option<f64>,
}

/// Fewer connections than this say nothing of the memory that one takes.
const FEW: u32 = 1 << 16;

impl EngineRun {
    /// Measures, on a pinned thread for each core; then again with the stages' clocks on.
    ///
    /// # Errors
    /// What went wrong, in words: no memory, or a core that is not there.
    pub fn measure(&self) -> Result<EngineReport, String> {
        let plain = self.once(false, self.time)?;
        let staged = self.once(true, (self.time / 4).min(Duration::from_secs(1)))?;
        let sum = |of: fn(&Share) -> f64| plain.iter().map(of).sum::<f64>();
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
            connections_per_s_per_core: sum(Share::rate) / self.cores.len() as f64,
            ns_per_segment: sum(|share| share.spent.as_nanos() as f64) / segments.max(1) as f64,
            stages_ns,
            bytes_per_connection: (self.fills() && self.live >= FEW && self.cores.len() == 1)
                .then(|| bytes / filled),
        })
    }

    /// Whether connections are in the table before anything is measured.
    fn fills(&self) -> bool {
        self.workload != EngineWorkload::Cookie
    }

    fn once(&self, account_stages: bool, time: Duration) -> Result<Vec<Share>, String> {
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
