//! pcapng: a file of blocks, each of which says its type and length
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>).

use std::io::Read;
use std::time::Duration;

use super::file::{Input, Packet, PcapError, word};

/// Section header; the same in either order of octets.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// Obsolete, but written by old programs (section A of the draft above).
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BIG: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
const LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
/// Option of an interface: the unit of its time stamps.
const TIME_UNIT: u16 = 9;
/// More than any machine has: a file that describes more is damaged.
const MAX_INTERFACES: usize = 1 << 16;

/// What a section has said of its interfaces so far.
pub(super) struct Interfaces {
    big: bool,
    known: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: u32,
    /// Time stamps a second.
    rate: u64,
    snap: u32,
}

impl Interfaces {
    /// Reads a section header behind its type.
    pub fn section<R: Read>(input: &mut Input<R>) -> Result<Interfaces, PcapError> {
        let length: [u8; 4] = input.array()?;
        let magic: [u8; 4] = input.array()?;
        let big = match magic {
            BIG => true,
            LITTLE => false,
            other => return Err(PcapError::Format(other)),
        };
        let length = word(&length, 0, big);
        // Type, length and magic are read already.
        input.skip(u64::from(checked(length, 28, input)?) - 12)?;
        Ok(Interfaces { big, known: Vec::new() })
    }

    /// Passes over all blocks that are no packets.
    pub fn next_packet<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Packet>, PcapError> {
        loop {
            let octet = input.octet;
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
                    let octets = input.octets(body)?;
                    self.describe(&octets, input)?;
                }
                ENHANCED_PACKET | SIMPLE_PACKET | PACKET => {
                    let octets = input.octets(body)?;
                    input.skip(4)?;
                    return self.packet(kind, &octets, octet, input).map(Some);
                }
                _ => input.skip(body.into())?,
            }
            // The length again.
            input.skip(4)?;
        }
    }

    fn describe<R>(&mut self, octets: &[u8], input: &Input<R>) -> Result<(), PcapError> {
        if self.known.len() == MAX_INTERFACES || octets.len() < 8 {
            let length = octets.len() as u32;
            return Err(PcapError::Length { packet: input.packet, octet: input.octet, length });
        }
        // Two octets, and two reserved ones behind them.
        let link = half(octets, self.big);
        let rate = self.rate(octets.get(8..).unwrap_or_default());
        self.known.push(Interface { link, rate, snap: word(octets, 4, self.big) });
        Ok(())
    }

    /// A power of ten, or with the highest bit set of two; microseconds if it is not said.
    fn rate(&self, mut options: &[u8]) -> u64 {
        while let [k0, k1, l0, l1, rest @ ..] = options {
            let half = |a, b| if self.big { u16::from_be_bytes([a, b]) } else { u16::from_le_bytes([a, b]) };
            let (kind, length) = (half(*k0, *k1), usize::from(half(*l0, *l1)));
            if let (TIME_UNIT, Some(unit)) = (kind, rest.first()) {
                let exponent = u32::from(unit & 0x7f);
                let base: u64 = if unit & 0x80 == 0 { 10 } else { 2 };
                return base.checked_pow(exponent).unwrap_or(1_000_000);
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        1_000_000
    }

    fn packet<R>(&self, kind: u32, octets: &[u8], octet: u64, input: &Input<R>) -> Result<Packet, PcapError> {
        let packet = input.packet;
        let index = match kind {
            ENHANCED_PACKET => word(octets, 0, self.big),
            // Two bytes, and a count of drops in two more.
            PACKET => half(octets, self.big),
            _ => 0,
        };
        let interface = self.known.get(index as usize);
        let interface = interface.copied().ok_or(PcapError::Interface { packet, octet, interface: index })?;
        let (at, captured, length, start) = match kind {
            ENHANCED_PACKET | PACKET => {
                let [high, low, captured, length] = [4, 8, 12, 16].map(|at| word(octets, at, self.big));
                (time(high, low, interface.rate), captured, length, 20)
            }
            _ => {
                let length = word(octets, 0, self.big);
                let limit = if interface.snap == 0 { u32::MAX } else { interface.snap };
                (Duration::ZERO, length.min(limit), length, 4)
            }
        };
        let data = octets.get(start..).and_then(|data| data.get(..captured as usize));
        let data = data.ok_or(PcapError::Length { packet, octet, length: captured })?;
        Ok(Packet {
            number: packet,
            octet,
            at,
            link: interface.link,
            octets: data.to_vec(),
            missing: length.saturating_sub(captured),
        })
    }
}

/// The first two bytes.
fn half(octets: &[u8], big: bool) -> u32 {
    let four = word(octets, 0, big);
    if big { four >> 16 } else { four & 0xffff }
}

fn time(high: u32, low: u32, rate: u64) -> Duration {
    let stamp = u64::from(high) << 32 | u64::from(low);
    let nanos = u128::from(stamp % rate) * 1_000_000_000 / u128::from(rate);
    Duration::from_secs(stamp / rate) + Duration::from_nanos(nanos as u64)
}

/// A block's length is a multiple of four, and not below what every such block has.
fn checked<R>(length: u32, least: u32, input: &Input<R>) -> Result<u32, PcapError> {
    match length >= least && length.is_multiple_of(4) {
        true => Ok(length),
        false => Err(PcapError::Length { packet: input.packet, octet: input.octet, length }),
    }
}
