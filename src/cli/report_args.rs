use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show what a benchmark came to, join the results of several machines, or compare runs.
///
/// Reads the files that `handfast bench --json FILE` and `handfast lab bench --json FILE` wrote.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = EXAMPLES)]
pub struct ReportArgs {
    #[command(subcommand)]
    pub action: ReportAction,
}

const EXAMPLES: &str = "\
Examples:
  Two machines against one target, started at the same time:

    handfast report merge left.json right.json --html both.html

  One run as a page to look at:

    handfast report show run.json --html run.html

  What a change did to the rate, beside the noise of five runs each:

    for n in 1 2 3 4 5; do handfast bench --dev eth0 10.0.0.50:80 --json old/$n.json; done
    handfast report diff old new";

#[derive(Debug, Subcommand)]
pub enum ReportAction {
    /// Add up runs of one benchmark: counts add, histograms are joined without loss, rates add
    /// second by second from the start of each.
    Merge(MergeArgs),
    /// Show one file's results, or a comparison's table.
    Show(ShowArgs),
    /// Compare two runs, or two sets of runs: how much each figure changed, beside the noise.
    ///
    /// The noise is the 95 % interval of the change, from the differences between the runs of each set
    /// (Welch). With one run on each side it is not known; the seconds within the runs say what it is at
    /// least. Two comparisons (`handfast lab bench --json`) are compared server by server.
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A file of results, several with commas between them, or a folder of them (its *.json)
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// What to compare with it, in the same way
    #[arg(value_name = "B")]
    pub b: PathBuf,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Files of results
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Merge also what differs in workload, target or version; the report says so
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A file of results
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub output: ReportOutput,
}

#[derive(Debug, Args)]
pub struct ReportOutput {
    /// Write the results there as JSON; `-`: to standard output, and the text to standard error
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a table there as CSV: of the seconds, of a comparison's runs, or of the figures that changed
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the results there as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
