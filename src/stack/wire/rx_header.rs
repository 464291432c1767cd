//! The headers of a received segment as numbers in host order: 40 bytes for IPv4, 64 for IPv6.
//!
//! [`RxHeader::parse`] reads a usual frame (see [`super::usual`]). A frame that fails a check of it is parsed
//! in full by [`super::parse()`], which also has the drop reasons; [`RxHeader::of`] copies its result.

use super::{
    Flags, FlowKey4, FlowKey6, Segment, SegmentInfo, Seq, TcpOptions, Timestamps,
    checksum::Checksum,
    ethernet::UntaggedWords,
    ipv4, tcp,
    usual::{FrameFilter, LINK_LEN, UsualPacket, add, half, halves, is_intact, word},
};

/// The options of a segment, as a set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct OptionSet(u8);

impl OptionSet {
    /// No option.
    pub const NONE: OptionSet = OptionSet(0);
    /// Maximum segment size.
    pub const MSS: OptionSet = OptionSet(1);
    /// Timestamps.
    pub const TIMESTAMPS: OptionSet = OptionSet(2);
    /// MSS, SACK-permitted, timestamps and window scale: the SYN of most kernels.
    pub const ALL: OptionSet = OptionSet(15);
    const SACK_PERMITTED: OptionSet = OptionSet(4);
    const WINDOW_SCALE: OptionSet = OptionSet(8);

    /// Whether it has any option of `other`.
    #[inline(always)]
    pub const fn has(self, other: OptionSet) -> bool {
        self.0 & other.0 != 0
    }

    fn of(options: &TcpOptions) -> OptionSet {
        let bit = |there: bool, option: OptionSet| if there { option.0 } else { 0 };
        OptionSet(
            bit(options.mss.is_some(), OptionSet::MSS)
                | bit(options.timestamps.is_some(), OptionSet::TIMESTAMPS)
                | bit(options.sack_permitted, OptionSet::SACK_PERMITTED)
                | bit(options.window_scale.is_some(), OptionSet::WINDOW_SCALE),
        )
    }
}

/// The headers of a received segment, checked. The fields of an option that is not in `options` have no
/// meaning.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RxHeader<K> {
    /// The 4-tuple, seen from the local end: remote is the frame's source.
    pub key: K,
    /// SEG.SEQ.
    pub seq: Seq,
    /// SEG.ACK; meaningless unless `flags` has ACK.
    pub ack: Seq,
    /// TSval (RFC 7323 3.2).
    pub ts_value: u32,
    /// TSecr.
    pub ts_echo: u32,
    /// SEG.WND as sent: not scaled.
    pub window: u16,
    /// The MSS option, bytes; not 0.
    pub mss: u16,
    /// Bytes of payload.
    pub payload_len: u16,
    /// Bytes from the start of the frame to the payload.
    pub payload_at: u16,
    /// The control bits.
    pub flags: Flags,
    /// The options of the segment.
    pub options: OptionSet,
    /// The shift of the window scale option as received, also above 14 (RFC 7323 2.3).
    pub window_scale: u8,
    /// Bytes of link header, VLAN tags included.
    pub link_len: u8,
}

const _: () = assert!(size_of::<RxHeader<FlowKey4>>() == 40 && size_of::<RxHeader<FlowKey6>>() == 64);

impl<K: UsualPacket> RxHeader<K> {
    /// Reads a usual frame; `link` is the expected link header. Returns whether the frame has that;
    /// `None`: it is not a usual frame, and the values in `self` are undefined.
    #[inline(always)]
    pub fn parse(&mut self, frame: &[u8], filter: &FrameFilter, link: &UntaggedWords) -> Option<bool> {
        let tcp_at = LINK_LEN + K::HEADER_LEN;
        let network = K::read(frame, filter, link)?;
        let head = frame.get(tcp_at..tcp_at + tcp::HEADER_LEN)?;
        let rest = frame.get(tcp_at + tcp::HEADER_LEN..network.end)?;
        let (ports_seq, ack_to_window) = (word(head, 0), word(head, 8));
        // From the highest bits: the acknowledgment number, data offset, control bits, window.
        let numbers = u64::from_be(ack_to_window);
        self.flags = Flags((numbers >> 16) as u8);
        self.window = numbers as u16;
        self.ack = Seq((numbers >> 32) as u32);
        let words = (numbers >> 28) as u32 & 0xf;
        let (options, payload) = self.read_options(words, rest)?;
        let pseudo = (u32::from(ipv4::TCP) + (network.end - tcp_at) as u32).to_be();
        // Three sums of 32-bit words: their sum fits 64 bits.
        let short = u64::from(half(head, 16)) + u64::from(pseudo) + options;
        let sum = add(add(add(network.sum, short), ports_seq), ack_to_window);
        let sum = if payload.is_empty() { sum } else { add(sum, sum_of(payload)) };
        if !is_intact(sum) {
            return None;
        }
        let ports_seq = u64::from_be(ports_seq);
        self.key = K::with_ports(&network.addresses, both_ports((ports_seq >> 32) as u32));
        self.seq = Seq(ports_seq as u32);
        self.payload_len = payload.len() as u16;
        self.payload_at = (network.end - payload.len()) as u16;
        self.link_len = LINK_LEN as u8;
        Some(network.expected_link)
    }
}

