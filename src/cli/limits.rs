//! Limits of this process (ulimit) that cause an error.

use std::io::{self, Write};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

/// More descriptors than any start needs that has few queues.
const AMPLE: u64 = 1024;

/// The fix, if a limit is the cause of an error. Libraries return little more than the text of the
/// system's error.
pub(super) fn fix(message: &str) -> Option<String> {
    let contains = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // The last is libbpf's for an object whose maps got no descriptors; it keeps the cause to itself.
    let descriptors = [
        "os error 24)",
        "Too many open files",
        "EMFILE",
        "duplicate map file descriptor",
        "failed to open object from memory",
    ];
    if contains(&descriptors) {
        let limit = limit(Resource::RLIMIT_NOFILE).filter(|limit| *limit < AMPLE)?;
        return Some(format!(
            "raise the limit of {limit} open files: ulimit -n {AMPLE}, or systemd's LimitNOFILE={AMPLE}"
        ));
    }
    if contains(&["os error 12)", "Cannot allocate memory", "ENOMEM"]) {
        let kib = limit(Resource::RLIMIT_AS)? >> 10;
        return Some(format!(
            "raise the limit of {kib} KiB of address space: ulimit -v unlimited, or systemd's LimitAS=infinity"
        ));
    }
    if contains(&["os error 11)", "EAGAIN"]) {
        let limit = limit(Resource::RLIMIT_NPROC)?;
        return Some(format!(
            "raise the limit of {limit} threads of this user: ulimit -u unlimited, or systemd's TasksMax=infinity \
             and LimitNPROC=infinity"
        ));
    }
    if contains(&["os error 27)", "File too large"]) {
        let kib = limit(Resource::RLIMIT_FSIZE)? >> 10;
        return Some(format!(
            "raise the limit of {kib} KiB for each file: ulimit -f unlimited, or systemd's LimitFSIZE=infinity"
        ));
    }
    None
}

/// The limit in force; `None`: no limit.
fn limit(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != RLIM_INFINITY).then_some(soft)
}

/// Prints the error and ends the process, without allocating.
pub fn out_of_memory(bytes: usize) {
    let mut text = [0; 256];
    let mut rest = &mut text[..];
    // What does not fit is left out.
    let _ = write!(rest, "handfast: no memory for {bytes} more bytes\nfix: ");
    let _ = match limit(Resource::RLIMIT_AS) {
        Some(limit) => writeln!(
            rest,
            "raise the limit of {} KiB of address space: ulimit -v unlimited, or systemd's LimitAS=infinity",
            limit >> 10
        ),
        None => writeln!(rest, "fewer connections need less: --max-connections"),
    };
    let unused = rest.len();
    let _ = nix::unistd::write(io::stderr(), &text[..text.len() - unused]);
    signal_hook::low_level::exit(1);
}
