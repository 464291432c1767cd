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

mod args;
mod bench;
mod bench_args;
mod bench_results;
mod bench_setup;
mod bench_watch;
mod capture_args;
mod completions;
mod config;
mod connections;
mod control_args;
mod demo;
mod demo_comparison;
mod doctor;
mod failure;
mod lab;
mod lab_bench;
mod lab_bench_args;
mod lab_comparison;
mod lab_contest;
mod lab_engine;
mod lab_trace;
mod man;
mod man_page;
mod metrics_args;
mod next_hop;
mod notify;
mod reload;
mod report;
mod report_args;
mod respond;
mod respond_args;
mod respond_watch;
mod responder_process;
mod signals;
mod stage;
mod top;
mod trace;
mod trace_output;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Arguments, Command};
pub use bench_args::BenchArgs;
pub use capture_args::CaptureArgs;
pub use failure::Failure;
pub use metrics_args::MetricsArgs;
pub use respond_args::RespondArgs;
pub use values::{Cores, Listen};

/// Every command and option there is, for those who write about them. It runs nothing.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Parses the process's arguments and does what they say.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// The same with these arguments, the program's name first.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let matches = Arguments::command().get_matches_from(arguments);
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
