//! Reading a capture file: bounded, with the place of every error.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

/// Maximum length of a packet or block, bytes: no writer exceeds it.
const MAX_LENGTH: u32 = 1 << 20;

/// Why a capture cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum PcapError {
    #[error("not a capture: starts with {0:02x?}, which is neither pcap nor pcapng")]
    Format([u8; 4]),
    #[error("empty file")]
    Empty,
    #[error("truncated: {} incomplete, the file ends at byte {offset}", part(*packet))]
    Truncated { packet: u64, offset: u64 },
    #[error("corrupt: packet {packet}, at byte {offset}, claims {length} bytes")]
    Length { packet: u64, offset: u64, length: u32 },
    #[error(
        "corrupt: packet {packet}, at byte {offset}, refers to interface {interface}, which is not described"
    )]
    Interface { packet: u64, offset: u64, interface: u32 },
    #[error("read error at byte {offset}: {source}")]
    Read { offset: u64, source: io::Error },
}

/// The part that is incomplete. Before the first packet that is the header.
fn part(packet: u64) -> String {
    if packet == 0 { "header".into() } else { format!("packet {packet}") }
}

/// One packet, as far as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// From 1, as other tools count.
    pub number: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Since the epoch.
    pub at: Duration,
    /// Link type (<https://www.tcpdump.org/linktypes.html>).
    pub link: u32,
    pub data: Vec<u8>,
    /// Bytes on the wire that were not captured.
    pub missing: u32,
}

/// The file, and the position in it.
pub(super) struct Input<R> {
    pub reader: R,
    pub offset: u64,
    /// The packet being read.
    pub packet: u64,
}

/// Reads four bytes; 0 beyond the end.
pub(super) fn word(data: &[u8], at: usize, big: bool) -> u32 {
    let four = data.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).unwrap_or_default();
    if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
}

impl<R: Read> Input<R> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PcapError> {
        let truncated = self.truncated();
        self.array_or_end()?.ok_or(truncated)
    }

    /// `None`: end of file.
    pub(super) fn array_or_end<const N: usize>(&mut self) -> Result<Option<[u8; N]>, PcapError> {
        let mut array = [0; N];
        match self.fill(&mut array)? {
            0 => Ok(None),
            read if read == N => Ok(Some(array)),
            _ => Err(self.truncated()),
        }
    }

    /// Reads `length` bytes, at most [`MAX_LENGTH`].
    pub(super) fn bytes(&mut self, length: u32) -> Result<Vec<u8>, PcapError> {
        if length > MAX_LENGTH {
            return Err(PcapError::Length { packet: self.packet, offset: self.offset, length });
        }
        // Grows with the bytes read: a wrong length allocates nothing.
        let mut data = Vec::new();
        let read = self.reader.by_ref().take(length.into()).read_to_end(&mut data);
        read.map_err(|source| PcapError::Read { offset: self.offset, source })?;
        self.offset += data.len() as u64;
        if data.len() == length as usize { Ok(data) } else { Err(self.truncated()) }
    }

    /// Skips `length` bytes.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), PcapError> {
        let passed = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink());
        let passed = passed.map_err(|source| PcapError::Read { offset: self.offset, source })?;
        self.offset += passed;
        if passed == length { Ok(()) } else { Err(self.truncated()) }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, PcapError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(PcapError::Read { offset: self.offset, source }),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }

    fn truncated(&self) -> PcapError {
        PcapError::Truncated { packet: self.packet, offset: self.offset }
    }
}
