use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Failure;

/// Exit code of what was ended before it was done, as a shell reports SIGINT.
pub(super) const INTERRUPTED: u8 = 130;

/// Becomes true on Ctrl-C or SIGTERM. One that comes while it is true ends the process at once: the link
/// goes with it, and with it the program on the interface.
pub(super) fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let failed = |error: std::io::Error| Failure::new(error.to_string());
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.clone()).map_err(failed)?;
        signal_hook::flag::register(signal, stop.clone()).map_err(failed)?;
    }
    Ok(stop)
}

/// Becomes true on Ctrl-C or SIGTERM, however often they come: what was made is always taken down.
pub(super) fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, interrupted.clone())
            .map_err(|error| Failure::new(format!("cannot handle signals: {error}")))?;
    }
    Ok(interrupted)
}

/// Becomes true on SIGHUP. Only for whoever has something to read again: without, a hangup of the
/// terminal ends the process, as it does any other.
pub(super) fn hangup() -> Result<Arc<AtomicBool>, Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, hangup.clone()).map_err(Failure::of)?;
    Ok(hangup)
}
