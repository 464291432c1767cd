use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::trace_output::Drawing;
use handfast_text::{counted, grouped, noun, printable};
use handfast_trace::pcap::{Flow, Flows, Other, Packets, PcapError, Recorded, Selection, open};
use handfast_trace::{Diagram, DiagramOptions, Direction, Picture, State};

/// Draw a connection of a capture as a ladder diagram.
///
/// Reads pcap and pcapng of any size, also from a pipe or compressed with gzip: Ethernet, Linux cooked, PPP,
/// loopback and raw IP, with VLAN tags, MPLS and PPPoE, and TCP inside VXLAN, Geneve, GRE, IPIP and GTP.
/// Packets of other links are skipped and counted. Draws a line for each segment with its relative sequence
/// numbers, its window and the state of each side as inferred from the segments (RFC 9293 3.3.2), long pauses,
/// and explanations. Zero window, window full, probes, keep-alives and SACK blocks are labelled.
///
/// A capture does not show everything. A state that its segments do not prove is drawn as ?, as those of a
/// side without captured segments. A segment is drawn as lost if it was retransmitted, after a timeout or on
/// request of the other side, before it was acknowledged; every other one counts as received. A packet that was
/// captured twice is drawn once. A window followed by ? is unscaled: the scale is in the SYNs, which were not
/// captured. Checksums are not verified.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TraceArgs {
    /// The capture: a file, a FIFO, or - for standard input
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// The connection: both ends, in either order [default: the only one; of several, a list]
    #[arg(long, value_name = "A:PORT-B:PORT")]
    flow: Option<Selection>,
    /// Draw at most N segments, and count the rest
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_segments: u32,
    #[command(flatten)]
    drawing: Drawing,
}

const EXAMPLES: &str = "\
Examples:
  List its connections:

    handfast trace --pcap capture.pcapng

  From tcpdump on another host, until it ends:

    ssh router tcpdump -U -w - -c 1000 tcp port 443 | handfast trace --pcap -

  One of its connections, as a page to share:

    handfast trace --pcap capture.pcapng --flow 10.0.0.7:41022-10.0.0.50:80 --html connection.html

Scenarios of TCP, played and drawn: handfast lab trace --help";

/// Maximum number of connections listed.
const MAX_LISTED: usize = 50;

