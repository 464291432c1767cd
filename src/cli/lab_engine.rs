use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::result_file::{ResultFile, json};
use super::{Failure, values};
use handfast_lab::engine::{EngineReport, EngineRun, EngineWorkload};
use handfast_stack::observe::STAGES;

/// Measure the engine alone, on a port in memory: what this machine's cores can do.
///
/// The same engine as on a wire, with both checksums verified and the whole state machine, answers
/// frames that lie in memory. What the generator of the frames costs is outside of the measured
/// time, which is processor time of the engine's thread. Needs no privilege and no network.
#[derive(Debug, Args)]
pub(crate) struct LabEngineArgs {
    /// synack, cookie, handshake, replace (a handshake, and the oldest connection goes) or lifecycle
    #[arg(long, default_value = "handshake")]
    workload: EngineWorkload,
    /// Connections established before anything is measured, for each core
    #[arg(long, value_name = "N", default_value = "65_536", value_parser = values::count)]
    live: u32,
    /// The cores to run on, as in 0,2-3, all around one table
    #[arg(long, value_name = "LIST", default_value = "0")]
    cores: values::CoreList,
    /// Processor time to measure, seconds
    #[arg(long, value_name = "TIME", default_value = "3", value_parser = values::seconds)]
    seconds: Duration,
    /// Write the result to this file as well, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A table has twice as many numbers for connections.
const MAX_LIVE: u32 = 1 << 25;

pub(super) fn run(arguments: &LabEngineArgs) -> Result<ExitCode, Failure> {
    if arguments.live > MAX_LIVE {
        return Err(Failure::new(format!("--live {} is more than {MAX_LIVE}", arguments.live))
            .fix(format!("--live {MAX_LIVE}")));
    }
    let file = arguments.json.as_deref().map(ResultFile::check).transpose()?;
    let run = EngineRun {
        workload: arguments.workload,
        live: arguments.live,
        cores: arguments.cores.0.clone(),
        time: arguments.seconds,
    };
    let report = run.measure().map_err(Failure::new)?;
    print!("{}", text(&report));
    if let Some(file) = file {
        file.write(&json(&report)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(report: &EngineReport) -> String {
    let rate = report.connections_per_s_per_core;
    let mut text = format!(
        "{}, {} connections live, {} core(s)\n  {:>12.0} connections per second and core\n  {:>12.1} ns per segment in or out\n",
        report.workload,
        report.live,
        report.cores.len(),
        rate,
        report.ns_per_segment
    );
    if let Some(bytes) = report.bytes_per_connection {
        text += &format!("  {bytes:>12.1} bytes per connection, index included\n");
    }
    text += "  of which, in a second run with clocks on:\n";
    for name in STAGES.map(|stage| stage.name()) {
        let ns = report.stages_ns.get(name).copied().unwrap_or(0.0);
        text += &format!("  {ns:>12.1} ns {name}\n");
    }
    text
}
