//! The only layer that talks to the kernel's XDP. May use `wire` and `observe`.

mod attach;
mod libbpf_log;
mod link;
mod mode;
mod program;
mod program_error;
mod rules;
mod skeleton;
mod steer;
mod verdict;

pub use mode::Mode;
pub use program::Program;
pub use program_error::{AttachError, Holder, ProgramError};
pub use verdict::{VERDICTS, Verdict, VerdictCounts};
