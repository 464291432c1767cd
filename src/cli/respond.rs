use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ArgMatches;

use super::config::Config;
use super::reload::Reloader;
use super::{Failure, RespondArgs, signals};
use crate::engine::drop_privileges;
use crate::engine::stack::{Active, Running, Stack};
use crate::report::{Rates, Summary, active_line, steering_note};

/// Exit code, as clap's.
const WRONG_ARGUMENTS: u8 = 2;
/// How often signals, the duration and the interfaces are looked after.
const LOOK: Duration = Duration::from_millis(50);

/// With what the file says, if there is one.
pub(super) fn start(arguments: RespondArgs, matches: Option<&ArgMatches>) -> Result<ExitCode, Failure> {
    let (Some(path), Some(matches)) = (&arguments.config, matches) else {
        arguments.check()?;
        return run(&arguments, None);
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
    let stop = signals::stop()?;
    let reloader = config.map(|config| Reloader::new(config, arguments)).transpose()?;
    // Before anything else: it must be writable, and later nothing can be opened any more.
    let mut json = json_file(arguments)?;
    let responder = Stack::open(arguments.options()).map_err(Failure::of)?;
    drop_privileges().map_err(Failure::of)?;
    let active = responder.active.clone();
    println!("{}", active_line(&active));
    active.notes.iter().for_each(|note| println!("note: {note}"));
    let running = responder.run().map_err(Failure::of)?;
    println!("ready: {}", listeners(arguments));
    watch(arguments, &running, &stop, reloader);
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
fn watch(arguments: &RespondArgs, running: &Running, stop: &AtomicBool, mut reloader: Option<Reloader>) {
    let began = Instant::now();
    let mut rates = Rates::default();
    let mut next = arguments.interval;
    loop {
        let elapsed = began.elapsed();
        let over = arguments.duration.is_some_and(|limit| elapsed >= limit);
        if over || stop.load(Ordering::Relaxed) || running.fault().is_some() {
            return;
        }
        if !arguments.interval.is_zero() && elapsed >= next {
            println!("{}", rates.line(&running.snapshot(), elapsed));
            next += arguments.interval;
        }
        if let Some(reloader) = &mut reloader {
            reloader.look(running);
        }
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
    some(arguments.listeners.iter())
}

/// The first few, and how many more there are.
pub(super) fn some<T: ToString>(items: impl ExactSizeIterator<Item = T>) -> String {
    const SHOWN: usize = 8;
    let more = items.len().saturating_sub(SHOWN);
    let mut names: Vec<String> = items.take(SHOWN).map(|item| item.to_string()).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}
