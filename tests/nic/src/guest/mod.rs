//! What runs in the guest: all cells of all NICs, one line for each on the second serial port.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::cells;

mod cell;
pub mod client;
mod doctor;
mod pair;
mod responder;
pub mod server;

/// The serial port whose other end the host reads.
const RESULTS: &str = "/dev/ttyS1";

/// Goes through the cells. A cell that cannot be tried says why, as its result.
pub fn run(nics: &str, wanted: &str) -> Result<(), String> {
    let nics = cells::choose(nics, &cells::nic_names())?;
    let wanted = cells::choose(wanted, &cells::cell_names())?;
    let mut results = OpenOptions::new().write(true).open(RESULTS).map_err(|e| format!("{RESULTS}: {e}"))?;
    let mut say = |line: String| {
        println!("{line}");
        writeln!(results, "{line}").map_err(|e| format!("{RESULTS}: {e}"))
    };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").map_err(|e| e.to_string())?;
    say(format!("linux\t{}", release.trim()))?;
    for nic in nics.iter().filter_map(|name| cells::nic(name)) {
        let mut tried = pair::Pair::new(nic).map(cell::Tried::new);
        for name in &wanted {
            println!("==== {} {name}", nic.name);
            let result = match &mut tried {
                Ok(tried) => tried.cell(name).unwrap_or_else(|error| format!("failed: {error}")),
                Err(error) => format!("no pair: {error}"),
            };
            say(format!("cell\t{}\t{name}\t{}", nic.name, result.replace(['\t', '\n'], " ")))?;
        }
    }
    say("done".to_owned())
}
