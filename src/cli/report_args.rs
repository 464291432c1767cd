use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Show what a benchmark came to, or join the results of several machines.
///
/// Reads the files that `handfast bench --json FILE` wrote.
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

    handfast report show run.json --html run.html";

#[derive(Debug, Subcommand)]
pub enum ReportAction {
    /// Add up runs of one benchmark: counts add, histograms are joined without loss, rates add
    /// second by second from the start of each.
    Merge(MergeArgs),
    /// Show one file's results, or a comparison's table.
    Show(ShowArgs),
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
    /// Write the results there as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the results there as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}
