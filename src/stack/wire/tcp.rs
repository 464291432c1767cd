use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::big_endian::{U16, U32},
};

use super::{Flags, PacketKey, SegmentInfo, Seq, TcpOptions, TxSegment, checksum::Checksum, options::Words};
use crate::observe::DropReason;

/// Bytes of the header without options.
pub const HEADER_LEN: usize = 20;

/// RFC 9293 3.1. Reserved bits are ignored when read, and zero when written.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(super) struct Header {
    pub source_port: U16,
    pub destination_port: U16,
    pub seq: U32,
    pub ack: U32,
    pub data_offset: u8,
    pub flags: u8,
    pub window: U16,
    pub checksum: U16,
    pub urgent: U16,
}

/// A TCP segment whose lengths and checksum are valid. Its options are not parsed yet: the addresses are
/// checked first.
#[derive(Clone, Copy)]
pub(super) struct Checked<'a> {
    header: &'a Header,
    options: &'a [u8],
    payload_len: usize,
}

impl<'a> Checked<'a> {
    /// `segment` is the whole upper layer of one packet, `pseudo` the sum of its pseudo-header.
    ///
    /// # Errors
    /// In this order: `FrameTruncated`, `TcpHeader`, `TcpChecksum`, `TcpPartialChecksum`.
    #[inline(always)]
    pub(super) fn parse(
        segment: &'a [u8],
        pseudo: Checksum,
        accept_partial: bool,
    ) -> Result<Self, DropReason> {
        let (header, _) = Header::ref_from_prefix(segment).map_err(|_| DropReason::FrameTruncated)?;
        let header_len = usize::from(header.data_offset >> 4) * 4;
        let options = segment.get(HEADER_LEN..header_len).ok_or(DropReason::TcpHeader)?;
        if !pseudo.add_bytes(segment).is_intact() {
            check_partial(header, pseudo, accept_partial)?;
        }
        Ok(Checked { header, options, payload_len: segment.len() - header_len })
    }

    /// Host order, as sent.
    #[inline]
    pub(super) fn ports(&self) -> (u16, u16) {
        (self.header.source_port.get(), self.header.destination_port.get())
    }

    /// Bytes, options included.
    #[inline]
    pub(super) fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// Parses the rest.
    ///
    /// # Errors
    /// `TcpOptions`.
    #[inline(always)]
    pub(super) fn info(&self) -> Result<SegmentInfo, DropReason> {
        let flags = Flags(self.header.flags);
        Ok(SegmentInfo {
            seq: Seq(self.header.seq.get()),
            ack: Seq(self.header.ack.get()),
            flags,
            window: self.header.window.get(),
            // A segment lies within one IP packet, whose lengths have 16 bits.
            payload_len: self.payload_len as u16,
            options: TcpOptions::parse(self.options, flags.has(Flags::SYN))?,
        })
    }
}

/// A sender with checksum offload writes the sum of the pseudo-header, not complemented, which the device
/// continues.
#[cold]
fn check_partial(header: &Header, pseudo: Checksum, accept: bool) -> Result<(), DropReason> {
    match header.checksum.get() == pseudo.fold() {
        true if accept => Ok(()),
        true => Err(DropReason::TcpPartialChecksum),
        false => Err(DropReason::TcpChecksum),
    }
}

/// Writes network header, TCP header and payload after a link header of `link_len` bytes, which stays
/// unchanged, and both checksums. The packet goes from `key`'s local end to its remote end.
///
/// Returns the length of the whole frame, bytes; `None` if `frame` has no room for it, or one IP
/// packet cannot hold it.
#[inline(always)]
pub fn write_segment<K: PacketKey>(
    frame: &mut [u8],
    link_len: usize,
    key: &K,
    emit: &TxSegment,
    payload: &[u8],
) -> Option<usize> {
    debug_assert!(emit.flags.has(Flags::SYN) || !emit.options.is_for_syn(), "{emit:?}");
    let out = Outgoing { key, emit, payload };
    match emit.options.words() {
        Words::None => out.write(frame, link_len, []),
        Words::One(options) => out.write(frame, link_len, options),
        Words::Three(options) => out.write(frame, link_len, options),
        Words::Five(options) => out.write(frame, link_len, options),
        Words::Other => out.write_any(frame, link_len),
    }
}

