use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use super::block::Interfaces;

/// The longest packet or block of packets that a sane writer writes, octets.
const LONGEST: u32 = 1 << 20;

/// Why a capture cannot be read (any further).
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    #[error("no capture: it begins with {0:02x?}, which is neither pcap nor pcapng")]
    Format([u8; 4]),
    #[error("empty: there is not one octet in it")]
    Empty,
    #[error("cut: it ends in the middle of {}, at octet {octet}", part(*packet))]
    Cut { packet: u64, octet: u64 },
    #[error("damaged: packet {packet}, at octet {octet}, claims {length} octets")]
    Length { packet: u64, octet: u64, length: u32 },
    #[error(
        "damaged: packet {packet}, at octet {octet}, names interface {interface}, which it never described"
    )]
    Interface { packet: u64, octet: u64, interface: u32 },
    #[error("cannot be read at octet {octet}: {source}")]
    Read { octet: u64, source: io::Error },
}

/// What a cut went through. Before the first packet there is a header.
fn part(packet: u64) -> String {
    if packet == 0 { "its header".into() } else { format!("packet {packet}") }
}

/// One packet, as much of it as was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// From 1 on, as other tools count.
    pub number: u64,
    /// Where it begins in the file.
    pub octet: u64,
    /// Since the epoch.
    pub at: Duration,
    /// As <https://www.tcpdump.org/linktypes.html> numbers them.
    pub link: u32,
    pub octets: Vec<u8>,
    /// Octets that it had on the wire and that were not captured.
    pub missing: u32,
}

/// The packets of a capture, in the order of the file. Never holds more than one.
pub struct Packets<R> {
    pub(super) input: Input<R>,
    kind: Kind,
    number: u64,
}

enum Kind {
    Pcap { big: bool, nanos: bool, link: u32 },
    Pcapng(Interfaces),
}

/// What is read, and how far.
pub(super) struct Input<R> {
    reader: R,
    pub octet: u64,
    /// The packet that is being read.
    pub packet: u64,
}

impl<R: Read> Packets<R> {
    /// Reads the file's own header.
    ///
    /// # Errors
    /// It is not a capture, or has no whole header.
    pub fn open(reader: R) -> Result<Packets<R>, PcapError> {
        let mut input = Input { reader, octet: 0, packet: 0 };
        let magic: [u8; 4] = input.array_or_end()?.ok_or(PcapError::Empty)?;
        let (big, nanos) = match u32::from_le_bytes(magic) {
            0xa1b2_c3d4 => (false, false),
            0xa1b2_3c4d => (false, true),
            0xd4c3_b2a1 => (true, false),
            0x4d3c_b2a1 => (true, true),
            super::block::SECTION => {
                let interfaces = Interfaces::section(&mut input)?;
                return Ok(Packets { input, kind: Kind::Pcapng(interfaces), number: 0 });
            }
            _ => return Err(PcapError::Format(magic)),
        };
        let rest: [u8; 20] = input.array()?;
        // The upper bits may say how long the frame check sequence is.
        let link = word(&rest, 16, big) & 0x0fff_ffff;
        Ok(Packets { input, kind: Kind::Pcap { big, nanos, link }, number: 0 })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// [`PcapError`] with the place. Nothing more can be read then.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, PcapError> {
        self.input.packet = self.number + 1;
        let packet = match &mut self.kind {
            Kind::Pcapng(interfaces) => interfaces.next_packet(&mut self.input)?,
            &mut Kind::Pcap { big, nanos, link } => pcap_packet(&mut self.input, big, nanos, link)?,
        };
        self.number += u64::from(packet.is_some());
        Ok(packet)
    }
}

/// A record header of 16 octets, then the packet.
fn pcap_packet<R: Read>(
    input: &mut Input<R>,
    big: bool,
    nanos: bool,
    link: u32,
) -> Result<Option<Packet>, PcapError> {
    let octet = input.octet;
    let Some(header) = input.array_or_end::<16>()? else { return Ok(None) };
    let [seconds, fraction, captured, length] = [0, 4, 8, 12].map(|at| word(&header, at, big));
    let octets = input.octets(captured)?;
    let nanos = u64::from(fraction) * if nanos { 1 } else { 1_000 };
    let at = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos);
    let missing = length.saturating_sub(captured);
    Ok(Some(Packet { number: input.packet, octet, at, link, octets, missing }))
}

/// Four octets at a place that is known to be there.
pub(super) fn word(octets: &[u8], at: usize, big: bool) -> u32 {
    let four = octets.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).unwrap_or_default();
    if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

impl<R: Read> Input<R> {
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PcapError> {
        let cut = self.cut();
        self.array_or_end()?.ok_or(cut)
    }

    /// `None` if the file ends right here.
    pub fn array_or_end<const N: usize>(&mut self) -> Result<Option<[u8; N]>, PcapError> {
        let mut array = [0; N];
        match self.fill(&mut array)? {
            0 => Ok(None),
            read if read == N => Ok(Some(array)),
            _ => Err(self.cut()),
        }
    }

    /// So many octets, if that is a sane number.
    pub fn octets(&mut self, length: u32) -> Result<Vec<u8>, PcapError> {
        if length > LONGEST {
            return Err(PcapError::Length { packet: self.packet, octet: self.octet, length });
        }
        // Grows as bytes come: a length that is not true takes no memory.
        let mut octets = Vec::new();
        let read = self.reader.by_ref().take(length.into()).read_to_end(&mut octets);
        read.map_err(|source| PcapError::Read { octet: self.octet, source })?;
        self.octet += octets.len() as u64;
        if octets.len() == length as usize { Ok(octets) } else { Err(self.cut()) }
    }

    /// Passes over so many octets, however many.
    pub fn skip(&mut self, length: u64) -> Result<(), PcapError> {
        let passed = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink());
        let passed = passed.map_err(|source| PcapError::Read { octet: self.octet, source })?;
        self.octet += passed;
        if passed == length { Ok(()) } else { Err(self.cut()) }
    }

    fn fill(&mut self, place: &mut [u8]) -> Result<usize, PcapError> {
        let mut filled = 0;
        while let Some(rest) = place.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(PcapError::Read { octet: self.octet, source }),
            }
        }
        self.octet += filled as u64;
        Ok(filled)
    }

    fn cut(&self) -> PcapError {
        PcapError::Cut { packet: self.packet, octet: self.octet }
    }
}
