use std::process::ExitCode;

use super::{Failure, RespondArgs};

/// Composes the engine out of the arguments and runs it to its end.
pub(super) fn run(arguments: &RespondArgs) -> Result<ExitCode, Failure> {
    Err(Failure::new(format!(
        "--dev {}: the responder is not part of this build",
        arguments.devices.join(" --dev ")
    )))
}
