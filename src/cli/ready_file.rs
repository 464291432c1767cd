//! `--ready-file`: exists while the responder is ready, for scripts that wait for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::Failure;
use super::result_file::ResultFile;

/// A file that can be written.
pub(super) struct ReadyFile {
    path: PathBuf,
    file: ResultFile,
}

/// The file, which contains the process ID. Dropping it removes the file.
pub(super) struct Announced {
    path: PathBuf,
    /// Of a regular file.
    file: Option<File>,
}

impl ReadyFile {
    /// Removes the file of a killed process.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn check(path: &Path) -> Result<ReadyFile, Failure> {
        let file = ResultFile::check(path)?;
        let number = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
        let number = number.and_then(|_| fs::read_to_string(path).ok()?.trim_end().parse::<i32>().ok());
        let is_dead = |number: &i32| kill(Pid::from_raw(*number), None) == Err(Errno::ESRCH);
        if number.filter(|number| *number > 0).is_some_and(|number| is_dead(&number)) {
            fs::remove_file(path).map_err(|error| Failure::cannot_write(path, &error))?;
            return Ok(ReadyFile { path: path.to_owned(), file: ResultFile::check(path)? });
        }
        Ok(ReadyFile { path: path.to_owned(), file })
    }

    /// Writes the file: the program is ready.
    ///
    /// # Errors
    /// The file cannot be written any more.
    pub(crate) fn announce(self) -> Result<Announced, Failure> {
        let whole = self.file.is_whole();
        self.file.write(format!("{}\n", std::process::id()).as_bytes())?;
        let open = || File::options().write(true).open(&self.path);
        let file = whole.then(open).transpose().map_err(|error| Failure::cannot_write(&self.path, &error))?;
        Ok(Announced { path: self.path, file })
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if let Some(file) = &self.file
            && fs::remove_file(&self.path).is_err()
        {
            // Privileges are gone: empty it says as much.
            let _ = file.set_len(0);
        }
    }
}
