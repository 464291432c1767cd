use std::fs;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};

use super::trace_output::Drawing;
use super::{Failure, signals};
use handfast_lab::trace::{Peer, PlayOptions, SCENARIOS, Scenario, TraceError, play_all};

/// Play a scenario of TCP between two stacks, and draw it as a ladder diagram.
///
/// Creates a lab whose link can drop, delay and cross segments, with handfast's engine at one end and the Linux
/// kernel or the engine at the other, and draws the segments: relative sequence numbers, the state of each
/// side as inferred from the segments (RFC 9293 3.3.2), losses, pauses, and explanations. Without a name it lists
/// the scenarios.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct LabTraceArgs {
    /// The scenario
    scenario: Option<String>,
    /// Play all scenarios; --svg and --html then name directories
    #[arg(long, conflicts_with_all = ["scenario", "closer"])]
    all: bool,
    /// The side that closes first, in `close`
    #[arg(long, value_enum)]
    closer: Option<TraceEnd>,
    /// The client; each scenario has a default, and some allow no other
    #[arg(long, value_enum)]
    peer: Option<PeerName>,
    /// Use IPv6; the segments are the same
    #[arg(long)]
    ipv6: bool,
    #[command(flatten)]
    drawing: Drawing,
    /// The lab's name; a lab of that name is replaced
    #[arg(long, default_value = "trace")]
    name: String,
}

const EXAMPLES: &str = "\
Examples:
  Why a handshake has three segments:

    handfast lab trace old-duplicate-syn

  A forged reset, over IPv6:

    handfast lab trace challenge-ack --ipv6

  The server closes first, as an SVG:

    handfast lab trace close --closer server --svg close.svg

  All scenarios, as SVG files:

    handfast lab trace --all --svg pictures/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TraceEnd {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PeerName {
    Kernel,
    Handfast,
}

pub(super) fn run(arguments: &LabTraceArgs) -> Result<ExitCode, Failure> {
    if arguments.all {
        return all(arguments);
    }
    let Some(name) = &arguments.scenario else {
        print!("{}", listing());
        return Ok(ExitCode::SUCCESS);
    };
    let scenario = find(name, arguments.closer)?;
    // A scenario takes seconds: it is completed, and its lab removed, also after a signal.
    let stop = signals::stop()?;
    let played = scenario.play(&arguments.name, arguments.options());
    if stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(signals::INTERRUPTED));
    }
    let picture = played.map_err(failure)?;
    arguments.drawing.draw(&picture)?;
    Ok(ExitCode::SUCCESS)
}

impl LabTraceArgs {
    fn options(&self) -> PlayOptions {
        let client = self.peer.map(|peer| match peer {
            PeerName::Kernel => Peer::Kernel,
            PeerName::Handfast => Peer::Handfast,
        });
        PlayOptions { client, ipv6: self.ipv6 }
    }
}

fn find(name: &str, closer: Option<TraceEnd>) -> Result<&'static Scenario, Failure> {
    let name = match (name, closer) {
        ("close", Some(TraceEnd::Server)) | ("close-server", None | Some(TraceEnd::Server)) => "close-server",
        ("close", _) | (_, None) => name,
        _ => {
            return Err(Failure::new(format!("--closer applies to the scenario close, not to {name}"))
                .fix("handfast lab trace close --closer server"));
        }
    };
    Scenario::named(name)
        .ok_or_else(|| Failure::new(format!("unknown scenario {name}")).fix("handfast lab trace lists them"))
}

fn listing() -> String {
    let width = SCENARIOS.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    let lines = SCENARIOS.iter().map(|scenario| format!("  {:<width$}  {}\n", scenario.name, scenario.title));
    format!("Scenarios, for `handfast lab trace SCENARIO`:\n\n{}", lines.collect::<String>())
}

fn failure(error: TraceError) -> Failure {
    match error {
        TraceError::Lab(error) => error.into(),
        error @ TraceError::Peer { .. } => Failure::of(error).fix("omit --peer: the scenario has a default"),
        error => Failure::of(error),
    }
}

/// Plays all scenarios, a few at a time, and draws them in the order of the list.
fn all(arguments: &LabTraceArgs) -> Result<ExitCode, Failure> {
    for directory in arguments.drawing.files() {
        fs::create_dir_all(directory).map_err(|error| Failure::cannot_write(directory, &error))?;
    }
    let stop = signals::stop()?;
    let all = play_all(&arguments.name, arguments.options(), &stop);
    if stop.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(signals::INTERRUPTED));
    }
    for (scenario, played) in all {
        let picture = played.map_err(|error| failure(error).of_what(scenario.name))?;
        let drawing = arguments.drawing.of_several(scenario.name);
        drawing.draw(&picture)?;
        match drawing.files().count() {
            0 => println!(),
            _ => drawing.files().for_each(|path| println!("{}", path.display())),
        }
    }
    Ok(ExitCode::SUCCESS)
}
