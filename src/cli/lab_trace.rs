use std::fs;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};

use super::trace_output::Drawing;
use super::{Failure, signals};
use handfast_lab::trace::{Peer, PlayOptions, SCENARIOS, Scenario, TraceError, play_all};

/// Play a scenario of TCP for real, and draw it as a textbook would.
///
/// Makes a lab with a wire in the middle that can lose, delay and cross segments, puts this engine at
/// one end and the Linux kernel (or this engine as well) at the other, and draws what passed: a line
/// for each segment with its numbers, counted from 0, the state of each side as it follows from the
/// segments (RFC 9293 3.3.2), what was lost, how long nothing came, and a sentence where it matters.
/// Without a name it lists the scenarios.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct LabTraceArgs {
    /// The scenario
    scenario: Option<String>,
    /// All scenarios; --svg and --html then name directories
    #[arg(long, conflicts_with_all = ["scenario", "closer"])]
    all: bool,
    /// Who closes first, in `close`
    #[arg(long, value_enum)]
    closer: Option<End>,
    /// Who the client is; each scenario has its own default, and some allow no other
    #[arg(long, value_enum)]
    peer: Option<PeerName>,
    /// Play it over IPv6; the segments are the same
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

  How the server closes, as a picture:

    handfast lab trace close --closer server --svg close.svg

  Every picture there is:

    handfast lab trace --all --svg pictures/";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum End {
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
    // A scenario takes seconds: it plays to its end, and its lab is taken down, whatever signals come.
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

fn find(name: &str, closer: Option<End>) -> Result<&'static Scenario, Failure> {
    let name = match (name, closer) {
        ("close", Some(End::Server)) | ("close-server", None | Some(End::Server)) => "close-server",
        ("close", _) | (_, None) => name,
        _ => {
            return Err(Failure::new(format!("--closer belongs to the scenario close, not to {name}"))
                .fix("handfast lab trace close --closer server"));
        }
    };
    Scenario::named(name).ok_or_else(|| {
        Failure::new(format!("there is no scenario {name}")).fix("handfast lab trace lists them")
    })
}

fn listing() -> String {
    let width = SCENARIOS.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    let lines = SCENARIOS.iter().map(|scenario| format!("  {:<width$}  {}\n", scenario.name, scenario.title));
    format!("Scenarios, for `handfast lab trace SCENARIO`:\n\n{}", lines.collect::<String>())
}

fn failure(error: TraceError) -> Failure {
    match error {
        TraceError::Lab(error) => error.into(),
        error @ TraceError::Peer { .. } => {
            Failure::of(error).fix("leave --peer out: the scenario has its own")
        }
        error => Failure::of(error),
    }
}

/// Plays everything, a few at a time; draws it in the order of the list.
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
