//! The connection table against other maps (`map`), interleaved: every round measures each of them, so that drift of
//! the host affects all alike. Medians over the rounds.
//!
//! ```sh
//! cargo run --release -p handfast-comparisons --bin maps                        # 3 minutes, on an idle host
//! cargo run --release -p handfast-comparisons --bin maps -- --plots docs/plots  # and draw the committed plots
//! cargo run --release -p handfast-comparisons --bin maps -- --entries 16M --rounds 3
//! ```
//!
//! Writes `target/maps/results.json` and the plots. The table uses huge pages; the program re-executes itself with
//! glibc's setting for the same, so that the other maps have them too.

mod map;

mod measure;
mod plot;
mod report;

use std::error::Error;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::Parser;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measure the connection table against other hash maps, interleaved, and plot the results
#[derive(Parser)]
struct Arguments {
    /// Entries, as 1k, 64k, 8M (powers of 1024)
    #[arg(long, value_delimiter = ',', default_value = "1k,64k,1M,8M", value_parser = entries)]
    entries: Vec<u32>,
    /// Entries in the comparison of two threads with one; 0: none
    #[arg(long, default_value = "8M", value_parser = entries)]
    threaded: u32,
    /// Load factor, of the requested capacity
    #[arg(long, default_value_t = 0.75)]
    load: f64,
    /// Rounds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 30)]
    slice: u64,
    /// Write the results to this file, as JSON
    #[arg(long, default_value = "target/maps/results.json")]
    json: PathBuf,
    /// Write the plots to this directory
    #[arg(long, default_value = "target/maps")]
    plots: PathBuf,
    /// Only these maps
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the other maps' memory in small pages, as without any setting
    #[arg(long)]
    small_pages: bool,
    /// Measure nothing: plot the results of an earlier run from --json
    #[arg(long)]
    redraw: bool,
}

/// glibc's setting for huge pages.
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if !arguments.small_pages && !arguments.redraw && std::env::var_os(TUNABLES.0).is_none() {
        let itself = std::env::current_exe()?;
        let failed =
            Command::new(itself).args(std::env::args_os().skip(1)).env(TUNABLES.0, TUNABLES.1).exec();
        return Err(failed.into());
    }
    let results = if arguments.redraw {
        report::read(&arguments.json)?
    } else {
        let results = measure::all(&measure::Plan {
            entries: arguments.entries,
            threaded: Some(arguments.threaded).filter(|entries| *entries > 0),
            load: arguments.load,
            rounds: arguments.rounds,
            slice: Duration::from_millis(arguments.slice),
            only: arguments.only,
            huge_pages: !arguments.small_pages,
        })?;
        report::write(&arguments.json, &results)?;
        results
    };
    print!("{}", report::text(&results));
    plot::all(&arguments.plots, &results)?;
    println!("\n{}; plots in {}", arguments.json.display(), arguments.plots.display());
    Ok(())
}

fn entries(text: &str) -> std::result::Result<u32, String> {
    let (digits, unit) = match text.strip_suffix('k') {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let number = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|entries| *entries == 0 || *entries >= 1 << 10)
        .ok_or_else(|| format!("invalid number {text}: at least 1k, as 64k or 8M"))
}
