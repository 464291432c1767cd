//! The connections of a capture, found in one pass: a pipe cannot be read twice.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::recording::{Recorded, Recording};
use super::{Others, Packets, PcapError, Tcp, tcp};
use crate::Direction;
use crate::split::{Relation, Splitter};
use handfast_stack::wire::Flags;

/// Maximum number of connections listed; segments of further ones are counted.
pub const MAX_FLOWS: usize = 10_000;

/// One connection of a capture, or several consecutive ones with the same addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub segments: u64,
    /// Consecutive connections between these ends.
    pub connections: u64,
}

/// `A:PORT-B:PORT`: two ends, either of which may be the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selection(SocketAddr, SocketAddr);

impl Selection {
    pub fn new(one: SocketAddr, other: SocketAddr) -> Selection {
        Selection(one.min(other), one.max(other))
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Selection, String> {
        let ends =
            text.split_once('-').and_then(|(one, other)| Some((one.parse().ok()?, other.parse().ok()?)));
        match ends {
            Some((one, other)) => Ok(Selection::new(one, other)),
            None => Err(format!(
                "`{text}` is not of the form 10.0.0.1:40000-10.0.0.2:80 or [2001:db8::1]:40000-[2001:db8::2]:80"
            )),
        }
    }
}

impl fmt::Display for Flow {
    /// As [`Selection`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.client, self.server)
    }
}

impl Tcp {
    fn selection(&self) -> Selection {
        Selection::new(self.source, self.destination)
    }
}

impl Flow {
    pub fn selection(&self) -> Selection {
        Selection::new(self.client, self.server)
    }
}

/// Contents of a capture.
#[derive(Debug, Default)]
pub struct Flows {
    /// In the order of their first segments.
    pub flows: Vec<Flow>,
    /// Packets of any kind.
    pub packets: u64,
    /// Packets without a readable segment.
    pub others: Others,
    /// Segments of connections beyond [`MAX_FLOWS`].
    pub unlisted: u64,
    /// The segments of the selected connection, or of the first.
    pub recorded: Option<Recorded>,
    /// Why it was not read to its end.
    pub error: Option<PcapError>,
}

/// State of a flow while the capture is read.
struct FlowState {
    place: usize,
    splitter: Splitter,
    /// A SYN has identified the client.
    sure: bool,
}

impl Flows {
    /// Reads the whole capture, and records up to `max_segments` of the selected connection, or else of the
    /// first.
    pub fn of<R: Read>(packets: &mut Packets<R>, selected: Option<Selection>, max_segments: usize) -> Flows {
        let mut found = Flows::default();
        let mut known: HashMap<Selection, FlowState> = HashMap::new();
        let mut recording = Recording::new(max_segments);
        let mut recorded = selected;
        loop {
            let packet = match packets.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => {
                    found.error = Some(error);
                    break;
                }
            };
            found.packets += 1;
            match tcp(&packet) {
                Ok(segment) => {
                    let drawn = *recorded.get_or_insert(segment.selection());
                    found.add(&mut known, &segment, drawn, packet.at, &mut recording);
                }
                Err(other) => found.others.count(other),
            }
        }
        let drawn = recorded.is_some_and(|drawn| known.contains_key(&drawn));
        Flows { recorded: drawn.then(|| recording.finish()), ..found }
    }

    /// Adds the next segment; those of `drawn` are recorded.
    fn add(
        &mut self,
        known: &mut HashMap<Selection, FlowState>,
        tcp: &Tcp,
        drawn: Selection,
        at: Duration,
        recording: &mut Recording,
    ) {
        let key = tcp.selection();
        if !known.contains_key(&key) && self.flows.len() >= MAX_FLOWS && drawn != key {
            self.unlisted += 1;
            return;
        }
        let one = known.entry(key).or_insert_with(|| {
            let (client, server) = ends(tcp);
            self.flows.push(Flow { client, server, segments: 0, connections: 0 });
            FlowState { place: self.flows.len() - 1, splitter: Splitter::default(), sure: false }
        });
        let Some(flow) = self.flows.get_mut(one.place) else { return };
        if !one.sure && tcp.segment.flags.has(Flags::SYN) {
            one.sure = true;
            let (client, server) = ends(tcp);
            if (client, server) != (flow.client, flow.server) {
                (flow.client, flow.server) = (client, server);
                one.splitter.swap_ends();
                if drawn == key {
                    recording.swap_ends();
                }
            }
        }
        let to_server = (tcp.source, tcp.destination) == (flow.client, flow.server);
        let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
        flow.segments += 1;
        flow.connections += u64::from(one.splitter.step(direction, &tcp.segment) == Relation::Begins);
        if drawn == key {
            recording.add(at, direction, tcp);
        }
    }
}

/// Returns client and server by the first captured segment: the client sends a SYN, receives a SYN-ACK, or else
/// has the higher port.
fn ends(first: &Tcp) -> (SocketAddr, SocketAddr) {
    let Tcp { source, destination, segment, .. } = *first;
    let from_client = match (segment.flags.has(Flags::SYN), segment.flags.has(Flags::ACK)) {
        (true, answers) => !answers,
        (false, _) => source.port() >= destination.port(),
    };
    if from_client { (source, destination) } else { (destination, source) }
}
