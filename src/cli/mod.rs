//! Arguments in, exit code out. One file per subcommand, thin: each composes the layers below.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed: `handfast: …` on standard error, and `fix: …` where a fix is known |
//! | 2 | the arguments are wrong |

// First: its macros are for all below.
#[macro_use]
mod out;

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
mod lab_bench_args;
mod lab_comparison;
mod lab_contest;
mod lab_engine;
mod lab_trace;
mod listen;
mod man;
mod man_page;
mod metrics_args;
mod next_hop;
mod notify;
mod reload;
mod report;
mod report_args;
mod report_diff;
mod requirement_args;
mod respond;
mod respond_args;
mod respond_examples;
mod respond_watch;
mod responder_process;
mod root_files;
mod run_as;
mod signals;
mod stage;
mod standard_output;
mod take_over;
mod top;
mod trace;
mod trace_output;
mod umem_args;
mod units;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use args::{Arguments, Command};
pub use bench_args::BenchArgs;
pub use capture_args::CaptureArgs;
pub use failure::Failure;
pub use idle_args::IdleArgs;
pub use listen::Listen;
pub use metrics_args::MetricsArgs;
pub use respond_args::RespondArgs;
pub use run_as::RunAs;
pub use umem_args::UmemArgs;
pub use values::Cores;

/// Every command and option there is, for those who write about them. It runs nothing.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// What `respond` misses may also stand in a file.
fn with_the_other_way(mut error: clap::Error) -> clap::Error {
    let of_respond = error.to_string().contains("Usage: handfast respond ");
    let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return error;
    };
    if of_respond && missing.iter().all(|option| !option.starts_with("--config")) {
        let tip = "a file may say it instead: --config <FILE>";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Parses the process's arguments and does what they say.
pub fn run() -> ExitCode {
    completions::answer();
    run_with(std::env::args_os())
}

/// The same with these arguments, the program's name first.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let matches = Arguments::command().try_get_matches_from(arguments);
    let matches = matches.unwrap_or_else(|error| with_the_other_way(error).exit());
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let outcome = match arguments.command {
        Command::Respond(arguments) => respond::start(*arguments, matches.subcommand_matches("respond")),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Top(arguments) => top::run_top(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::FAILURE
    })
}
