use handfast_stack::wire::{Flags, SegmentInfo, Seq};

/// Maximum blocks of one SACK option (RFC 2018 3).
const MAX_SACK_BLOCKS: usize = 4;
/// The largest shift count (RFC 7323 2.3).
const MAX_SHIFT: u8 = 14;

/// A captured segment: not validated, with the fields that a diagram shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    pub seq: Seq,
    /// Meaningless unless `flags` has ACK.
    pub ack: Seq,
    pub flags: Flags,
    /// As sent: not scaled. `None`: not captured.
    pub window: Option<u16>,
    /// Bytes on the wire, captured or not. Before segmentation offload more than a packet may contain.
    pub payload_len: u32,
    /// Shift count of a SYN.
    pub window_scale: Option<u8>,
    /// TSval (RFC 7323 3.2).
    pub timestamp: Option<u32>,
    pub sack: Sack,
}

/// The blocks of a SACK option: left and right edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sack {
    blocks: [(Seq, Seq); MAX_SACK_BLOCKS],
    count: usize,
}

impl Segment {
    /// SEG.LEN: payload, plus one each for SYN and FIN (RFC 9293 3.3.1).
    pub fn seq_len(&self) -> u32 {
        self.payload_len + u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN))
    }

    /// The sequence number after its last one.
    pub fn end(&self) -> Seq {
        self.seq + self.seq_len()
    }

    /// Opens a connection: SYN without ACK.
    pub fn opens(&self) -> bool {
        self.flags.has(Flags::SYN) && !self.flags.has(Flags::ACK)
    }

    pub fn is_syn_ack(&self) -> bool {
        self.flags.has(Flags::SYN) && self.flags.has(Flags::ACK)
    }

    /// Returns its acknowledgement number, if it has one.
    pub fn acknowledges(&self) -> Option<Seq> {
        self.flags.has(Flags::ACK).then_some(self.ack)
    }

    /// Parses the options that a diagram shows, as far as they were captured.
    pub fn read_options(&mut self, mut bytes: &[u8]) {
        while let [kind, rest @ ..] = bytes {
            let (kind, length) = match (*kind, rest.first()) {
                (END, _) => return,
                (NO_OPERATION, _) => {
                    bytes = rest;
                    continue;
                }
                (kind, Some(length)) if *length >= 2 => (kind, usize::from(*length)),
                _ => return,
            };
            let Some(body) = bytes.get(2..length) else { return };
            self.read_option(kind, body);
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }

    fn read_option(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (WINDOW_SCALE, [shift]) if self.flags.has(Flags::SYN) => {
                self.window_scale = Some((*shift).min(MAX_SHIFT));
            }
            (TIMESTAMPS, [a, b, c, d, ..]) => self.timestamp = Some(u32::from_be_bytes([*a, *b, *c, *d])),
            (SACK, body) => {
                let (blocks, _) = body.as_chunks::<8>();
                for [a, b, c, d, e, f, g, h] in blocks {
                    self.sack.add(
                        Seq(u32::from_be_bytes([*a, *b, *c, *d])),
                        Seq(u32::from_be_bytes([*e, *f, *g, *h])),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Option kinds (IANA; RFC 9293 3.1, RFC 2018, RFC 7323).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const WINDOW_SCALE: u8 = 3;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

impl Sack {
    pub fn blocks(&self) -> &[(Seq, Seq)] {
        self.blocks.get(..self.count).unwrap_or_default()
    }

    /// Ignores more blocks than an option can contain.
    pub fn add(&mut self, left: Seq, right: Seq) {
        if let Some(block) = self.blocks.get_mut(self.count) {
            *block = (left, right);
            self.count += 1;
        }
    }
}

impl From<SegmentInfo> for Segment {
    fn from(info: SegmentInfo) -> Segment {
        Segment {
            seq: info.seq,
            ack: info.ack,
            flags: info.flags,
            window: Some(info.window),
            payload_len: info.payload_len.into(),
            window_scale: info.options.window_scale.map(|shift| shift.min(MAX_SHIFT)),
            timestamp: info.options.timestamps.map(|stamps| stamps.value),
            sack: Sack::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SACK, timestamps and a scale between NOPs, truncated at every byte.
    #[test]
    fn options_are_read_as_far_as_they_were_captured() {
        let sack = [5, 18, 0, 0, 0, 10, 0, 0, 0, 20, 0, 0, 0, 30, 0, 0, 0, 40];
        let options = [&[1, 1][..], &sack, &[3, 3, 15, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0]].concat();
        let read = |length: usize| {
            let mut segment = Segment { flags: Flags::SYN, ..Segment::default() };
            segment.read_options(&options[..length]);
            segment
        };
        let whole = read(options.len());
        assert_eq!(whole.sack.blocks(), [(Seq(10), Seq(20)), (Seq(30), Seq(40))]);
        assert_eq!((whole.window_scale, whole.timestamp), (Some(14), Some(9)));
        for length in 0..options.len() {
            let cut = read(length);
            assert_eq!(cut.sack.blocks().len(), if length < 20 { 0 } else { 2 }, "{length}");
            assert_eq!(cut.window_scale.is_some(), length >= 23, "{length}");
            assert_eq!(cut.timestamp, None, "{length}");
        }
        let mut damaged = Segment::default();
        damaged.read_options(&[5, 0, 3, 1, 5, 255]);
        assert_eq!(damaged, Segment::default());
    }
}
