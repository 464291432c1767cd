//! How the scheduler of the kernel treats the threads of the cores.
//!
//! May use nothing of the engine: `stack` applies it to the threads that it starts.
#![allow(unsafe_code, reason = "sched_setscheduler takes a pointer, and neither nix nor rustix has it")]

use std::{fmt, io, str::FromStr};

/// The scheduling of the threads that own the queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// As the process was started.
    #[default]
    Inherited,
    /// SCHED_OTHER with a nice value, from -20 (most time) to 19.
    Nice(i8),
    /// SCHED_FIFO with a real-time priority from 1 to 99: runs before every thread that has none.
    Fifo(u8),
}

impl Priority {
    /// Schedules the calling thread so.
    pub(super) fn apply(self) -> io::Result<()> {
        match self {
            Priority::Inherited => Ok(()),
            Priority::Nice(nice) => Ok(rustix::process::setpriority_process(None, i32::from(nice))?),
            Priority::Fifo(priority) => fifo(i32::from(priority)),
        }
    }

    /// Whether the kernel's own threads on the same CPU get no time while this one runs.
    pub fn is_realtime(self) -> bool {
        matches!(self, Priority::Fifo(_))
    }
}

fn fifo(priority: i32) -> io::Result<()> {
    let parameter = libc::sched_param { sched_priority: priority };
    // SAFETY: `parameter` is live for the call; 0 is the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Priority::Inherited => write!(f, "inherited"),
            Priority::Nice(nice) => write!(f, "nice:{nice}"),
            Priority::Fifo(priority) => write!(f, "fifo:{priority}"),
        }
    }
}

/// `inherited`, `nice:-10`, `fifo:10`.
impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Priority, String> {
        let invalid = || {
            format!(
                "invalid priority `{text}`: write nice:N with N from -20 to 19, or fifo:N with N from 1 to 99"
            )
        };
        let number = |number: &str, range: std::ops::RangeInclusive<i8>| {
            number.parse::<i8>().ok().filter(|number| range.contains(number)).ok_or_else(invalid)
        };
        match text.split_once(':') {
            None if text == "inherited" => Ok(Priority::Inherited),
            Some(("nice", nice)) => number(nice, -20..=19).map(Priority::Nice),
            Some(("fifo", priority)) => {
                number(priority, 1..=99).map(|priority| Priority::Fifo(priority as u8))
            }
            _ => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_reads_as_it_is_written() {
        for text in ["inherited", "nice:-20", "nice:19", "fifo:1", "fifo:99"] {
            assert_eq!(text.parse::<Priority>().map(|priority| priority.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "fifo", "fifo:", "fifo:0", "fifo:100", "fifo:-1", "nice:20", "nice:-21", "rr:5", "10"]
        {
            assert!(text.parse::<Priority>().is_err(), "{text}");
        }
    }
}
