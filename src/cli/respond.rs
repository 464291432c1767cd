use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use clap::ArgMatches;

use super::abbreviated::abbreviated;
use super::config::Config;
use super::notify::Notifier;
use super::ready_file::ReadyFile;
use super::reload::Reloader;
use super::respond_watch::RespondWatch;
use super::result_file::{ResultFile, json};
use super::root_files::RootFiles;
use super::run_as::Identity;
use super::signals::Signals;
use super::take_over::Place;
use super::{Failure, RespondArgs, metrics_args, out, standard_output, take_over};
use handfast_control::StatusSource;
use handfast_report::{Summary, active_line, active_notes, capture_notes, partial_checksums};
use handfast_stack::engine::stack::{ActiveTier, Effective, Running, Stack, StackConfig};
use handfast_stack::engine::{CoreSnapshot, StopNotice};
use handfast_stack::tcp::SendBuffers;

/// Exit code, as clap's.
const WRONG_ARGUMENTS: u8 = 2;

/// With what the file says, if there is one.
pub(super) fn start(arguments: RespondArgs, matches: Option<&ArgMatches>) -> Result<ExitCode, Failure> {
    let (Some(path), Some(matches)) = (&arguments.config, matches) else {
        return match arguments.check() {
            Ok(()) => run(&arguments, None),
            Err(failure) => {
                eprintln!("{failure}");
                Ok(ExitCode::from(WRONG_ARGUMENTS))
            }
        };
    };
    match Config::open(path, matches) {
        Ok((_, whole)) if whole.check || arguments.check => {
            println!(
                "{}: fine; listens to {} on {}",
                path.display(),
                listeners(&whole),
                whole.devices.join(" ")
            );
            Ok(ExitCode::SUCCESS)
        }
        Ok((config, whole)) => run(&whole, Some(config)),
        Err(bad) => {
            eprintln!("handfast: {bad}");
            Ok(ExitCode::from(WRONG_ARGUMENTS))
        }
    }
}

/// Sets up, gives up privileges, runs to the end, reports.
fn run(arguments: &RespondArgs, config: Option<Config>) -> Result<ExitCode, Failure> {
    out::hurry();
    let mut signals = Signals::new(config.is_some())?;
    let taken = take_over::check(&Place::of(arguments), &arguments.listeners)?;
    let identity = Identity::choose(arguments.user.as_ref())?;
    // Before anything is open that it would keep open.
    let files = || RootFiles::start(arguments.config.as_deref());
    let files = identity.changes().then(files).transpose()?.map(Arc::new);
    let reloader = config.map(|config| Reloader::new(config, arguments, files.clone())).transpose()?;
    standard_output::reserve(&[arguments.json.as_deref(), arguments.capture.pcap.as_deref()])?;
    // Before anything else: they must be writable, and later nothing can be opened any more.
    let mut file = arguments.json.as_deref().map(ResultFile::check).transpose()?;
    let ready = arguments.ready_file.as_deref().map(ReadyFile::check).transpose()?;
    let metrics = arguments.metrics.bind()?;
    let control = arguments.control.open()?;
    if let (Some(files), Some(path)) = (&files, control.path()) {
        files.remove_at_end(path);
    }
    let (mut captured, capture) = arguments.capture.create()?.unzip();
    let failed = |error| Failure::to_start(error, &arguments.devices, &arguments.listeners);
    let responder = Stack::open(StackConfig { capture, ..arguments.options() }).map_err(failed)?;
    let active = responder.active.clone();
    let source = StatusSource::responder(&active);
    file.iter_mut().chain(&mut captured).try_for_each(ResultFile::hold)?;
    // Bound and attached: who calls now is answered as soon as the cores run.
    let _ready = ready.map(ReadyFile::announce).transpose()?;
    if let (Some(files), Some(path)) = (&files, &arguments.ready_file) {
        files.remove_at_end(path);
    }
    files.iter().for_each(|files| files.seal());
    let user = identity.assume()?;
    println!("{}; {}; {user}", active_line(&active), send_buffers(arguments, &active));
    let notes = active_notes(&active);
    let notes = notes.iter().chain(&taken).map(String::as_str).chain(tier_note(arguments, &active));
    let notes = notes.chain(control.note());
    notes.filter(|_| !arguments.quiet).for_each(|note| println!("note: {note}"));
    let running = responder.run().map_err(Failure::of)?;
    let _metrics = metrics_args::serve(metrics, &active, &running, None)?;
    let mut notifier = Notifier::new();
    thread::scope(|scope| {
        let _serving = control.serve(scope, &source, &running)?;
        println!("ready: {}", listeners(arguments));
        notifier.ready();
        let watch = RespondWatch::new(&running, &active, &source, reloader);
        watch.until_the_end(arguments, &signals.stop, &mut notifier);
        Ok::<_, Failure>(())
    })?;
    notifier.stopping();
    let summary = finish(arguments, &active, running, &mut signals);
    if let Some(file) = file {
        file.write(&json(&summary)?)?;
    }
    match summary.fault {
        Some(fault) => Err(Failure::new(fault)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The effects of the eBPF program's answers on other options.
fn tier_note(arguments: &RespondArgs, active: &Effective) -> Option<&'static str> {
    let in_ebpf = active.devices.iter().any(|device| device.cookie_tier == ActiveTier::Ebpf);
    (in_ebpf && arguments.capture.pcap.is_some()).then_some(
        "SYNs that the eBPF program answers are not in the capture; --cookie-tier engine captures them",
    )
}

/// How many, and what memory they come to when all are used.
fn send_buffers(arguments: &RespondArgs, active: &Effective) -> String {
    let each = u64::from(arguments.send_buffers);
    let bytes = each * active.cpus.len() as u64 * SendBuffers::CAPACITY as u64;
    format!("{each} send buffers for each core in up to {} MiB", bytes.div_ceil(1 << 20))
}

/// A signal that comes now leaves it little time, and the next one none.
fn finish(arguments: &RespondArgs, active: &Effective, running: Running, signals: &mut Signals) -> Summary {
    let without_signal = !signals.stop.load(Ordering::Relaxed);
    let mut active = active.clone();
    active.devices.iter_mut().for_each(|device| device.name = running.device_name(&device.name));
    if let Some(line) = ending(arguments, &running.snapshot().total()) {
        println!("{line}");
    }
    let finished = running.stop_unless(|| signals.cut_short(without_signal));
    let summary = Summary::new(&active, &finished);
    print!("{summary}");
    let drivers: Vec<&str> = summary.active.devices.iter().map(|device| device.driver.as_str()).collect();
    if let Some(note) = partial_checksums(&summary.total, &drivers) {
        println!("warning: {note}");
    }
    let notes = finished.snapshot.capture.as_ref().map(capture_notes).unwrap_or_default();
    notes.iter().for_each(|note| println!("note: {note}"));
    summary
}

/// What the end waits for, if anything.
fn ending(arguments: &RespondArgs, total: &CoreSnapshot) -> Option<String> {
    let open = total.connections.saturating_sub(total.half_open + total.time_wait);
    let sent = match arguments.on_stop {
        StopNotice::Nothing => return None,
        StopNotice::Reset => "RST",
        StopNotice::Fin => "FIN",
    };
    let seconds = arguments.on_stop_within.as_secs_f64();
    (open > 0).then(|| {
        format!(
            "ending: a {sent} for each of {open} open connections, within {seconds} s; a signal cuts it short"
        )
    })
}

fn listeners(arguments: &RespondArgs) -> String {
    abbreviated(arguments.listeners.iter())
}
