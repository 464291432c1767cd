use super::{Seq, TcpOptions};

/// TCP control bits, in the header's own positions (RFC 9293 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Flags = Flags(0x01);
    /// The sequence number is the initial one.
    pub const SYN: Flags = Flags(0x02);
    /// The connection is reset.
    pub const RST: Flags = Flags(0x04);
    /// The receiver is to deliver the data at once.
    pub const PSH: Flags = Flags(0x08);
    /// The acknowledgment number is valid.
    pub const ACK: Flags = Flags(0x10);
    /// The urgent pointer is valid.
    pub const URG: Flags = Flags(0x20);
    /// ECN echo (RFC 3168 6.1).
    pub const ECE: Flags = Flags(0x40);
    /// Congestion window reduced (RFC 3168 6.1).
    pub const CWR: Flags = Flags(0x80);

    /// Whether any bit of `other` is set.
    #[inline]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    #[inline]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// A received segment as TCP reads it: checked, without addresses and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// SEG.SEQ: the first sequence number of the segment (RFC 9293 3.3.1).
    pub seq: Seq,
    /// Meaningless unless `flags` has ACK.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// As sent: not scaled.
    pub window: u16,
    /// Bytes of payload.
    pub payload_len: u16,
    /// The options that the stack knows.
    pub options: TcpOptions,
}

impl SegmentInfo {
    /// SEG.LEN: payload, plus one each for SYN and FIN (RFC 9293 3.3.1).
    #[inline]
    pub fn seq_len(&self) -> u32 {
        u32::from(self.payload_len)
            + u32::from(self.flags.has(Flags::SYN))
            + u32::from(self.flags.has(Flags::FIN))
    }
}

/// A parsed, checked TCP segment and where its parts lie in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<K> {
    /// Seen from the local end: remote is the frame's source.
    pub key: K,
    /// The header as TCP reads it.
    pub info: SegmentInfo,
    /// Bytes of link header, VLAN tags included: the network header starts here. 14, 18 or 22.
    pub link_len: u8,
    /// Where the payload starts in the frame, bytes.
    pub payload_at: u16,
}

impl<K> Segment<K> {
    /// The payload in `frame`, the frame that was parsed. Empty if the frame is another one.
    #[inline]
    pub fn payload<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let start = usize::from(self.payload_at);
        frame.get(start..start + usize::from(self.info.payload_len)).unwrap_or_default()
    }
}

/// A segment to send, without addresses and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TxSegment {
    /// SEG.SEQ: the first sequence number of the segment (RFC 9293 3.3.1).
    pub seq: Seq,
    /// Written only with ACK in `flags`; zero otherwise.
    pub ack: Seq,
    /// The control bits.
    pub flags: Flags,
    /// As on the wire: scaled already.
    pub window: u16,
    /// The options to write.
    pub options: TcpOptions,
}

impl std::fmt::Debug for Flags {
    /// The letters of tcpdump: `S.` is SYN, ACK; `-` is none.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const LETTERS: [(Flags, char); 8] = [
            (Flags::SYN, 'S'),
            (Flags::FIN, 'F'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::ACK, '.'),
        ];
        if self.0 == 0 {
            return f.write_str("-");
        }
        LETTERS.iter().filter(|(flag, _)| self.has(*flag)).try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}
