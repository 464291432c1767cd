use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use super::report_args::{DiffArgs, MergeArgs, ReportAction, ReportArgs, ReportOutput, ShowArgs};
use super::report_files::{results, shown, text, unreadable, write};
use super::{Failure, report_diff, standard_output};
use handfast_report::bench::comparison::{self, Comparison};
use handfast_report::bench::{MergeError, Results, merge, schema_of};

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
            MergeError::Different(_) => {
                failure.fix("leave out the files that do not belong to the run, or add --force")
            }
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

/// The names of the merged runs: the file names, or the whole paths if two file names are the same.
fn names(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let paths: Vec<String> = files.iter().map(|path| shown(path)).collect();
    if let Some(twice) = first_twice(&paths) {
        return Err(Failure::new(format!("{twice} is given twice")).fix("give each file once"));
    }
    let own = |path: &PathBuf| path.file_name().map(|name| shown(name.as_ref()));
    let short: Option<Vec<String>> = files.iter().map(own).collect();
    Ok(short.filter(|names| first_twice(names).is_none()).unwrap_or(paths))
}

fn first_twice(names: &[String]) -> Option<&String> {
    let mut seen = HashSet::new();
    names.iter().find(|name| !seen.insert(*name))
}
