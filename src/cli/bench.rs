use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;

use super::alarm::Alarm;
use super::bench_args::BenchArgs;
use super::bench_hints::Hints;
use super::bench_path::{path, warning};
use super::bench_results::{Ending, Ran, results};
use super::bench_setup::{Place, check, check_flood, options, sources, unplanned};
use super::bench_watch::{Observed, Watcher, step};
use super::notify::Notifier;
use super::result_file::{ResultFile, json};
use super::{Failure, metrics_args, out, signals, standard_output};
use handfast_control::StatusSource;
use handfast_load::{
    Control, FindMax, Limit, Load, SearchConfig, SearchVerdict, StepOutcome, Tally, Workload,
};
use handfast_report::bench::Results;
use handfast_report::{active_line, capture_notes, capture_text};
use handfast_stack::engine::drop_privileges;
use handfast_stack::engine::stack::{Stack, StackConfig};
use handfast_stack::xdp::{Device, Network, XdpError};

/// Sets up, gives up privileges, runs, reports.
pub(super) fn run(arguments: &BenchArgs) -> Result<ExitCode, Failure> {
    check(arguments)?;
    let place = Place::find(arguments)?;
    check_flood(arguments, &place.device)?;
    out::hurry();
    let stop = signals::stop()?;
    standard_output::reserve(&[
        arguments.json.as_deref(),
        arguments.csv.as_deref(),
        arguments.html.as_deref(),
        arguments.capture.pcap.as_deref(),
    ])?;
    // Before anything else: they must be writable, and later nothing can be opened any more.
    let mut files = Files::check(arguments)?;
    let (mut captured, capture) = arguments.capture.create()?.unzip();
    let network = Network::read().map_err(Failure::of_device)?;
    let device = Device::of(&network, &place.device).map_err(Failure::of_device)?;
    if !device.up {
        return Err(Failure::of_device(XdpError::InterfaceDown { ifname: device.name }));
    }
    let plan = arguments.plan(&place.target, sources(arguments, &place, &device, &network)?);
    // What cannot run at all says so before anything is touched.
    plan.check(1).map_err(unplanned)?;
    let gateway = place.gateway(arguments)?;
    let path = path(&plan, &device, place.route.as_ref());
    let crowded = warning(&plan, &device, &path);
    let control = Control::new(plan);
    let metrics = arguments.metrics.bind()?;
    let socket = arguments.control.open()?;
    let options = StackConfig { capture, ..options(arguments, &control, (&device.name, gateway)) };
    let failed = |error| Failure::to_start(error, std::slice::from_ref(&device.name), &[]);
    let stack = Stack::open(options).map_err(failed)?;
    let active = stack.active.clone();
    let mut notes = control.plan().check(active.cpus.len() as u32).map_err(unplanned)?;
    notes.extend(place.note().into_iter().chain(crowded));
    files.hold()?;
    captured.iter_mut().try_for_each(ResultFile::hold)?;
    drop_privileges().map_err(Failure::of)?;
    println!("{}", active_line(&active));
    if control.plan().workload == Workload::Flood {
        notes.push("a flood counts every sent SYN as completed, and drops the answers".to_owned());
    }
    let said = notes.iter().chain(&active.notes).map(String::as_str).chain(socket.note());
    said.for_each(|note| println!("note: {note}"));
    let running = stack.run().map_err(Failure::of)?;
    let _metrics = metrics_args::serve(metrics, &active, &running, Some(&control))?;
    let mut notifier = Notifier::new();
    notifier.ready();
    let source = StatusSource::bench(&active, &control);
    let (load, observed) = thread::scope(|scope| {
        let _serving = socket.serve(scope, &source, &running)?;
        let mut watcher = Watcher {
            running: &running,
            stop: &stop,
            interval: arguments.interval(),
            // The results would have no reader.
            needs_reader: files.are_none() && captured.is_none(),
            notifier: &mut notifier,
            alarm: Alarm::new(&active),
            hints: Hints::new(control.plan(), path.clone()),
        };
        match arguments.search() {
            Some(search) => find_max(&control, FindMax::new(search), &mut watcher, arguments, &mut notes),
            None => {
                let load = control.plan().load;
                Ok((load, step(&control, load, &mut watcher)?))
            }
        }
    })?;
    notifier.stopping();
    let finished = running.stop();
    let early = match &finished.fault {
        Some(fault) => Some(fault.to_string()),
        None => stop.load(Ordering::Relaxed).then(|| "by a signal".to_owned()),
    };
    notes.extend(early.iter().map(|why| format!("the run was ended early, {why}")));
    if let Some(capture) = &finished.snapshot.capture {
        notes.push(format!("captured {}", capture_text(capture)));
        notes.extend(capture_notes(capture));
    }
    let ran = Ran { arguments, place: &place, plan: control.plan(), load, path: &path };
    let held = arguments.search().is_none_or(|search| holds(search, load, &observed.tally));
    let results = results(&ran, &active, observed, &Ending { early, held }, notes);
    print!("{}", results.text());
    files.write(&results)?;
    match finished.fault {
        Some(fault) => Err(Failure::new(fault.to_string())),
        None => Ok(ExitCode::from(results.outcome.status.exit_code())),
    }
}

