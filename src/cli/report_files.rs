//! Files of results: read and written by the actions of `handfast report`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::Failure;
use super::report_args::ReportOutput;
use super::result_file::{ResultFile, json};
use handfast_report::bench::{ReadError, Results};
use handfast_text::printable;

/// Maximum size in bytes; more than the seconds of a week.
const MAX_SIZE: u64 = 64 << 20;

pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let name = shown(path);
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(Failure::new(format!("cannot read {name}: {error}"))),
        Ok(_) if text.len() as u64 > MAX_SIZE => {
            let failure = Failure::new(format!("{name} is longer than {} MiB", MAX_SIZE >> 20));
            Err(failure.fix("give a file that `handfast bench --json FILE` wrote"))
        }
        Ok(_) => Ok(text),
    }
}

pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

pub(super) fn results(path: &Path, text: &str) -> Result<Results, Failure> {
    Results::parse(text).map_err(|error| unreadable(path, &error))
}

pub(super) fn unreadable(path: &Path, error: &ReadError) -> Failure {
    let failure = Failure::new(format!("cannot use {}: {}", shown(path), printable(&error.to_string())));
    match error {
        ReadError::Schema(_) => failure.fix("read it with the version of handfast that wrote it"),
        _ => failure.fix("give a file that `handfast bench --json FILE` wrote, complete and unchanged"),
    }
}

/// Writes the requested files.
pub(super) fn write<T: Serialize>(
    output: &ReportOutput,
    value: &T,
    csv: impl FnOnce() -> String,
    page: impl FnOnce() -> String,
) -> Result<ExitCode, Failure> {
    if let Some(path) = &output.json {
        ResultFile::check(path)?.write(&json(value)?)?;
    }
    if let Some(path) = &output.csv {
        ResultFile::check(path)?.write(csv().as_bytes())?;
    }
    if let Some(path) = &output.html {
        ResultFile::check(path)?.write(page().as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