pub(super) fn run(arguments: &TraceArgs) -> Result<ExitCode, Failure> {
    let name = name(arguments);
    let source =
        open(&arguments.pcap).map_err(|error| Failure::new(format!("cannot open {name}: {error}")))?;
    let mut packets = Packets::open(source).map_err(|error| unreadable(&name, &error))?;
    let mut found = Flows::of(&mut packets, arguments.flow, arguments.max_segments as usize);
    let read_error = found.error.take();
    let flow = match choose(arguments, &name, &found) {
        Ok(flow) => flow,
        // The damage explains it better.
        Err(failure) => return Err(read_error.map_or(failure, |error| unreadable(&name, &error))),
    };
    match (flow, found.recorded.take()) {
        (Some(flow), Some(recorded)) => arguments.drawing.draw(&picture(&name, &flow, &recorded, &found))?,
        _ => print!("{}", listing(&name, &found)),
    }
    match read_error {
        Some(error) => Err(unreadable(&name, &error)
            .fix("the packets before that byte were read; capture again for the rest")),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Returns the capture's name for display.
fn name(arguments: &TraceArgs) -> String {
    match arguments.pcap.to_str() {
        Some("-") => "standard input".into(),
        _ => printable(&arguments.pcap.to_string_lossy()),
    }
}

fn unreadable(name: &str, error: &PcapError) -> Failure {
    let failure = Failure::new(format!("{name}: {error}"));
    match error {
        PcapError::Format([0x28, 0xb5, 0x2f, 0xfd]) => failure.fix("zstd -dc FILE | handfast trace --pcap -"),
        PcapError::Format([0xfd, b'7', b'z', b'X']) => failure.fix("xz -dc FILE | handfast trace --pcap -"),
        PcapError::Format([b'B', b'Z', b'h', _]) => failure.fix("bzip2 -dc FILE | handfast trace --pcap -"),
        PcapError::Format(_) => failure.fix("capture with tcpdump -i IF -w FILE"),
        _ => failure,
    }
}

/// `None`: there are several, and none is selected.
fn choose(arguments: &TraceArgs, name: &str, found: &Flows) -> Result<Option<Flow>, Failure> {
    match (arguments.flow, found.flows.as_slice()) {
        (_, []) => Err(no_tcp(name, found)),
        (Some(selected), flows) => {
            let flow = flows.iter().find(|flow| flow.selection() == selected).copied();
            flow.map(Some).ok_or_else(|| {
                Failure::new(format!("{name} contains no segment of that connection"))
                    .fix(format!("handfast trace --pcap {} lists its connections", argument(arguments)))
            })
        }
        (None, [only]) if found.unlisted == 0 => Ok(Some(*only)),
        (None, _) => Ok(None),
    }
}

/// Returns the path as an argument.
fn argument(arguments: &TraceArgs) -> String {
    printable(&arguments.pcap.to_string_lossy())
}

/// The failure of a capture without TCP.
fn no_tcp(name: &str, found: &Flows) -> Failure {
    let packets = counted(found.packets, "packet");
    let instead = if found.others.total() > 0 { format!(": {}", found.others) } else { String::new() };
    let failure = Failure::new(format!("{name} has no TCP segment among its {packets}{instead}"));
    if found.others.of(Other::Truncated) > 0 {
        return failure
            .fix("capture with a larger snap length: tcpdump -s 128, or --snaplen 128 of handfast");
    }
    if found.others.unsupported() > 0 {
        return failure.fix("capture on an interface with Ethernet, Linux cooked, PPP, loopback or raw IP");
    }
    failure
}

fn listing(name: &str, found: &Flows) -> String {
    let connections: u64 = found.flows.iter().map(|flow| flow.connections).sum();
    let mut text = format!(
        "{name} has {}{} in {}. Choose one:\n\n",
        if found.unlisted > 0 { "more than " } else { "" },
        counted(connections, "connection"),
        counted(found.packets, "packet")
    );
    let names: Vec<String> = found.flows.iter().take(MAX_LISTED).map(Flow::to_string).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (name, flow) in names.iter().zip(&found.flows) {
        let several = match flow.connections {
            0..=1 => String::new(),
            more => format!(", {} connections one after another", grouped(more)),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  --flow {name:<width$}  {:>9} {}{several}",
            grouped(flow.segments),
            noun(flow.segments, "segment")
        );
    }
    if found.flows.len() > MAX_LISTED {
        let _ = writeln!(text, "  and {} more", grouped((found.flows.len() - MAX_LISTED) as u64));
    }
    if found.unlisted > 0 {
        let _ = writeln!(text, "  and {} of further connections", counted(found.unlisted, "segment"));
    }
    if found.others.total() > 0 {
        let _ = writeln!(text, "\nNot TCP, or unreadable: {}", found.others);
    }
    text
}

fn picture(name: &str, flow: &Flow, recorded: &Recorded, found: &Flows) -> Picture {
    let options = DiagramOptions { capture: true, ..DiagramOptions::default() };
    let diagram = Diagram::of(&recorded.record, &options);
    let file = name.rsplit('/').next().unwrap_or(name);
    let summary =
        format!("{} in {file}{}", counted(flow.segments, "segment"), remarks(recorded, &diagram, found));
    Picture {
        title: format!("{} to {}", flow.client, flow.server),
        summary,
        client: flow.client.to_string(),
        server: flow.server.to_string(),
        diagram,
        imagined: false,
        more: recorded.more,
    }
}

/// Returns the limits of this capture: it may be incomplete, and shows what passed, not what arrived.
fn remarks(recorded: &Recorded, diagram: &Diagram, found: &Flows) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if diagram.connections > 1 {
        let _ = write!(text, ", {} connections one after another", grouped(diagram.connections as u64));
    }
    if recorded.duplicates > 0 {
        let _ = write!(text, ", {} of them captured twice and drawn once", grouped(recorded.duplicates));
    }
    if recorded.lost > 0 {
        let _ = write!(
            text,
            ", {} of them drawn as lost, as inferred from later segments",
            grouped(recorded.lost as u64)
        );
    }
    let seen = |way| recorded.record.segments.iter().any(|(direction, _)| *direction == way);
    for (way, side) in [(Direction::ToServer, "client"), (Direction::ToClient, "server")] {
        if !seen(way) {
            let _ = write!(text, ". No segment of the {side} was captured: its state is unknown");
        }
    }
    if diagram.has(|row| row.client == State::Unknown || row.server == State::Unknown) {
        text.push_str(". A state drawn as ? is not proved by these segments");
    }
    if found.others.unsupported() > 0 {
        let _ = write!(
            text,
            ". Skipped: {}",
            counted(found.others.unsupported(), "packet") + " of unsupported link types"
        );
    }
    text
}