/// Whether this step of a search is one whose rate holds.
fn holds(search: SearchConfig, load: Load, tally: &Tally) -> bool {
    let asked = match load {
        Load::Rate { per_second, .. } => per_second,
        Load::Concurrency(_) => 0,
    };
    FindMax::new(search).holds(&outcome(asked, tally))
}

/// Steps of the search, one line each; the step whose rate was the highest that held, or the last.
fn find_max(
    control: &Control,
    mut search: FindMax,
    watcher: &mut Watcher<'_>,
    arguments: &BenchArgs,
    notes: &mut Vec<String>,
) -> Result<(Load, Observed), Failure> {
    let mut best = None;
    loop {
        let per_second = search.rate().unwrap_or(1);
        let load = Load::Rate { per_second, arrivals: arguments.arrivals() };
        let observed = step(control, load, watcher)?;
        let outcome = outcome(per_second, &observed.tally);
        let limit = search.limit(&outcome);
        let held = limit.is_none();
        println!(
            "{per_second:>10}/s offered, {:>10.0}/s completed, {:>7.3} % failed: {}",
            outcome.achieved.min(outcome.meanwhile),
            outcome.loss * 100.0,
            limit.map_or_else(|| "holds".to_owned(), |limit| format!("does not hold: {}", by(limit)))
        );
        if held || best.is_none() {
            best = Some((load, observed));
        }
        search.record(outcome);
        let ended = watcher.stop.load(Ordering::Relaxed) || watcher.running.fault().is_some();
        if (ended || search.rate().is_none())
            && let Some(best) = best.take()
        {
            notes.push(found(search.verdict()));
            return Ok(best);
        }
    }
}

fn outcome(asked: u64, tally: &Tally) -> StepOutcome {
    StepOutcome { asked, achieved: tally.rate(), meanwhile: tally.rate_meanwhile(), loss: tally.loss() }
}

fn found(verdict: Option<SearchVerdict>) -> String {
    match verdict {
        Some(SearchVerdict::Found { held, failed_at, by: limit }) => format!(
            "the highest rate that holds is {} per second; {failed_at} twice did not{}",
            held.asked,
            because(limit)
        ),
        Some(SearchVerdict::AboveMax(held)) => {
            format!("{} per second hold, the highest rate tried: the limit is higher", held.asked)
        }
        Some(SearchVerdict::Nothing(_, limit)) => {
            format!("not even one connection per second holds{}", because(limit))
        }
        None => "the search ended early".to_owned(),
    }
}

fn because(limit: Option<Limit>) -> String {
    limit.map_or_else(String::new, |limit| format!(": {}", by(limit)))
}

/// The limit that a step missed, with its value.
fn by(limit: Limit) -> String {
    let percent =
        |share: f64| format!("{:.4}", 100.0 * share).trim_end_matches('0').trim_end_matches('.').to_owned();
    match limit {
        Limit::Loss { failed, max } => {
            format!("{} % failed; --loss allows {} %", percent(failed), percent(max))
        }
        Limit::Shortfall { completed, min } => {
            format!("{} % of it was completed; {} % are required", percent(completed), percent(min))
        }
        Limit::Late { completed, min } => format!(
            "{} % of it was completed during the load; {} % are required",
            percent(completed),
            percent(min)
        ),
    }
}

/// The files of results.
struct Files {
    json: Option<ResultFile>,
    csv: Option<ResultFile>,
    html: Option<ResultFile>,
}

impl Files {
    fn check(arguments: &BenchArgs) -> Result<Files, Failure> {
        let BenchArgs { json, csv, html, .. } = arguments;
        let check = |path: &Option<PathBuf>| path.as_deref().map(ResultFile::check).transpose();
        Ok(Files { json: check(json)?, csv: check(csv)?, html: check(html)? })
    }

    fn hold(&mut self) -> Result<(), Failure> {
        self.json.iter_mut().chain(&mut self.csv).chain(&mut self.html).try_for_each(ResultFile::hold)
    }

    fn are_none(&self) -> bool {
        self.json.is_none() && self.csv.is_none() && self.html.is_none()
    }

    /// Writes all files, even if one of them fails.
    fn write(self, results: &Results) -> Result<(), Failure> {
        let json = self.json.map_or(Ok(()), |file| file.write(&json(results)?));
        let csv = self.csv.map_or(Ok(()), |file| file.write(results.csv().as_bytes()));
        let page = || results.html().map_err(Failure::of);
        let html = self.html.map_or(Ok(()), |file| file.write(page()?.as_bytes()));
        json.and(csv).and(html)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_its_number() {
        for (limit, text) in [
            (Limit::Loss { failed: 0.0251, max: 0.001 }, "2.51 % failed; --loss allows 0.1 %"),
            (Limit::Shortfall { completed: 0.9, min: 0.99 }, "90 % of it was completed; 99 % are required"),
            (
                Limit::Late { completed: 0.52, min: 0.95 },
                "52 % of it was completed during the load; 95 % are required",
            ),
        ] {
            assert_eq!(by(limit), text);
        }
        assert_eq!(because(None), "");
    }
}
