use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Failure, RespondArgs};
use crate::engine::drop_privileges;
use crate::engine::responder::Responder;

/// Composes the engine out of the arguments and runs it to its end.
pub(super) fn run(arguments: &RespondArgs) -> Result<ExitCode, Failure> {
    let failure = |error: &dyn std::error::Error| Failure::new(error.to_string());
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(|error| failure(&error))?;
    }
    let responder = Responder::open(arguments.options()).map_err(|error| failure(&error))?;
    println!("active: {:?}", responder.active);
    drop_privileges().map_err(|error| failure(&error))?;
    let running = responder.run().map_err(|error| failure(&error))?;
    println!("ready");
    let began = Instant::now();
    let over = || arguments.duration.is_some_and(|limit| began.elapsed() >= limit);
    while !stop.load(Ordering::Relaxed) && !over() && running.fault().is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    let finished = running.stop();
    println!("{}", serde_json::to_string_pretty(&finished.snapshot).unwrap_or_default());
    match finished.fault {
        Some(fault) => Err(failure(&fault)),
        None => Ok(ExitCode::SUCCESS),
    }
}
