//! pcapng: a file of blocks, each with its type and length
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>).

use std::io::Read;
use std::time::Duration;

use super::input::{Input, Packet, PcapError, word};

/// Section header; the same in either byte order.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// Obsolete, but written by old programs (section A of the draft above).
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
const LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
/// Interface option if_tsresol: the unit of its timestamps.
const IF_TSRESOL: u16 = 9;
/// A file with more interfaces is corrupt.
const MAX_INTERFACES: usize = 1 << 16;

/// The interfaces that a section has described so far.
pub(super) struct Interfaces {
    big: bool,
    known: Vec<BlockInterface>,
}

#[derive(Clone, Copy)]
struct BlockInterface {
    link: u32,
    /// Timestamps per second.
    rate: u64,
    snap: u32,
}

impl Interfaces {
    /// Reads a section header, after its type.
    pub(super) fn section<R: Read>(input: &mut Input<R>) -> Result<Interfaces, PcapError> {
        let length: [u8; 4] = input.array()?;
        let magic: [u8; 4] = input.array()?;
        let big = match magic {
            BIG => true,
            LITTLE => false,
            other => return Err(PcapError::Format(other)),
        };
        let length = word(&length, 0, big);
        // Type, length and magic have been read.
        input.skip(u64::from(checked(length, 28, input)?) - 12)?;
        Ok(Interfaces { big, known: Vec::new() })
    }

    /// Returns the next packet, and skips other blocks.
    pub(super) fn next_packet<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Packet>, PcapError> {
        loop {
            let offset = input.offset;
            let Some(kind) = input.array_or_end::<4>()? else { return Ok(None) };
            let kind = word(&kind, 0, self.big);
            if kind == SECTION {
                *self = Interfaces::section(input)?;
                continue;
            }
            let length = word(&input.array::<4>()?, 0, self.big);
            let body = checked(length, 12, input)? - 12;
            match kind {
                INTERFACE => {
                    let data = input.bytes(body)?;
                    self.describe(&data, input)?;
                }
                ENHANCED_PACKET | SIMPLE_PACKET | PACKET => {
                    let data = input.bytes(body)?;
                    input.skip(4)?;
                    return self.packet(kind, &data, offset, input).map(Some);
                }
                _ => input.skip(body.into())?,
            }
            // The block's length is repeated at its end.
            input.skip(4)?;
        }
    }

    fn describe<R>(&mut self, data: &[u8], input: &Input<R>) -> Result<(), PcapError> {
        if self.known.len() == MAX_INTERFACES || data.len() < 8 {
            let length = data.len() as u32;
            return Err(PcapError::Length { packet: input.packet, offset: input.offset, length });
        }
        // Two bytes, followed by two reserved bytes.
        let link = half(data, self.big);
        let rate = self.rate(data.get(8..).unwrap_or_default());
        self.known.push(BlockInterface { link, rate, snap: word(data, 4, self.big) });
        Ok(())
    }

    /// Returns the timestamps per second: a power of ten, or of two if the highest bit is set; default microseconds.
    fn rate(&self, mut options: &[u8]) -> u64 {
        while let [k0, k1, l0, l1, rest @ ..] = options {
            let half = |a, b| if self.big { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
            let (kind, length) = (half(*k0, *k1), usize::from(half(*l0, *l1)));
            if let (IF_TSRESOL, Some(unit)) = (kind, rest.first()) {
                let exponent = u32::from(unit & 0x7f);
                let base: u64 = if unit & 0x80 == 0 { 10 } else { 2 };
                return base.checked_pow(exponent).unwrap_or(1_000_000);
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        1_000_000
    }

    fn packet<R>(&self, kind: u32, data: &[u8], offset: u64, input: &Input<R>) -> Result<Packet, PcapError> {
        let packet = input.packet;
        let index = match kind {
            ENHANCED_PACKET => word(data, 0, self.big),
            // Two bytes, followed by a drop count of two bytes.
            PACKET => half(data, self.big),
            _ => 0,
        };
        let interface = self.known.get(index as usize);
        let interface =
            interface.copied().ok_or(PcapError::Interface { packet, offset, interface: index })?;
        let (at, captured, length, start) = match kind {
            ENHANCED_PACKET | PACKET => {
                let [high, low, captured, length] = [4, 8, 12, 16].map(|at| word(data, at, self.big));
                (time(high, low, interface.rate), captured, length, 20)
            }
            _ => {
                let length = word(data, 0, self.big);
                let limit = if interface.snap == 0 { u32::MAX } else { interface.snap };
                (Duration::ZERO, length.min(limit), length, 4)
            }
        };
        let data = data.get(start..).and_then(|data| data.get(..captured as usize));
        let data = data.ok_or(PcapError::Length { packet, offset, length: captured })?;
        Ok(Packet {
            number: packet,
            offset,
            at,
            link: interface.link,
            data: data.to_vec(),
            missing: length.saturating_sub(captured),
        })
    }
}

/// The first two bytes.
fn half(data: &[u8], big: bool) -> u32 {
    let four = word(data, 0, big);
    if big { four >> 16 } else { four & 0xffff }
}

fn time(high: u32, low: u32, rate: u64) -> Duration {
    let stamp = u64::from(high) << 32 | u64::from(low);
    let nanos = u128::from(stamp % rate) * 1_000_000_000 / u128::from(rate);
    Duration::from_secs(stamp / rate) + Duration::from_nanos(nanos as u64)
}

/// Checks a block's length: a multiple of four, and at least `min`.
fn checked<R>(length: u32, min: u32, input: &Input<R>) -> Result<u32, PcapError> {
    match length >= min && length.is_multiple_of(4) {
        true => Ok(length),
        false => Err(PcapError::Length { packet: input.packet, offset: input.offset, length }),
    }
}
