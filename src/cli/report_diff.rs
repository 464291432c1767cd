//! `handfast report diff`: two runs, or two sets of runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::Failure;
use super::report_args::DiffArgs;
use super::report_files::{results, text, unreadable, write};
use handfast_report::bench::comparison::{self, Comparison};
use handfast_report::bench::diff::Diff;
use handfast_report::bench::{Results, schema_of};

pub(super) fn run(arguments: &DiffArgs) -> Result<ExitCode, Failure> {
    let (a, b) = (DiffSide::read(&arguments.a)?, DiffSide::read(&arguments.b)?);
    let names = [&arguments.a, &arguments.b].map(|path| path.display().to_string());
    let diff = match (&a, &b) {
        (DiffSide::Runs(a), DiffSide::Runs(b)) => Diff::of_runs((&names[0], a), (&names[1], b)),
        (DiffSide::Comparison(a), DiffSide::Comparison(b)) => {
            Diff::of_comparisons((&names[0], a), (&names[1], b))
        }
        _ => {
            return Err(Failure::new("A and B are of different kinds: runs of `handfast bench` and a result of `handfast lab bench`")
                .fix("compare runs with runs, or results of `handfast lab bench` with each other"));
        }
    };
    print!("{}", diff.text());
    write(&arguments.output, &diff, || diff.csv(), || diff.html())
}

enum DiffSide {
    Runs(Vec<(String, Results)>),
    Comparison(Box<Comparison>),
}

impl DiffSide {
    fn read(path: &Path) -> Result<DiffSide, Failure> {
        let files = files(path)?;
        if let [file] = &files[..] {
            let text = text(file)?;
            let schema = schema_of(&text).map_err(|error| unreadable(file, &error))?;
            if schema == comparison::SCHEMA {
                let comparison = Comparison::parse(&text).map_err(|error| unreadable(file, &error))?;
                return Ok(DiffSide::Comparison(Box::new(comparison)));
            }
        }
        let run = |file: &PathBuf| Ok((file.display().to_string(), results(file, &text(file)?)?));
        files.iter().map(run).collect::<Result<_, _>>().map(DiffSide::Runs)
    }
}

/// One file, those of a directory, or those of a list.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(match path.to_str() {
            Some(list) if !path.exists() => list.split(',').map(PathBuf::from).collect(),
            _ => vec![path.to_owned()],
        });
    }
    let unreadable = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = paths.map_err(unreadable)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    match files.is_empty() {
        true => Err(Failure::new(format!("{} contains no file of results (*.json)", path.display()))
            .fix("name a directory with files of `handfast bench --json DIRECTORY/1.json`")),
        false => Ok(files),
    }
}
