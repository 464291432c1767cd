//! Instructions per operation on the hot paths, counted by valgrind's callgrind: figures that other
//! programs on the machine do not change, so that CI can hold them.
//!
//! `make counts` compares with docs/instructions.txt, `make counts-update` writes it.
//!
//! The program runs itself under callgrind once per path, as many at a time as there are processors.
//! Fixed secrets, fixed keys and a virtual clock: what is counted is the same in every run.
//!
//! - `wire`, `table`, `xdp`, `engine`: the paths. Each makes ready first and calls [`only_this_is_counted`]
//!   with the operations alone: the frames of the other end cost as much as the engine's.
//! - `peer`: the other end of the connections of `engine`;
//! - `callgrind`: one path, counted; `conditions`: what the counts hang on beside this code;
//! - `record`: docs/instructions.txt; `comparison`: what to say of it.

mod callgrind;
mod comparison;
mod conditions;
mod engine;
mod peer;
mod record;
mod table;
mod wire;
mod xdp;

use std::process::ExitCode;

use comparison::Comparison;
use conditions::Conditions;
use record::Record;

const USAGE: &str = "usage: instructions check|update FILE\n       instructions run PATH";

/// A path, and what does its operations: how many those were.
type Path = (&'static str, fn() -> u64);

fn paths() -> impl Iterator<Item = &'static Path> {
    wire::PATHS.iter().chain(table::PATHS).chain(xdp::PATHS).chain(engine::PATHS)
}

/// callgrind collects within this function and nowhere else.
#[inline(never)]
fn only_this_is_counted(work: &mut dyn FnMut()) {
    work();
    // Not the end of the function, or it would be left before the work is done.
    std::hint::black_box(());
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["check", file] => check(file),
        ["update", file] => update(file),
        ["run", path] => run(path),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::from(2)
        }
    }
}

/// Under callgrind: does the operations and prints how many they were.
fn run(wanted: &str) -> Result<ExitCode, String> {
    let (_, operations) =
        paths().find(|(name, _)| *name == wanted).ok_or_else(|| format!("there is no path `{wanted}`"))?;
    println!("{}", operations());
    Ok(ExitCode::SUCCESS)
}

fn check(file: &str) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let before: Record = text.parse().map_err(|error| format!("{file}: {error}"))?;
    let comparison = Comparison::new(before, count()?);
    println!("{comparison}");
    Ok(if comparison.fails() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn update(file: &str) -> Result<ExitCode, String> {
    let now = count()?;
    std::fs::write(file, now.to_string()).map_err(|error| format!("{file}: {error}"))?;
    print!("{now}");
    Ok(ExitCode::SUCCESS)
}

fn count() -> Result<Record, String> {
    let names: Vec<&str> = paths().map(|(name, _)| *name).collect();
    Ok(Record { conditions: Conditions::here()?, counts: callgrind::all(&names)? })
}
