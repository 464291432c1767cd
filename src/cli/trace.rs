use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::trace_output::Drawing;
use handfast_text::{counted, grouped, noun, printable};
use handfast_trace::pcap::{Flow, Flows, Other, Packets, PcapError, Recorded, Selection, open};
use handfast_trace::{Diagram, DiagramOptions, Direction, Picture, State};

/// Draw a connection out of a capture, as a textbook would.
///
/// Reads pcap and pcapng of any size, also from a pipe or packed by gzip: Ethernet, Linux cooked, PPP,
/// loopback and raw IP, with VLAN tags, MPLS and PPPoE, and TCP inside VXLAN, Geneve, GRE, IPIP and GTP.
/// Packets of other links are passed over and counted. Draws a line for each segment with its numbers,
/// counted from 0, its window, the state of each side as it follows from the segments (RFC 9293 3.3.2),
/// long silences, and a sentence where it matters. Zero window, window full, probes, keep-alives and SACK
/// blocks are named.
///
/// A capture does not know everything. A state that its segments do not prove is drawn as ?, such as those
/// of a side that nothing was captured of. A segment is drawn as lost if it was sent again, after a time-out
/// or because the other side asked for it, before anything acknowledged it; every other one is taken to
/// arrive. A packet that was captured twice is drawn once. A window with a ? behind it is as sent: how it
/// is scaled is said in the SYNs alone. Checksums are not looked at.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TraceArgs {
    /// The capture: a file, a FIFO, or - for standard input
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// The connection: both ends, in either order [default: the only one; of several, a list]
    #[arg(long, value_name = "A:PORT-B:PORT")]
    flow: Option<Selection>,
    /// Draw at most so many segments, and count the rest
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    max_segments: u32,
    #[command(flatten)]
    drawing: Drawing,
}

const EXAMPLES: &str = "\
Examples:
  What is in it:

    handfast trace --pcap capture.pcapng

  As it is taken elsewhere, until tcpdump ends:

    ssh router tcpdump -U -w - -c 1000 tcp port 443 | handfast trace --pcap -

  One of its connections, as a page to send to somebody:

    handfast trace --pcap capture.pcapng --flow 10.0.0.7:41022-10.0.0.50:80 --html connection.html

Lab scenarios, made to be drawn: handfast lab trace --help";

/// Connections that are listed.
const LISTED: usize = 50;

pub(super) fn run(arguments: &TraceArgs) -> Result<ExitCode, Failure> {
    let name = name(arguments);
    let source =
        open(&arguments.pcap).map_err(|error| Failure::new(format!("cannot open {name}: {error}")))?;
    let mut packets = Packets::open(source).map_err(|error| unreadable(&name, &error))?;
    let mut found = Flows::of(&mut packets, arguments.flow, arguments.max_segments as usize);
    let trouble = found.trouble.take();
    let flow = match choose(arguments, &name, &found) {
        Ok(flow) => flow,
        // Then the damage is the better reason.
        Err(failure) => return Err(trouble.map_or(failure, |trouble| unreadable(&name, &trouble))),
    };
    match (flow, found.recorded.take()) {
        (Some(flow), Some(recorded)) => arguments.drawing.draw(&picture(&name, &flow, &recorded, &found))?,
        _ => print!("{}", listing(&name, &found)),
    }
    match trouble {
        Some(trouble) => Err(unreadable(&name, &trouble)
            .fix("what comes before that place is whole, and is what was read; capture again for the rest")),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Of the capture, as it may be shown.
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
        PcapError::Format(_) => failure.fix("tcpdump -i IF -w FILE makes one that can be read"),
        _ => failure,
    }
}

/// `None`: there are several to choose from.
fn choose(arguments: &TraceArgs, name: &str, found: &Flows) -> Result<Option<Flow>, Failure> {
    match (arguments.flow, found.flows.as_slice()) {
        (_, []) => Err(nothing(name, found)),
        (Some(wanted), flows) => {
            let flow = flows.iter().find(|flow| flow.selection() == wanted).copied();
            flow.map(Some).ok_or_else(|| {
                Failure::new(format!("{name} has no segment of that connection"))
                    .fix(format!("handfast trace --pcap {} lists what it has", argument(arguments)))
            })
        }
        (None, [only]) if found.unlisted == 0 => Ok(Some(*only)),
        (None, _) => Ok(None),
    }
}

/// The path as it is typed again.
fn argument(arguments: &TraceArgs) -> String {
    printable(&arguments.pcap.to_string_lossy())
}

/// No TCP, but what instead.
fn nothing(name: &str, found: &Flows) -> Failure {
    let packets = counted(found.packets, "packet");
    let instead = if found.others.total() > 0 { format!(": {}", found.others) } else { String::new() };
    let failure = Failure::new(format!("{name} has no TCP segment among its {packets}{instead}"));
    if found.others.of(Other::Cut) > 0 {
        return failure
            .fix("capture with a larger snap length: tcpdump -s 128, or --snaplen 128 of handfast");
    }
    if found.others.unread() > 0 {
        return failure.fix(
            "Ethernet, Linux cooked, PPP, loopback and raw IP can be read: capture at such an interface",
        );
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
    let names: Vec<String> = found.flows.iter().take(LISTED).map(Flow::to_string).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (name, flow) in names.iter().zip(&found.flows) {
        let several = match flow.connections {
            0..=1 => String::new(),
            more => format!(", {} connections one after another", grouped(more)),
        };
        // A String takes any write.
        let _ = writeln!(
            text,
            "  --flow {name:<width$}  {:>9} {}{several}",
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
    if found.others.total() > 0 {
        let _ = writeln!(text, "\nNot TCP, or not to be read: {}", found.others);
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

/// A capture shows what passed it, not what arrived, and perhaps not all.
fn remarks(recorded: &Recorded, diagram: &Diagram, found: &Flows) -> String {
    let mut text = String::new();
    // A String takes any write.
    if diagram.connections > 1 {
        let _ = write!(text, ", {} connections one after another", grouped(diagram.connections as u64));
    }
    if recorded.doubled > 0 {
        let _ = write!(text, ", {} of them captured twice and drawn once", grouped(recorded.doubled));
    }
    if recorded.lost > 0 {
        let _ =
            write!(text, ", {} of them drawn as lost: what came later tells", grouped(recorded.lost as u64));
    }
    let seen = |way| recorded.record.segments.iter().any(|(direction, _)| *direction == way);
    for (way, side) in [(Direction::ToServer, "client"), (Direction::ToClient, "server")] {
        if !seen(way) {
            let _ = write!(text, ". Nothing that the {side} sent was captured: its state is not known");
        }
    }
    if diagram.has(|row| row.client == State::Unknown || row.server == State::Unknown) {
        text.push_str(". A state of ? is one that these segments do not prove");
    }
    if found.others.unread() > 0 {
        let _ = write!(
            text,
            ". Passed over: {}",
            counted(found.others.unread(), "packet") + " of link types that cannot be read"
        );
    }
    text
}
