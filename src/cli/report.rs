use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::report_args::{DiffArgs, MergeArgs, ReportAction, ReportArgs, ReportOutput, ShowArgs};
use super::result_file::{ResultFile, json};
use super::{Failure, report_diff, standard_output};
use handfast_report::bench::comparison::{self, Comparison};
use handfast_report::bench::{MergeError, ReadError, Results, merge, schema_of};
use handfast_text::printable;

/// Bytes. A week of seconds has fewer.
const MAX_SIZE: u64 = 64 << 20;

pub(super) fn run(arguments: &ReportArgs) -> Result<ExitCode, Failure> {
    let output = match &arguments.action {
        ReportAction::Merge(MergeArgs { output, .. })
        | ReportAction::Show(ShowArgs { output, .. })
        | ReportAction::Diff(DiffArgs { output, .. }) => output,
    };
    standard_output::reserve(&[output.json.as_deref(), output.csv.as_deref(), output.html.as_deref()])?;
    match &arguments.action {
        ReportAction::Merge(arguments) => merged(arguments),
        ReportAction::Show(arguments) => show(arguments),
        ReportAction::Diff(arguments) => report_diff::run(arguments),
    }
}

fn merged(arguments: &MergeArgs) -> Result<ExitCode, Failure> {
    let read = |(path, name): (&PathBuf, String)| Ok((name, results(path, &text(path)?)?));
    let inputs: Result<Vec<_>, Failure> =
        arguments.files.iter().zip(names(&arguments.files)?).map(read).collect();
    let sum = merge(&inputs?, arguments.force).map_err(|error| {
        let failure = Failure::new(format!("cannot merge: {error}"));
        match error {
            MergeError::Different(_) => failure.fix("leave out what does not belong, or add --force"),
            _ => failure,
        }
    })?;
    print_results(&sum, &arguments.output)
}

fn show(arguments: &ShowArgs) -> Result<ExitCode, Failure> {
    let text = text(&arguments.file)?;
    let schema = schema_of(&text).map_err(|error| unreadable(&arguments.file, &error))?;
    if schema == comparison::SCHEMA {
        let comparison = Comparison::parse(&text).map_err(|error| unreadable(&arguments.file, &error))?;
        print!("{}", comparison.text());
        return write(&arguments.output, &comparison, || comparison.csv(), || comparison.html());
    }
    print_results(&results(&arguments.file, &text)?, &arguments.output)
}

fn print_results(results: &Results, output: &ReportOutput) -> Result<ExitCode, Failure> {
    print!("{}", results.text());
    let page = results.html().map_err(|error| Failure::new(error.to_string()))?;
    write(output, results, || results.csv(), || page)
}

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
        _ => failure.fix("give a file that `handfast bench --json FILE` wrote, whole and unchanged"),
    }
}

/// What the parts of a sum are called: by the files' own names, or the whole paths where those are
/// the same.
fn names(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let paths: Vec<String> = files.iter().map(|path| shown(path)).collect();
    if let Some(twice) = first_twice(&paths) {
        return Err(Failure::new(format!("{twice} is given twice")).fix("name each file once"));
    }
    let own = |path: &PathBuf| path.file_name().map(|name| shown(name.as_ref()));
    let short: Option<Vec<String>> = files.iter().map(own).collect();
    Ok(short.filter(|names| first_twice(names).is_none()).unwrap_or(paths))
}

fn first_twice(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(*name))
}

/// Writes what was asked for.
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