/// A segment to write into a frame.
struct Outgoing<'a, K> {
    key: &'a K,
    emit: &'a TxSegment,
    payload: &'a [u8],
}

impl<K: PacketKey> Outgoing<'_, K> {
    /// One copy of the code for each number of words: lengths are constants, without loops.
    #[inline(always)]
    fn write<const N: usize>(&self, frame: &mut [u8], link_len: usize, options: [u32; N]) -> Option<usize> {
        let header_len = HEADER_LEN + 4 * N;
        let segment_len = u16::try_from(header_len + self.payload.len()).ok()?;
        let network = frame.get_mut(link_len..)?;
        let (network_header, segment) = network.split_at_mut_checked(K::NETWORK_LEN)?;
        let (header, rest) = segment.split_at_mut_checked(header_len)?;
        let mut sum = self.key.pseudo_header(segment_len);
        if !self.payload.is_empty() {
            rest.get_mut(..self.payload.len())?.copy_from_slice(self.payload);
            sum = sum.add_bytes(self.payload);
        }
        self.key.write_network_header(network_header, segment_len)?;
        self.write_header(header, options, sum)?;
        Some(link_len + K::NETWORK_LEN + usize::from(segment_len))
    }

    /// As [`Outgoing::write`], for options of any number of words.
    #[cold]
    #[inline(never)]
    fn write_any(&self, frame: &mut [u8], link_len: usize) -> Option<usize> {
        let (words, count) = self.emit.options.any_words();
        macro_rules! by_count {
            ($($count:literal)*) => {
                match count {
                    $($count => self.write(frame, link_len, *words.first_chunk::<$count>()?),)*
                    _ => None,
                }
            };
        }
        by_count!(0 1 2 3 4 5 6 7 8 9 10)
    }

    /// `sum` covers pseudo-header and payload. The header is summed from its numbers, not read
    /// back: a load directly after narrower stores to the same bytes would stall.
    #[inline(always)]
    fn write_header<const N: usize>(&self, at: &mut [u8], options: [u32; N], sum: Checksum) -> Option<()> {
        let TxSegment { seq, ack, flags, window, .. } = *self.emit;
        let (remote_port, local_port) = self.key.ports();
        let ports = u32::from(local_port) << 16 | u32::from(remote_port);
        let ack = if flags.has(Flags::ACK) { ack.0 } else { 0 };
        let data_offset = ((HEADER_LEN / 4 + N) as u32) << 28;
        let control = data_offset | u32::from(flags.0) << 16 | u32::from(window);
        let sum = options.iter().fold(sum, |sum, word| sum.add_u32(*word));
        let checksum = sum.add_u32(ports).add_u32(seq.0).add_u32(ack).add_u32(control).finish();

        let fixed = [ports, seq.0, ack, control, u32::from(checksum) << 16].map(U32::new);
        let (fixed_at, options_at) = at.split_at_mut_checked(HEADER_LEN)?;
        fixed.write_to(fixed_at).ok()?;
        options.map(U32::new).write_to(options_at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FlowKey4;

    const KEY: FlowKey4 =
        FlowKey4 { remote: [192, 0, 2, 9], local: [192, 0, 2, 1], remote_port: 40_000, local_port: 80 };

    /// A segment of `payload` bytes of 0xee towards us, after `change`, with a checksum that fits.
    fn segment(payload: usize, change: impl Fn(&mut [u8])) -> (Vec<u8>, Checksum) {
        let mut frame = vec![0; 40 + payload];
        let emit =
            TxSegment { seq: Seq(7), ack: Seq(8), flags: Flags::ACK, window: 9, ..TxSegment::default() };
        write_segment(&mut frame, 0, &KEY, &emit, &vec![0xee; payload]).unwrap();
        let mut segment = frame.split_off(20);
        change(&mut segment);
        let pseudo = KEY.pseudo_header(segment.len() as u16);
        segment[16..18].fill(0);
        let sum = pseudo.add_bytes(&segment).finish();
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        (segment, pseudo)
    }

    #[test]
    fn data_offsets() {
        use DropReason::TcpHeader;
        let rows = [
            (0x00, Err(TcpHeader)),
            (0x40, Err(TcpHeader)),
            (0x50, Ok(20)),
            (0x5f, Ok(20)),
            (0x60, Ok(24)),
            (0x70, Ok(28)),
            (0x80, Err(TcpHeader)),
            (0xf0, Err(TcpHeader)),
        ];
        for (byte, expected) in rows {
            let (segment, pseudo) = segment(8, |s| s[12] = byte);
            let parsed = Checked::parse(&segment, pseudo, false);
            assert_eq!(parsed.map(|checked| checked.header_len()), expected, "{byte:#x}");
            if let Ok(checked) = parsed {
                assert_eq!(checked.payload_len + checked.header_len(), 28);
            }
        }
    }

    #[test]
    fn too_short_for_a_header() {
        let (segment, pseudo) = segment(0, |_| {});
        for end in 0..HEADER_LEN {
            assert_eq!(Checked::parse(&segment[..end], pseudo, true).err(), Some(DropReason::FrameTruncated));
        }
    }

    #[test]
    fn checksums_whole_partial_and_wrong() {
        use DropReason::*;
        let (mut segment, pseudo) = segment(3, |_| {});
        assert!(Checked::parse(&segment, pseudo, false).is_ok());
        segment[16..18].copy_from_slice(&pseudo.fold().to_be_bytes());
        assert_eq!(Checked::parse(&segment, pseudo, false).err(), Some(TcpPartialChecksum));
        assert!(Checked::parse(&segment, pseudo, true).is_ok());
        segment[16..18].copy_from_slice(&pseudo.finish().to_be_bytes());
        for accept_partial in [false, true] {
            assert_eq!(Checked::parse(&segment, pseudo, accept_partial).err(), Some(TcpChecksum));
        }
    }

    #[test]
    fn options_are_read_after_the_checksum() {
        let (segment, pseudo) = segment(4, |s| {
            s[12] = 0x60;
            s[20..24].copy_from_slice(&[2, 0, 0, 0]);
        });
        let checked = Checked::parse(&segment, pseudo, false).unwrap();
        assert_eq!(checked.info(), Err(DropReason::TcpOptions));
    }

    #[test]
    fn without_ack_no_acknowledgment_number_is_written() {
        let mut frame = [0xff; 60];
        let emit = TxSegment { ack: Seq(8), flags: Flags::RST, ..TxSegment::default() };
        assert_eq!(write_segment(&mut frame, 0, &KEY, &emit, &[]), Some(40));
        assert_eq!(frame[28..32], [0; 4]);
        assert_eq!(frame[40..], [0xff; 20]);
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let emit = TxSegment { flags: Flags::ACK, ..TxSegment::default() };
        let mut frame = vec![0; 70_000];
        for room in 0..14 + 40 + 5 {
            assert_eq!(write_segment(&mut frame[..room], 14, &KEY, &emit, &[1; 5]), None, "{room}");
        }
        assert_eq!(write_segment(&mut frame[..59], 14, &KEY, &emit, &[1; 5]), Some(59));
        assert_eq!(write_segment(&mut frame, 14, &KEY, &emit, &vec![1; 65_495]), Some(65_549));
        assert_eq!(write_segment(&mut frame, 14, &KEY, &emit, &vec![1; 65_496]), None);
        assert_eq!(write_segment(&mut frame, 14, &KEY, &emit, &vec![1; 66_000]), None);
        assert_eq!(write_segment(&mut frame, 70_001, &KEY, &emit, &[]), None);
    }
}
