use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use terminal_size::{Width, terminal_size};

use super::styled_text::StyledText;
use super::take_over::{self, Place};
use super::{Failure, Listen, out, signals, values};
use handfast_doctor::measure::{End, MeasureError, MeasurePlan, MeasuredRates, measure};
use handfast_doctor::{Applied, Check, Report, SCHEMA, Table, apply, examine};

/// Columns where there is no terminal to ask.
const COLUMNS: usize = 100;

/// Check what prevents handfast from working on an interface, or slows it down.
///
/// Checks the interface, its driver and queues, other programs that use it, the peer of a veth,
/// offloads, permissions, the kernel and the host. Changes nothing without --fix. Findings come with
/// the command that fixes them and the one that undoes the fix; docs/doctor.md explains them.
///
/// The exit status is 1 if there is an error, and 0 otherwise, even with warnings.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Interface to check
    #[arg(long, value_name = "IF", value_parser = values::device, required_unless_present = "measure")]
    dev: Option<String>,
    /// Listener to check: which programs and connections would it take over?
    #[arg(long = "listen", value_name = "ADDR:PORT", requires = "dev")]
    listeners: Vec<Listen>,
    /// Apply safe fixes (offloads, MTU, polling, link up), print how to undo them, and check again
    #[arg(long, requires = "dev")]
    fix: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Measure the maximum rate of bare AF_XDP and XDP_TX programs, on a temporary veth pair
    #[arg(long)]
    measure: bool,
    /// Measure on this veth pair instead; both ends must be unused
    #[arg(long, value_name = "[NS:]IF,[NS:]IF", requires = "measure", value_parser = pair)]
    pair: Option<(End, End)>,
    /// Duration of each run of --measure
    #[arg(long, value_name = "TIME", requires = "measure", default_value = "2", value_parser = values::seconds)]
    seconds: Duration,
    /// Runs of --measure for each program and mode; the median is printed
    #[arg(long, value_name = "N", requires = "measure", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

const EXAMPLES: &str = "\
Examples:
  Why does handfast not start, or not answer?

    sudo handfast doctor --dev eth0

  Does another server already listen where handfast is to answer?

    sudo handfast doctor --dev eth0 --listen 10.0.0.5:80

  Inside a lab (handfast lab up):

    handfast lab exec --side server -- handfast doctor --dev hf-s --fix

  The maximum rate of a veth pair on this host, measured in 25 s:

    sudo handfast doctor --measure";

/// What --json prints.
#[derive(Serialize)]
struct Output<'a> {
    schema: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
    /// What --fix did, before the checks were made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<&'a [Applied]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'a MeasuredRates>,
}

pub(super) fn run(arguments: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut report = checked(arguments);
    let mut applied = None;
    if arguments.fix
        && let Some(before) = &report
    {
        let done = apply(before);
        if !arguments.json {
            print!("{}", applied_text(&done));
        }
        report = checked(arguments);
        applied = Some(done);
    }
    if let Some(report) = report.as_ref().filter(|_| !arguments.json) {
        let width = terminal_size().map_or(COLUMNS, |(Width(columns), _)| columns.into());
        let table = Table { report, width, colour: StyledText::of_stdout().colour };
        out::say(out::Kind::Painted, format_args!("{table}"));
    }
    let measured = arguments.measure.then(|| measured(arguments)).transpose()?;
    if arguments.json {
        let output = Output {
            schema: SCHEMA,
            report: report.as_ref(),
            applied: applied.as_deref(),
            measured: measured.as_ref(),
        };
        let text = serde_json::to_string_pretty(&output).map_err(Failure::of)?;
        out::say(out::Kind::Json, format_args!("{text}\n"));
    } else if let Some(measured) = &measured {
        print!("{}{measured}", if report.is_some() { "\n" } else { "" });
    }
    match report {
        Some(report) if report.counts.error > 0 => Ok(ExitCode::FAILURE),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The checks of the interface and of the listeners.
fn checked(arguments: &DoctorArgs) -> Option<Report> {
    let report = examine(arguments.dev.as_deref()?);
    let devices = arguments.dev.as_slice();
    let place = Place { devices, subnets: &[], take_over: false };
    let name = "listeners";
    let check = match take_over::check(&place, &arguments.listeners) {
        _ if arguments.listeners.is_empty() => return Some(report),
        Ok(notes) if notes.is_empty() => Check::ok(name, "no other program uses them"),
        Ok(notes) => Check::warning(name, notes.join("; "))
            .why("Frames for a listener bypass the kernel and the programs that listen there."),
        Err(failure) => {
            let text = failure.to_string();
            let (what, fix) = text.split_once("\nfix: ").unwrap_or((&text, ""));
            Check::error(name, what.trim_start_matches("handfast: "))
                .why(format!("`handfast respond` refuses this listener. Instead: {fix}"))
        }
    };
    Some(report.with(check))
}

fn measured(arguments: &DoctorArgs) -> Result<MeasuredRates, Failure> {
    let DoctorArgs { pair, seconds, rounds, .. } = arguments;
    let plan = MeasurePlan { pair: pair.clone(), duration: *seconds, rounds: *rounds };
    let watched = io::stderr().is_terminal();
    // A signal ends the measurement, and the lab is still removed.
    let stop = signals::stop()?;
    measure(&plan, &stop, |what| {
        if watched {
            eprintln!("measuring: {what}");
        }
    })
    .map_err(|error| match error {
        MeasureError::Lab(error) => error.into(),
        MeasureError::Device { end, source } => Failure::of_device(source).of_what(&end),
        other => Failure::of(other),
    })
}

/// The applied fixes, and how to undo them, in reverse order.
fn applied_text(applied: &[Applied]) -> String {
    if applied.is_empty() {
        return "no safe fix to apply\n\n".into();
    }
    let mut lines: Vec<String> = applied
        .iter()
        .map(|one| match &one.error {
            None => format!("ran:  {}", one.command),
            Some(error) => format!("failed: {}: {error}", one.command),
        })
        .collect();
    let done = applied.iter().rev().filter(|one| one.error.is_none());
    lines.extend(done.filter_map(|one| one.undo.as_ref()).map(|undo| format!("undo: {undo}")));
    lines.join("\n") + "\n\n"
}

fn pair(text: &str) -> Result<(End, End), String> {
    let (one, other) = text
        .split_once(',')
        .ok_or_else(|| format!("invalid pair `{text}`: write two interfaces, separated by a comma"))?;
    Ok((one.parse()?, other.parse()?))
}
