use std::error::Error;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use super::{Listen, limits, stack_fix};
use handfast_lab::LabError;
use handfast_stack::engine::stack::StartError;
use handfast_stack::xdp::XdpError;
use handfast_text::printable;

/// What an operator reads when a command fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    fix: Option<String>,
    /// Of the program.
    code: u8,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), fix: None, code: 1 }
    }

    /// What an error of the layers below says.
    pub fn of(error: impl Error) -> Failure {
        Failure::new(error.to_string())
    }

    /// A stack that could not start on `devices`. `listeners`: what it was to answer, if anything.
    pub(super) fn to_start(error: StartError, devices: &[String], listeners: &[Listen]) -> Failure {
        Failure::of(&error).maybe_fix(stack_fix::start(&error, devices, listeners))
    }

    /// An interface or a queue that cannot be used.
    pub(super) fn of_device(error: XdpError) -> Failure {
        Failure::of(&error).maybe_fix(stack_fix::xdp(&error))
    }

    /// A file that results were to go to.
    pub fn cannot_write(path: &Path, error: &dyn Error) -> Failure {
        Failure::new(format!("cannot write {}: {error}", printable(&path.to_string_lossy())))
            .fix("name a file in a directory that you may write to")
    }

    /// Where a limit of this process is the cause, that is what to change.
    pub fn or_limit(self) -> Failure {
        match limits::fix(&self.message) {
            Some(fix) => self.fix(fix),
            None => self,
        }
    }

    /// Of which of several things it is said.
    pub fn of_what(self, what: &str) -> Failure {
        Failure { message: format!("{what}: {}", self.message), ..self }
    }

    /// With another exit code than 1.
    pub(super) fn code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// With the command or the change that cures it.
    pub fn fix(self, fix: impl Into<String>) -> Failure {
        Failure { fix: Some(fix.into()), ..self }
    }

    fn maybe_fix(self, fix: Option<String>) -> Failure {
        Failure { fix, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "handfast: {}", self.message)?;
        match &self.fix {
            Some(fix) => write!(f, "\nfix: {fix}"),
            None => Ok(()),
        }
    }
}

impl Error for Failure {}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        Failure { fix: error.fix(), ..Failure::of(error) }
    }
}
