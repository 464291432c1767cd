//! The connection table beside its rivals (`benches/rivals`), interleaved: in each round every
//! contestant has its turn, so that a machine that drifts drifts for all. Medians of the rounds.
//!
//! ```sh
//! cargo run --release --example table_contest                        # about 3 minutes, on an idle machine
//! cargo run --release --example table_contest -- --plots docs/plots  # and draw the committed plots
//! cargo run --release --example table_contest -- --entries 16M --rounds 3
//! ```
//!
//! Writes `target/table-contest/results.json` beside the plots. The table asks for huge pages; the
//! program starts itself again with glibc told to do the same, so that the rivals have them too.

#[path = "../rivals/mod.rs"]
mod rivals;

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

/// Measure the connection table beside other hash maps, interleaved, and draw what came out
#[derive(Parser)]
struct Arguments {
    /// Entries, as 1k, 64k, 8M (powers of 1024)
    #[arg(long, value_delimiter = ',', default_value = "1k,64k,1M,8M", value_parser = entries)]
    entries: Vec<u32>,
    /// Entries where two threads are compared with one; 0: no threads
    #[arg(long, default_value = "8M", value_parser = entries)]
    threaded: u32,
    /// How full each table is, of the capacity that it was asked to have
    #[arg(long, default_value_t = 0.75)]
    load: f64,
    /// Turns of each contestant
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 30)]
    slice: u64,
    /// Where the results go, as JSON
    #[arg(long, default_value = "target/table-contest/results.json")]
    json: PathBuf,
    /// The folder that the plots go to
    #[arg(long, default_value = "target/table-contest")]
    plots: PathBuf,
    /// Only these contestants
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the rivals' memory in small pages, as their users would who set nothing
    #[arg(long)]
    small_pages: bool,
    /// Measure nothing: draw what an earlier run wrote to --json
    #[arg(long)]
    redraw: bool,
}

/// glibc's switch, and what it takes for it to ask for huge pages.
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
        .ok_or_else(|| format!("{text}: a number from 1k on, as 64k or 8M"))
}
