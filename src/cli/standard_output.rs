//! Results on standard output (`--json -`). They have standard output for themselves, so that `jq` can read
//! it; text goes to standard error.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use nix::unistd::dup2_stdout;

use super::Failure;

/// Where standard output led before [`reserve`].
static RESULTS: OnceLock<OwnedFd> = OnceLock::new();

/// Whether these results go to standard output.
pub(super) fn is_meant(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdout")
}

/// If one of these is meant for standard output, text goes to standard error from here on.
///
/// # Errors
/// Two of them are: a reader could not separate them.
pub(super) fn reserve(paths: &[Option<&Path>]) -> Result<(), Failure> {
    match paths.iter().flatten().filter(|path| is_meant(path)).count() {
        0 => Ok(()),
        1 => {
            let before = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::of)?;
            let _ = RESULTS.set(before);
            dup2_stdout(io::stderr()).map_err(Failure::of)
        }
        _ => Err(Failure::new("only one kind of results can go to standard output")
            .fix("give files for the others")),
    }
}

/// Standard output, for results.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn open() -> io::Result<File> {
    let results = match RESULTS.get() {
        Some(reserved) => reserved.try_clone()?,
        None => io::stdout().as_fd().try_clone_to_owned()?,
    };
    Ok(results.into())
}