impl<K> RxHeader<K> {
    /// Reads the options of a header of `words` 32-bit words; `rest` follows the fixed part. Returns their
    /// one's-complement sum and the payload; `None`: invalid.
    #[inline(always)]
    fn read_options<'a>(&mut self, words: u32, rest: &'a [u8]) -> Option<(u64, &'a [u8])> {
        // Nearly every segment has one of these combinations.
        if words == 5 {
            self.options = OptionSet::NONE;
            return Some((0, rest));
        }
        if words == 8 {
            if let Some((options, payload)) = rest.split_first_chunk::<12>()
                && half(options, 0) == PADDED_TIMESTAMPS
            {
                self.options = OptionSet::TIMESTAMPS;
                self.ts_value = u32::from_be(half(options, 4));
                self.ts_echo = u32::from_be(half(options, 8));
                return Some((halves(word(options, 0)) + u64::from(half(options, 8)), payload));
            }
        } else if self.flags.has(Flags::SYN) {
            if words == 10
                && let Some((options, payload)) = rest.split_first_chunk::<20>()
                && word(options, 0) & LINUX_SYN_MASK == LINUX_SYN
                && half(options, 16) & SCALE_MASK == SCALE
                && let mss @ 1.. = u16::from_be_bytes([options[2], options[3]])
            {
                (self.options, self.mss, self.window_scale) = (OptionSet::ALL, mss, options[19]);
                self.ts_value = u32::from_be(half(options, 8));
                self.ts_echo = u32::from_be(half(options, 12));
                let sum = halves(word(options, 0)) + halves(word(options, 8)) + u64::from(half(options, 16));
                return Some((sum, payload));
            }
            if words == 6
                && let Some((options, payload)) = rest.split_first_chunk::<4>()
                && half(options, 0) & MSS_MASK == MSS
                && let mss @ 1.. = u16::from_be_bytes([options[2], options[3]])
            {
                (self.options, self.mss) = (OptionSet::MSS, mss);
                return Some((u64::from(half(options, 0)), payload));
            }
        }
        self.read_other_options(words, rest)
    }

    /// Any other combination. Not inlined: its variables would take registers from the loop over a batch.
    #[inline(never)]
    fn read_other_options<'a>(&mut self, words: u32, rest: &'a [u8]) -> Option<(u64, &'a [u8])> {
        let len = (words as usize * 4).checked_sub(tcp::HEADER_LEN)?;
        let (bytes, payload) = rest.split_at_checked(len)?;
        self.set_options(&TcpOptions::parse(bytes, self.flags.has(Flags::SYN)).ok()?);
        Some((sum_of(bytes), payload))
    }

    fn set_options(&mut self, options: &TcpOptions) {
        let Timestamps { value, echo } = options.timestamps.unwrap_or_default();
        (self.ts_value, self.ts_echo) = (value, echo);
        self.mss = options.mss.unwrap_or_default();
        self.window_scale = options.window_scale.unwrap_or_default();
        self.options = OptionSet::of(options);
    }

    /// The headers of a segment from [`super::parse()`].
    pub fn of(segment: &Segment<K>) -> RxHeader<K>
    where
        K: Copy,
    {
        let &Segment { key, ref info, link_len, payload_at } = segment;
        let &SegmentInfo { seq, ack, flags, window, payload_len, ref options } = info;
        let mut header = RxHeader {
            key,
            seq,
            ack,
            ts_value: 0,
            ts_echo: 0,
            window,
            mss: 0,
            payload_len,
            payload_at,
            flags,
            options: OptionSet::NONE,
            window_scale: 0,
            link_len,
        };
        header.set_options(options);
        header
    }

    /// The same as a [`Segment`], for the general path.
    #[inline]
    pub fn segment(&self) -> Segment<K>
    where
        K: Copy,
    {
        let has = |option| self.options.has(option);
        let timestamps = Timestamps { value: self.ts_value, echo: self.ts_echo };
        let options = TcpOptions {
            mss: has(OptionSet::MSS).then_some(self.mss),
            window_scale: has(OptionSet::WINDOW_SCALE).then_some(self.window_scale),
            sack_permitted: has(OptionSet::SACK_PERMITTED),
            timestamps: has(OptionSet::TIMESTAMPS).then_some(timestamps),
        };
        let &RxHeader { seq, ack, flags, window, payload_len, .. } = self;
        let info = SegmentInfo { seq, ack, flags, window, payload_len, options };
        Segment { key: self.key, info, link_len: self.link_len, payload_at: self.payload_at }
    }

    /// The payload in `frame`, which must be the frame that was parsed. Empty if the frame is too short.
    #[inline]
    pub fn payload<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let start = usize::from(self.payload_at);
        frame.get(start..start + usize::from(self.payload_len)).unwrap_or_default()
    }
}

/// The sum of payload or options. Not inlined, as most segments have neither.
#[inline(never)]
fn sum_of(bytes: &[u8]) -> u64 {
    Checksum::default().add_bytes(bytes).unfolded()
}

const PADDED_TIMESTAMPS: u32 = u32::from_ne_bytes([1, 1, 8, 10]);
const MSS: u32 = u32::from_ne_bytes([2, 4, 0, 0]);
const MSS_MASK: u32 = u32::from_ne_bytes([255, 255, 0, 0]);
/// MSS, SACK-permitted and timestamps, in the order of Linux; the window scale follows.
const LINUX_SYN: u64 = u64::from_ne_bytes([2, 4, 0, 0, 4, 2, 8, 10]);
const LINUX_SYN_MASK: u64 = u64::from_ne_bytes([255, 255, 0, 0, 255, 255, 255, 255]);
const SCALE: u32 = u32::from_ne_bytes([1, 3, 3, 0]);
const SCALE_MASK: u32 = u32::from_ne_bytes([255, 255, 255, 0]);

/// Source and destination port, host order, of a word that holds both.
#[inline(always)]
fn both_ports(ports: u32) -> [u16; 2] {
    // One store; the compiler does not merge two.
    zerocopy::transmute!(if cfg!(target_endian = "little") { ports.rotate_left(16) } else { ports })
}
