use std::io::Read;
use std::time::Duration;

use super::block::{Interfaces, SECTION};
use super::input::{Input, Packet, PcapError, word};

/// The packets of a capture, in the order of the file. Holds one at a time.
pub struct Packets<R> {
    pub(super) input: Input<R>,
    kind: FileKind,
    number: u64,
}

enum FileKind {
    Pcap { big: bool, nanos: bool, link: u32 },
    Pcapng(Interfaces),
}

impl<R: Read> Packets<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// Not a capture, or the header is incomplete.
    pub fn open(reader: R) -> Result<Packets<R>, PcapError> {
        let mut input = Input { reader, offset: 0, packet: 0 };
        let magic: [u8; 4] = input.array_or_end()?.ok_or(PcapError::Empty)?;
        let (big, nanos) = match u32::from_le_bytes(magic) {
            0xa1b2_c3d4 => (false, false),
            0xa1b2_3c4d => (false, true),
            0xd4c3_b2a1 => (true, false),
            0x4d3c_b2a1 => (true, true),
            SECTION => {
                let interfaces = Interfaces::section(&mut input)?;
                return Ok(Packets { input, kind: FileKind::Pcapng(interfaces), number: 0 });
            }
            _ => return Err(PcapError::Format(magic)),
        };
        let rest: [u8; 20] = input.array()?;
        // The upper bits may contain the length of the frame check sequence.
        let link = word(&rest, 16, big) & 0x0fff_ffff;
        Ok(Packets { input, kind: FileKind::Pcap { big, nanos, link }, number: 0 })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// [`PcapError`] with the offset. Nothing more can be read then.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, PcapError> {
        self.input.packet = self.number + 1;
        let packet = match &mut self.kind {
            FileKind::Pcapng(interfaces) => interfaces.next_packet(&mut self.input)?,
            &mut FileKind::Pcap { big, nanos, link } => pcap_packet(&mut self.input, big, nanos, link)?,
        };
        self.number += u64::from(packet.is_some());
        Ok(packet)
    }
}

/// A record header of 16 bytes, then the packet.
fn pcap_packet<R: Read>(
    input: &mut Input<R>,
    big: bool,
    nanos: bool,
    link: u32,
) -> Result<Option<Packet>, PcapError> {
    let offset = input.offset;
    let Some(header) = input.array_or_end::<16>()? else { return Ok(None) };
    let [seconds, fraction, captured, length] = [0, 4, 8, 12].map(|at| word(&header, at, big));
    let data = input.bytes(captured)?;
    let nanos = u64::from(fraction) * if nanos { 1 } else { 1_000 };
    let at = Duration::from_secs(seconds.into()) + Duration::from_nanos(nanos);
    let missing = length.saturating_sub(captured);
    Ok(Some(Packet { number: input.packet, offset, at, link, data, missing }))
}
