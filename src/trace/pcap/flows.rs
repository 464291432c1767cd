use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use super::losses::infer;
use super::{Packets, PcapError, Tcp, tcp};
use crate::trace::{Direction, Record};
use crate::wire::Flags;

/// Connections that are told apart; segments of more are counted.
pub const MOST_FLOWS: usize = 10_000;

/// One connection of a capture; several one after another, if they had the same addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub segments: u64,
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

impl Flow {
    pub fn selection(&self) -> Selection {
        Selection::new(self.client, self.server)
    }
}

/// What a capture has.
#[derive(Debug, Default)]
pub struct Flows {
    /// In the order of their first segments.
    pub flows: Vec<Flow>,
    /// Packets of any kind.
    pub packets: u64,
    /// Segments of connections beyond [`MOST_FLOWS`].
    pub unlisted: u64,
    /// Why it was not read to its end.
    pub trouble: Option<PcapError>,
}

impl Flows {
    /// Reads all of it. The connection that is `wanted` is told apart in any case.
    pub fn of<R: Read>(packets: &mut Packets<R>, wanted: Option<Selection>) -> Flows {
        let mut found = Flows::default();
        let mut places: HashMap<Selection, usize> = HashMap::new();
        loop {
            let segment = match next(packets, &mut found.packets) {
                Ok(Some((_, segment))) => segment,
                Ok(None) => return found,
                Err(trouble) => return Flows { trouble: Some(trouble), ..found },
            };
            let key = Selection::new(segment.source, segment.destination);
            if !places.contains_key(&key) && found.flows.len() >= MOST_FLOWS && wanted != Some(key) {
                found.unlisted += 1;
                continue;
            }
            let place = *places.entry(key).or_insert(found.flows.len());
            if place == found.flows.len() {
                let (client, server) = ends(&segment);
                found.flows.push(Flow { client, server, segments: 0 });
            }
            if let Some(flow) = found.flows.get_mut(place) {
                flow.segments += 1;
            }
        }
    }
}

/// Who has called, by the first segment that was seen: the sender of a SYN, the receiver of a SYN-ACK,
/// else whoever has the higher port.
fn ends(first: &Tcp) -> (SocketAddr, SocketAddr) {
    let Tcp { source, destination, segment } = *first;
    let from_client = match (segment.flags.has(Flags::SYN), segment.flags.has(Flags::ACK)) {
        (true, answers) => !answers,
        (false, _) => source.port() >= destination.port(),
    };
    if from_client { (source, destination) } else { (destination, source) }
}

/// The beginning of one connection.
#[derive(Debug)]
pub struct Recorded {
    pub record: Record,
    /// Segments in it that did not arrive, as far as the others tell.
    pub lost: usize,
    /// Segments that come after it.
    pub more: u64,
}

/// The first segments of one connection, at most so many. What cannot be read ends it: [`Flows`] has
/// told of it.
pub fn record<R: Read>(packets: &mut Packets<R>, flow: &Flow, most: usize) -> Recorded {
    let (mut record, mut more, mut count) = (Record::default(), 0, 0);
    while let Ok(Some((at, Tcp { source, destination, segment }))) = next(packets, &mut count) {
        let direction = match (source, destination) {
            ends if ends == (flow.client, flow.server) => Direction::ToServer,
            ends if ends == (flow.server, flow.client) => Direction::ToClient,
            _ => continue,
        };
        match record.segments.len() < most {
            true => record.passes(at, direction, segment),
            false => more += 1,
        }
    }
    let lost = infer(&mut record);
    Recorded { record, lost, more }
}

/// The next segment, and when it was captured.
fn next<R: Read>(packets: &mut Packets<R>, count: &mut u64) -> Result<Option<(Duration, Tcp)>, PcapError> {
    while let Some(packet) = packets.next_packet()? {
        *count += 1;
        if let Some(segment) = tcp(&packet)? {
            return Ok(Some((packet.at, segment)));
        }
    }
    Ok(None)
}
