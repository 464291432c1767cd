use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use super::report_args::{DiffArgs, MergeArgs, ReportAction, ReportArgs, ReportOutput, ShowArgs};
use super::{Failure, report_diff, standard_output};
use crate::report::bench::comparison::{self, Comparison};
use crate::report::bench::{MergeError, ReadError, Results, merge, schema_of, write_json};

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
    fs::read_to_string(path).map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))
}

pub(super) fn results(path: &Path, text: &str) -> Result<Results, Failure> {
    Results::parse(text).map_err(|error| unreadable(path, &error))
}

pub(super) fn unreadable(path: &Path, error: &ReadError) -> Failure {
    let failure = Failure::new(format!("cannot use {}: {error}", path.display()));
    match error {
        ReadError::Schema(_) => failure.fix("read it with the version of handfast that wrote it"),
        _ => failure.fix("give a file that `handfast bench --json FILE` wrote, whole and unchanged"),
    }
}

/// What the parts of a sum are called: by the files' own names, or the whole paths where those are
/// the same.
fn names(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let paths: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    if let Some(twice) = first_twice(&paths) {
        return Err(Failure::new(format!("{twice} is given twice")).fix("name each file once"));
    }
    let own = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
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
    let create = |path: &Path| match standard_output::is_meant(path) {
        true => standard_output::open(),
        false => File::create(path),
    };
    if let Some(path) = &output.json {
        let written = create(path).and_then(|file| write_json(BufWriter::new(file), value));
        written.map_err(|error| Failure::cannot_write(path, &error))?;
    }
    let all = |path: &Path, text: String| {
        let written = create(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| Failure::cannot_write(path, &error))
    };
    if let Some(path) = &output.csv {
        all(path, csv())?;
    }
    if let Some(path) = &output.html {
        all(path, page())?;
    }
    Ok(ExitCode::SUCCESS)
}
