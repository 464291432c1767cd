//! From what was counted to what is reported.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bench_args::BenchArgs;
use super::bench_setup::Place;
use super::bench_watch::Observed;
use handfast_load::{self, Arrivals, Closer, Load, Plan, Source, Workload};
use handfast_report::bench::{
    self, Lag, Loop, Measured, NetworkPath, Outcome, Results, Run, Second, Traffic, Waited,
};
use handfast_stack::engine::stack::Effective;

/// What was run.
pub(super) struct Ran<'a> {
    pub(super) arguments: &'a BenchArgs,
    pub(super) place: &'a Place,
    pub(super) plan: &'a Plan,
    /// Of the step that is reported.
    pub(super) load: Load,
    pub(super) path: &'a NetworkPath,
}

/// How it came to its end.
pub(super) struct Ending {
    /// Why, if before its time.
    pub(super) early: Option<String>,
    /// False for a search that found no rate that holds.
    pub(super) held: bool,
}

pub(super) fn results(
    ran: &Ran<'_>,
    active: &Effective,
    observed: Observed,
    ending: &Ending,
    notes: Vec<String>,
) -> Results {
    let &Ran { plan, load, .. } = ran;
    let run = Run {
        workload: plan.workload.name().to_owned(),
        options: named(ran),
        load: report_load(plan, load),
        target: plan.target.to_string(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        started_at: observed.started_at,
        notes,
    };
    let mut results = Results::new(&run, active, &measured(ran, observed));
    let required = ran.arguments.requirements.requirements();
    results.outcome = Outcome::of(&results, &required, ending.early.as_deref(), ending.held);
    results
}

/// What else decides the figures.
fn named(ran: &Ran<'_>) -> BTreeMap<String, Value> {
    let &Ran { arguments, place, plan, .. } = ran;
    let list = |sources: &[Source]| sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut options = BTreeMap::from([
        ("dev".to_owned(), place.device.clone().into()),
        ("source".to_owned(), list(&plan.sources).into()),
        ("seed".to_owned(), plan.seed.into()),
        ("msl_s".to_owned(), arguments.msl.as_secs_f64().into()),
        ("reuse_after_s".to_owned(), plan.reuse_after.as_secs_f64().into()),
        ("timeout_s".to_owned(), plan.timeout.as_secs_f64().into()),
        ("syn_retries".to_owned(), arguments.syn_retries.into()),
        ("syn_options".to_owned(), arguments.syn_options.to_string().into()),
    ]);
    if let Workload::Lifecycle { closer } = plan.workload {
        let name = if closer == Closer::Client { "client" } else { "server" };
        options.insert("closer".to_owned(), name.into());
    }
    if let Some(name) = &place.name {
        options.insert("target_name".to_owned(), name.clone().into());
    }
    if let Some(path) = arguments.path() {
        options.insert("http".to_owned(), path.into());
    }
    options
}

fn report_load(plan: &Plan, load: Load) -> bench::Load {
    let common = bench::Load {
        ramp_s: plan.ramp_up.as_secs_f64(),
        warmup_s: plan.warm_up.as_secs_f64(),
        tuples: plan.space().len(),
        tuples_per_second: plan.tuples_per_second(),
        ..bench::Load::default()
    };
    match load {
        Load::Concurrency(most) => {
            bench::Load { kind: Loop::Closed, concurrency: Some(u64::from(most)), ..common }
        }
        Load::Rate { per_second, arrivals } => bench::Load {
            kind: Loop::Open,
            rate: Some(per_second as f64),
            arrivals: Some(if arrivals == Arrivals::Poisson { "poisson" } else { "steady" }.to_owned()),
            ..common
        },
    }
}

fn measured(ran: &Ran<'_>, observed: Observed) -> Measured {
    let &Ran { plan, load, path, .. } = ran;
    let tally = &observed.tally;
    // Where nothing but the measured connections was opened, their packets are all there are.
    let alone = plan.ramp_up.is_zero() && plan.warm_up.is_zero() && plan.ramp_down.is_zero();
    let (before, after) = if alone { &observed.whole } else { &observed.measured };
    let seconds = tally.seconds.iter().enumerate();
    let in_flight = |index: usize| observed.in_flight.get(index).or(observed.in_flight.last()).copied();
    let lag = Lag { mean: tally.lag.mean(), p50: tally.lag.value_at_quantile(0.5), max: tally.lag.max() };
    Measured {
        duration_s: seconds_of(tally.measured_us),
        opening_s: seconds_of(tally.opening_us),
        series: seconds.map(|(index, second)| series(second, in_flight(index).unwrap_or(0))).collect(),
        attempted: tally.attempted,
        established: tally.established,
        completed: tally.completed,
        in_flight: tally.in_flight,
        failed: tally.failures().map(|(name, count)| (name.to_owned(), count)).collect(),
        http_statuses: tally.statuses.iter().map(|(status, count)| (status.to_string(), count)).collect(),
        connect_us: tally.connect.clone(),
        completion_us: tally.completion.clone(),
        traffic: Traffic::between(before, after),
        path: path.between(&observed.whole.0, &observed.whole.1),
        lag: matches!(load, Load::Rate { .. }).then_some(lag),
        waited: Waited { tuple: seconds_of(tally.waited.tuple_us), slot: seconds_of(tally.waited.slot_us) },
        cpu: observed.cpu,
        idle: bench::idle(&observed.measured.0, &observed.measured.1, observed.measured_for.as_secs_f64()),
    }
}

fn seconds_of(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn series(second: &handfast_load::SecondCounts, in_flight: u64) -> Second {
    Second {
        completed: u64::from(second.completed),
        established: u64::from(second.established),
        failed: u64::from(second.failed),
        in_flight,
    }
}
