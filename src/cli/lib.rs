//! Arguments in, exit code out. One file per subcommand, thin: each composes the layers below.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: `handfast: …` on standard error, and `fix: …` where a fix is known |
//! | 2 | the arguments are wrong |

#![deny(unreachable_pub)]

// First: its macros are for all below.
#[macro_use]
mod out;

mod abbreviated;
mod alarm;
mod args;
mod at_work;
mod bench;
mod bench_args;
mod bench_hints;
mod bench_path;
mod bench_results;
mod bench_setup;
mod bench_target;
mod bench_url;
mod bench_watch;
mod capture_args;
mod charset;
mod completions;
mod config;
mod connections;
mod control_args;
mod demo;
mod demo_comparison;
mod doctor;
mod failure;
mod idle_args;
mod lab;
mod lab_bench;
mod lab_comparison;
mod lab_engine;
mod lab_flood;
mod lab_flood_text;
mod lab_program_args;
mod lab_programs;
mod lab_trace;
mod limits;
mod listen;
mod man;
mod man_page;
mod metrics_args;
mod next_hop;
mod notify;
mod packet_path_args;
mod ready_file;
mod reload;
mod report;
mod report_args;
mod report_diff;
mod report_files;
mod requirement_args;
mod respond;
mod respond_args;
mod respond_examples;
mod respond_watch;
mod responder_process;
mod result_file;
mod root_files;
mod run_as;
mod signals;
mod stack_fix;
mod standard_output;
mod styled_text;
mod take_over;
mod top;
mod trace;
mod trace_output;
mod umem_args;
mod units;
mod values;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use args::{Arguments, CliCommand};
pub use bench_args::BenchArgs;
pub use capture_args::CaptureArgs;
pub use failure::Failure;
pub use idle_args::IdleArgs;
pub use limits::out_of_memory;
pub use listen::Listen;
pub use metrics_args::MetricsArgs;
pub use respond_args::RespondArgs;
pub use run_as::RunAs;
pub use umem_args::UmemArgs;
pub use values::CoreList;

/// The program with all its commands and options, for tests and documentation.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Adds the hint that a file may set required options of `respond`.
fn with_config_hint(mut error: clap::Error) -> clap::Error {
    let of_respond = error.to_string().contains("Usage: handfast respond ");
    let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return error;
    };
    if of_respond && missing.iter().all(|option| !option.starts_with("--config")) {
        let tip = "a file may set it instead: --config <FILE>";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Parses the arguments of the process and runs the command.
pub fn run() -> ExitCode {
    completions::answer(command);
    run_with(std::env::args_os())
}

/// Runs with these arguments, beginning with the name of the program.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    signals::survive_the_limit_of_files();
    let parsed = Arguments::command().try_get_matches_from(arguments).map_err(with_config_hint);
    let parsed = parsed.and_then(|matches| Ok((Arguments::from_arg_matches(&matches)?, matches)));
    let (arguments, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let outcome = match arguments.command {
        CliCommand::Respond(arguments) => respond::start(*arguments, matches.subcommand_matches("respond")),
        CliCommand::Bench(arguments) => bench::run(&arguments),
        CliCommand::Connections(arguments) => connections::run(&arguments),
        CliCommand::Lab(arguments) => lab::run(&arguments),
        CliCommand::Report(arguments) => report::run(&arguments),
        CliCommand::Top(arguments) => top::run_top(&arguments),
        CliCommand::Trace(arguments) => trace::run(&arguments),
        CliCommand::Doctor(arguments) => doctor::run(&arguments),
        CliCommand::Completions(arguments) => completions::run(&arguments),
        CliCommand::Man(arguments) => man::run(&arguments, command()),
    };
    finish(outcome.unwrap_or_else(|failure| {
        let failure = failure.or_limit();
        eprintln!("{failure}");
        failure.exit_code()
    }))
}

/// Prints help, or the error of the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render();
    if error.use_stderr() {
        out::warn(out::Kind::Painted, format_args!("{}", styled(&text, io::stderr().is_terminal())));
        return ExitCode::from(error.exit_code() as u8);
    }
    out::say(out::Kind::Painted, format_args!("{}", styled(&text, io::stdout().is_terminal())));
    finish(ExitCode::SUCCESS)
}

fn styled(text: &StyledStr, terminal: bool) -> String {
    match terminal && std::env::var_os("NO_COLOR").is_none() {
        true => text.ansi().to_string(),
        false => text.to_string(),
    }
}

/// The exit code, unless standard output could not be written.
fn finish(code: ExitCode) -> ExitCode {
    let Some(error) = out::failure() else { return code };
    eprintln!("handfast: cannot write to standard output: {error}");
    ExitCode::FAILURE
}
