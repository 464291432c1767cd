use std::fmt::Write;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::trace_output::Drawing;
use crate::text::{counted, grouped, noun};
use crate::trace::pcap::{Flow, Flows, Packets, PcapError, Recorded, Selection, record};
use crate::trace::{Diagram, Knowledge, Picture};

/// Draw a connection out of a capture, as a textbook would.
///
/// Reads pcap and pcapng of any size: Ethernet with VLAN tags, Linux cooked, loopback and raw IP. Draws
/// a line for each segment with its numbers, counted from 0, the state of each side as it follows from
/// the segments (RFC 9293 3.3.2), long silences, and a sentence where it matters. A capture does not
/// know what was lost behind it: a segment is drawn as lost if it was sent again, after a time-out or
/// because the other side asked for it, before anything acknowledged it; every other one is taken to
/// arrive. Checksums are not looked at.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TraceArgs {
    /// The capture
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// The connection: both ends, in either order [default: the only one; of several, a list]
    #[arg(long, value_name = "A:PORT-B:PORT")]
    flow: Option<Selection>,
    /// Draw at most so many segments, and count the rest
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,
    #[command(flatten)]
    drawing: Drawing,
}

const EXAMPLES: &str = "\
Examples:
  What is in it:

    handfast trace --pcap capture.pcapng

  One of its connections, as a page to send to somebody:

    handfast trace --pcap capture.pcapng --flow 10.0.0.7:41022-10.0.0.50:80 --html connection.html

Lab scenarios, made to be drawn: handfast lab trace --help";

/// Connections that are listed.
const LISTED: usize = 50;

pub(super) fn run(arguments: &TraceArgs) -> Result<ExitCode, Failure> {
    let mut found = Flows::of(&mut open(arguments)?, arguments.flow);
    let trouble = found.trouble.take();
    let flow = match choose(arguments, &found) {
        Ok(flow) => flow,
        // Then the damage is the better reason.
        Err(failure) => return Err(trouble.map_or(failure, |trouble| unreadable(arguments, &trouble))),
    };
    match flow {
        Some(flow) => draw(arguments, &flow)?,
        None => print!("{}", listing(arguments, &found)),
    }
    match trouble {
        Some(trouble) => Err(unreadable(arguments, &trouble)
            .fix("what comes before that place is whole, and is what was read; capture again for the rest")),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn open(arguments: &TraceArgs) -> Result<Packets<BufReader<File>>, Failure> {
    let file = File::open(&arguments.pcap)
        .map_err(|error| Failure::new(format!("cannot open {}: {error}", arguments.pcap.display())))?;
    Packets::open(BufReader::new(file)).map_err(|error| unreadable(arguments, &error))
}

fn unreadable(arguments: &TraceArgs, error: &PcapError) -> Failure {
    let failure = Failure::new(format!("{}: {error}", arguments.pcap.display()));
    match error {
        PcapError::Format(_) => failure.fix("tcpdump -i IF -w FILE makes one that can be read"),
        _ => failure,
    }
}

/// `None`: there are several to choose from.
fn choose(arguments: &TraceArgs, found: &Flows) -> Result<Option<Flow>, Failure> {
    let path = arguments.pcap.display();
    match (arguments.flow, found.flows.as_slice()) {
        (_, []) => {
            let packets = counted(found.packets, "packet");
            Err(Failure::new(format!("{path} has no TCP segment among its {packets}")))
        }
        (Some(wanted), flows) => {
            let flow = flows.iter().find(|flow| flow.selection() == wanted).copied();
            flow.map(Some).ok_or_else(|| {
                Failure::new(format!("{path} has no segment of that connection"))
                    .fix(format!("handfast trace --pcap {path} lists what it has"))
            })
        }
        (None, [only]) if found.unlisted == 0 => Ok(Some(*only)),
        (None, _) => Ok(None),
    }
}

fn listing(arguments: &TraceArgs, found: &Flows) -> String {
    let path = arguments.pcap.display();
    let mut text = format!(
        "{path} has {}{} in {}. Choose one:\n\n",
        if found.unlisted > 0 { "more than " } else { "" },
        counted(found.flows.len() as u64, "connection"),
        counted(found.packets, "packet")
    );
    let names: Vec<String> = found.flows.iter().take(LISTED).map(Flow::to_string).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (name, flow) in names.iter().zip(&found.flows) {
        // A String takes any write.
        let _ = writeln!(
            text,
            "  --flow {name:<width$}  {:>9} {}",
            grouped(flow.segments),
            noun(flow.segments, "segment")
        );
    }
    if found.flows.len() > LISTED {
        let _ = writeln!(text, "  and {} more", grouped((found.flows.len() - LISTED) as u64));
    }
    if found.unlisted > 0 {
        let _ = writeln!(text, "  and {} of still others", counted(found.unlisted, "segment"));
    }
    text
}

fn draw(arguments: &TraceArgs, flow: &Flow) -> Result<(), Failure> {
    let Recorded { record, lost, more } = record(&mut open(arguments)?, flow, arguments.most as usize);
    let name = arguments.pcap.file_name().unwrap_or_default().to_string_lossy();
    let picture = Picture {
        title: format!("{} to {}", flow.client, flow.server),
        lesson: format!("{} in {name}{}", counted(flow.segments, "segment"), losses(lost)),
        client: flow.client.to_string(),
        server: flow.server.to_string(),
        diagram: Diagram::of(&record, &Knowledge::default()),
        imagined: false,
        more,
    };
    arguments.drawing.draw(&picture)
}

/// A capture shows what passed it, not what arrived.
fn losses(lost: usize) -> String {
    match lost {
        0 => String::new(),
        lost => format!(", {} of them drawn as lost: what came later tells", grouped(lost as u64)),
    }
}
