use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::notify::Notifier;
use super::{Failure, RespondArgs, metrics_args, signals};
use crate::control::Subject;
use crate::engine::drop_privileges;
use crate::engine::stack::{Active, Options, Running, Stack};
use crate::report::{Rates, Summary, active_line, capture_notes, steering_note};

/// How often signals, the duration and the interfaces are looked after.
const LOOK: Duration = Duration::from_millis(50);

/// Sets up, gives up privileges, runs to the end, reports.
pub(super) fn run(arguments: &RespondArgs) -> Result<ExitCode, Failure> {
    let stop = signals::stop()?;
    // Before anything else: it must be writable, and later nothing can be opened any more.
    let mut json = json_file(arguments)?;
    let metrics = arguments.metrics.bind()?;
    let control = arguments.control.open()?;
    let capture = arguments.capture.create()?;
    let failed = |error| Failure::to_start(error, &arguments.devices);
    let responder = Stack::open(Options { capture, ..arguments.options() }).map_err(failed)?;
    drop_privileges().map_err(Failure::of)?;
    let active = responder.active.clone();
    println!("{}", active_line(&active));
    let notes = active.notes.iter().map(String::as_str).chain(control.note());
    notes.for_each(|note| println!("note: {note}"));
    let running = responder.run().map_err(Failure::of)?;
    let _metrics = metrics_args::serve(metrics, &active, &running, None)?;
    let subject = Subject::responder(&active, arguments.listeners.iter().map(ToString::to_string));
    let mut notifier = Notifier::new();
    thread::scope(|scope| {
        let _serving = control.serve(scope, &subject, &running)?;
        println!("ready: {}", listeners(arguments));
        notifier.ready();
        watch(arguments, &running, &stop, &mut notifier);
        Ok::<_, Failure>(())
    })?;
    notifier.stopping();
    let summary = finish(&active, running);
    if let (Some(file), Some(path)) = (&mut json, &arguments.json) {
        write_json(file, &summary).map_err(|error| Failure::cannot_write(path, &error))?;
    }
    match summary.fault {
        Some(fault) => Err(Failure::new(fault)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Until a signal, the duration, or a fault; a line of rates at each interval.
fn watch(arguments: &RespondArgs, running: &Running, stop: &AtomicBool, notifier: &mut Notifier) {
    let began = Instant::now();
    let (mut rates, mut told) = (Rates::default(), Rates::default());
    let mut next = arguments.interval;
    let mut captures = true;
    loop {
        let elapsed = began.elapsed();
        let over = arguments.duration.is_some_and(|limit| elapsed >= limit);
        if over || stop.load(Ordering::Relaxed) || running.fault().is_some() {
            return;
        }
        if let (true, Some(error)) = (captures, running.capture_failure()) {
            captures = false;
            println!("warning: the capture has ended, the responder goes on: {error}");
        }
        if !arguments.interval.is_zero() && elapsed >= next {
            println!("{}", rates.line(&running.snapshot(), elapsed));
            next += arguments.interval;
        }
        notifier.tick(|| told.line(&running.snapshot(), elapsed));
        thread::sleep(LOOK);
    }
}

fn finish(active: &Active, running: Running) -> Summary {
    let finished = running.stop();
    let summary = Summary::new(active, &finished);
    print!("{summary}");
    if let Some(note) = steering_note(&summary.total) {
        println!("warning: {note}");
    }
    let notes = finished.snapshot.capture.as_ref().map(capture_notes).unwrap_or_default();
    notes.iter().for_each(|note| println!("note: {note}"));
    summary
}

fn json_file(arguments: &RespondArgs) -> Result<Option<File>, Failure> {
    let create = |path: &PathBuf| File::create(path).map_err(|error| Failure::cannot_write(path, &error));
    arguments.json.as_ref().map(create).transpose()
}

fn write_json(file: &mut File, summary: &Summary) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, summary)?;
    file.write_all(b"\n")
}

fn listeners(arguments: &RespondArgs) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = arguments.listeners.iter().take(SHOWN).map(ToString::to_string).collect();
    if arguments.listeners.len() > SHOWN {
        names.push(format!("and {} more", arguments.listeners.len() - SHOWN));
    }
    names.join(" ")
}
