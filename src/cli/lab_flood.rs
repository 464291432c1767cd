//! `handfast lab flood`: kernel clients of a responder that is flooded.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::lab_bench::program;
use super::packet_path_args::{ModeChoice, mode};
use super::result_file::{ResultFile, json};
use super::{Failure, lab_comparison, lab_flood_text, signals, standard_output, values};
use handfast_lab::bench::baseline::FloodKind;
use handfast_lab::bench::comparison::ComparisonError;
use handfast_lab::bench::flood::{FloodCores, FloodPlan};

/// The exit code where the contract was not kept, as in `handfast bench`.
const REQUIREMENTS_FAILED: u8 = 3;

/// Flood a responder, and measure kernel clients of it meanwhile.
///
/// Creates a lab, starts `handfast respond` with the echo service in it, and removes both at the end. Honest
/// clients are sockets of the client's kernel: each connects, has some bytes echoed and closes, at equal
/// distances. They run alone for a while, and then during a flood of SYNs, of ACKs with random numbers, or of
/// both, from random sources, as fast as the link takes it. Flood and clients leave by one interface, and
/// arrive in one receive queue. The flood has one core alone, on which the kernel also receives it for the
/// responder; the clients have the third core, or that of the responder.
///
/// With --require the contract must be kept: at least 99.9 % of the clients complete, at most 1 % of them
/// sent their SYN again (beyond the losses of the link's queues), the 99th percentile of connect is at most
/// 5 ms, and the responder sends no more packets than it receives. See docs/reliability.md.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exit status:
  0 measured; 3 with --require: the contract was not kept; 130 interrupted.")]
pub(crate) struct LabFloodArgs {
    /// The lab's name; a lab of that name is replaced
    #[arg(long, default_value = "flood")]
    name: String,
    /// Packets to send: syn, ack (random numbers) or mixed (one of each in turn)
    #[arg(long, value_name = "KIND", default_value = "syn")]
    flood: FloodKind,
    /// Packets per second, as in 150k [default: as many as the link takes]
    #[arg(long, value_name = "N", value_parser = values::count)]
    rate: Option<u32>,
    /// Duration of the flood
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = values::seconds)]
    seconds: Duration,
    /// Duration of the calm before it
    #[arg(long, value_name = "TIME", default_value = "2", value_parser = values::seconds)]
    calm: Duration,
    /// Honest connections during the flood
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// Attach mode of the eBPF programs at both ends: auto, native or generic
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = ["auto", "native", "generic"])]
    mode: String,
    /// Use IPv6
    #[arg(long)]
    ipv6: bool,
    /// Cores of flood, responder and clients [default: the first three available; of two, clients share the
    /// responder's]
    #[arg(long, value_name = "FLOOD,RESPONDER[,CLIENTS]")]
    cores: Option<values::CoreList>,
    /// End with exit status 3 if the contract is not kept
    #[arg(long)]
    require: bool,
    /// Write the figures to this file, as JSON (docs/reliability.md); `-`: to standard output, and the text
    /// to standard error
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Further options of `handfast respond`, as in --cookies auto
    #[arg(last = true, value_name = "OPTION")]
    respond: Vec<String>,
}

impl LabFloodArgs {
    fn plan(&self) -> Result<FloodPlan, Failure> {
        let mode: ModeChoice = mode(&self.mode);
        Ok(FloodPlan {
            name: self.name.clone(),
            program: program()?,
            kind: self.flood,
            rate: self.rate,
            duration: self.seconds,
            calm: self.calm,
            clients: self.clients,
            mode,
            cores: self.cores()?,
            ipv6: self.ipv6,
            respond: self.respond.clone(),
        })
    }

    fn cores(&self) -> Result<FloodCores, Failure> {
        let given = match &self.cores {
            Some(values::CoreList(cores)) => cores.clone(),
            None => {
                let available = core_affinity::get_core_ids().unwrap_or_default();
                available.iter().take(3).map(|core| core.id).collect()
            }
        };
        match given[..] {
            [flood, responder] => Ok(FloodCores { flood, responder, clients: responder }),
            [flood, responder, clients] => Ok(FloodCores { flood, responder, clients }),
            _ if self.cores.is_some() => {
                Err(Failure::new("--cores takes two or three cores").fix("--cores 0,1"))
            }
            _ => Err(Failure::new("this process may use one core, but flood and responder need one each")),
        }
    }
}

pub(super) fn run(arguments: &LabFloodArgs) -> Result<ExitCode, Failure> {
    let plan = arguments.plan()?;
    standard_output::reserve(&[arguments.json.as_deref()])?;
    let file = arguments.json.as_deref().map(ResultFile::check).transpose()?;
    let stop = signals::stop()?;
    let command = env::args().collect::<Vec<_>>().join(" ");
    let report = match plan.run(command, &stop, &mut |next| eprintln!("{next}")) {
        Err(ComparisonError::Interrupted) => return Ok(ExitCode::from(signals::INTERRUPTED)),
        report => report?,
    };
    print!("{}\n\n{}", lab_comparison::machine(), lab_flood_text::text(&report));
    if let Some(file) = file {
        file.write(&json(&report)?)?;
    }
    let kept = report.requirements.iter().all(|requirement| requirement.met);
    Ok(match arguments.require && !kept {
        true => ExitCode::from(REQUIREMENTS_FAILED),
        false => ExitCode::SUCCESS,
    })
}
