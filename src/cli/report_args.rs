use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show the results of a benchmark, merge those of several hosts, or compare runs.
///
/// Reads files written by `handfast bench --json FILE` and `handfast lab bench --json FILE`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub action: ReportAction,
}

const EXAMPLES: &str = "\
Examples:
  Two hosts against one target, started at the same time:

    handfast report merge left.json right.json --html both.html

  One run as an HTML page:

    handfast report show run.json --html run.html

  The effect of a change on the rate, compared with the noise of five runs each:

    for n in 1 2 3 4 5; do handfast bench --dev eth0 10.0.0.50:80 --json old/$n.json; done
    handfast report diff old new";

#[derive(Debug, Subcommand)]
pub(crate) enum ReportAction {
    /// Merge runs of one benchmark: counts are added, histograms merged without loss, and rates added
    /// second by second from the start of each run.
    Merge(MergeArgs),
    /// Show the results in one file, or the table of a comparison.
    Show(ShowArgs),
    /// Compare two runs, or two sets of runs: the change of each figure, compared with the noise.
    ///
    /// The noise is the 95 % confidence interval of the change, from the differences between the runs of
    /// each set (Welch's t-test). With one run on each side it is not known; the differences between the
    /// seconds of a run give a lower bound. Two results of `handfast lab bench` are compared server by
    /// server.
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// File of results, several separated by commas, or a directory (its *.json)
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// What to compare with A, in the same form
    #[arg(value_name = "B")]
    pub b: PathBuf,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Files of results
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Merge runs even if workload, target or version differ; the report mentions it
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A file of results
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub(crate) struct ReportOutput {
    /// Write the results to this file as JSON; `-` = to standard output, and the text to standard error
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a table to this file as CSV: of the seconds, the runs of a comparison, or the changes
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the results to this file as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
