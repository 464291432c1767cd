//! Replies whose headers are mostly constant: the constant words and their one's-complement sum are computed
//! once, and a reply adds the words that differ.

use super::{Flags, FlowKey, FlowKey4, FlowKey6, Seq, ipv4, ipv6, tcp};

/// The headers of a reply with `N` 32-bit words of options and no payload, without the words that differ from
/// reply to reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyTemplate<K: ReplyNetwork, const N: usize> {
    network: K::Header,
    /// Data offset and control bits, host order; the window is in the low half.
    control: u32,
    /// In the order of memory.
    options: [u32; N],
    /// The sum of `control`, `options`, protocol and length.
    sum: u64,
}

/// The numbers of one reply.
#[derive(Clone, Copy, Debug)]
pub struct ReplyNumbers {
    /// SEG.SEQ.
    pub seq: Seq,
    /// SEG.ACK.
    pub ack: Seq,
    /// SEG.WND as sent: scaled already.
    pub window: u16,
}

/// The network header of replies.
pub trait ReplyNetwork: FlowKey {
    /// Constant words and their sum.
    type Header: Copy + std::fmt::Debug;

    /// Bytes of the network header of replies.
    const REPLY_LEN: usize;

    /// The constant words of a packet with a segment of `segment_len` bytes.
    fn reply_network(segment_len: u16) -> Self::Header;

    /// Local and remote port in the order of memory, as in a packet to the remote end.
    fn reply_ports(&self) -> u32;

    /// The one's-complement sum of both addresses in the order of memory; it leaves room for carries.
    fn sum_of_addresses(&self) -> u64;

    /// Writes the header of a packet from local to remote. `addresses`: their sum; `at`: as long as the
    /// header.
    fn write_reply_network(&self, header: &Self::Header, addresses: u64, at: &mut [u8]);
}

impl<K: ReplyNetwork, const N: usize> ReplyTemplate<K, N> {
    const SEGMENT_LEN: usize = tcp::HEADER_LEN + 4 * N;

    /// A template with these control bits. `options`: their words in host order, zero where they differ from
    /// reply to reply.
    pub fn new(flags: Flags, options: [u32; N]) -> ReplyTemplate<K, N> {
        let control = ((Self::SEGMENT_LEN / 4) as u32) << 28 | u32::from(flags.0) << 16;
        let options = options.map(u32::to_be);
        let pseudo = u32::from(ipv4::TCP) + Self::SEGMENT_LEN as u32;
        let words = options.into_iter().chain([control.to_be(), pseudo.to_be()]);
        ReplyTemplate {
            network: K::reply_network(Self::SEGMENT_LEN as u16),
            control,
            options,
            sum: words.map(u64::from).sum(),
        }
    }

    /// Writes the reply over the frame that it replies to, after its link header of `link_len` bytes, which
    /// stays. `words`: options that differ, host order, each with its index among the words of the options.
    /// Returns the frame's length, bytes; `None`: the frame is too short.
    #[inline(always)]
    pub fn write<const W: usize>(
        &self,
        frame: &mut [u8],
        (key, link_len): (&K, u8),
        numbers: ReplyNumbers,
        words: [(usize, u32); W],
    ) -> Option<usize> {
        let packet = frame.get_mut(usize::from(link_len)..)?;
        let packet = packet.get_mut(..K::REPLY_LEN + Self::SEGMENT_LEN)?;
        let (network, segment) = packet.split_at_mut_checked(K::REPLY_LEN)?;
        let addresses = key.sum_of_addresses();
        key.write_reply_network(&self.network, addresses, network);
        let ports = key.reply_ports();
        let (seq, ack) = (numbers.seq.0.to_be(), numbers.ack.0.to_be());
        let window = u32::from(numbers.window);
        let fixed = u64::from(ports) + u64::from(seq) + u64::from(ack) + u64::from(window.to_be());
        let mut sum = self.sum + addresses + fixed;
        let mut options = self.options;
        for (place, word) in words {
            let word = word.to_be();
            if let Some(at) = options.get_mut(place) {
                *at = word;
            }
            sum += u64::from(word);
        }
        let checksum = u32::from(!fold(sum));
        let head = [ports, seq, ack, (self.control | window).to_be(), checksum_word(checksum)];
        let (head_at, options_at) = segment.split_at_mut_checked(tcp::HEADER_LEN)?;
        write_words(head_at, &head);
        write_words(options_at, &options);
        Some(usize::from(link_len) + K::REPLY_LEN + Self::SEGMENT_LEN)
    }
}

/// The checksum in the order of memory, then an urgent pointer of 0.
#[inline(always)]
fn checksum_word(checksum: u32) -> u32 {
    if cfg!(target_endian = "little") { checksum } else { checksum << 16 }
}

#[inline(always)]
fn write_words<const N: usize>(at: &mut [u8], words: &[u32; N]) {
    for (at, word) in at.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *at = word.to_ne_bytes();
    }
}

/// The one's-complement sum in 16 bits.
#[inline(always)]
fn fold(sum: u64) -> u16 {
    // The carry out of the lower half is the carry that one's complement adds at the other end.
    let sum = (sum.wrapping_add(sum.rotate_right(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_right(16)) >> 16) as u16
}

/// An IPv4 header without addresses and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Header4 {
    /// Version to fragment offset.
    start: [u8; 8],
    sum: u64,
}

/// TTL and protocol.
const TTL_TCP: [u8; 2] = [ipv4::TTL, ipv4::TCP];

impl ReplyNetwork for FlowKey4 {
    type Header = Header4;
    const REPLY_LEN: usize = ipv4::HEADER_LEN;

    fn reply_network(segment_len: u16) -> Header4 {
        let [high, low] = (ipv4::HEADER_LEN as u16 + segment_len).to_be_bytes();
        let [flags, offset] = ipv4::DONT_FRAGMENT.to_be_bytes();
        let start = [0x45, 0, high, low, 0, 0, flags, offset];
        let words = start.as_chunks::<2>().0.iter().chain([&TTL_TCP]);
        Header4 { start, sum: words.map(|word| u64::from(u16::from_ne_bytes(*word))).sum() }
    }

    #[inline(always)]
    fn reply_ports(&self) -> u32 {
        (u32::from(self.local_port) << 16 | u32::from(self.remote_port)).to_be()
    }

    #[inline(always)]
    fn sum_of_addresses(&self) -> u64 {
        u64::from(u32::from_ne_bytes(self.remote)) + u64::from(u32::from_ne_bytes(self.local))
    }

    #[inline(always)]
    fn write_reply_network(&self, header: &Header4, addresses: u64, at: &mut [u8]) {
        if let Some(at) = at.first_chunk_mut::<{ ipv4::HEADER_LEN }>() {
            let [ttl, protocol] = TTL_TCP;
            let [high, low] = (!fold(header.sum + addresses)).to_ne_bytes();
            at[..8].copy_from_slice(&header.start);
            at[8..12].copy_from_slice(&[ttl, protocol, high, low]);
            at[12..16].copy_from_slice(&self.local);
            at[16..].copy_from_slice(&self.remote);
        }
    }
}

/// Version to hop limit of an IPv6 header.
#[derive(Clone, Copy, Debug)]
pub struct Header6([u8; 8]);

impl ReplyNetwork for FlowKey6 {
    type Header = Header6;
    const REPLY_LEN: usize = ipv6::HEADER_LEN;

    fn reply_network(segment_len: u16) -> Header6 {
        let [high, low] = segment_len.to_be_bytes();
        Header6([0x60, 0, 0, 0, high, low, ipv6::TCP, ipv6::HOP_LIMIT])
    }

    #[inline(always)]
    fn reply_ports(&self) -> u32 {
        (u32::from(self.local_port) << 16 | u32::from(self.remote_port)).to_be()
    }

    #[inline(always)]
    fn sum_of_addresses(&self) -> u64 {
        let [a, b]: [u64; 2] = zerocopy::transmute!(self.remote);
        let [c, d]: [u64; 2] = zerocopy::transmute!(self.local);
        let sum = [b, c, d].into_iter().fold(a, |sum, word| {
            let (sum, carry) = sum.overflowing_add(word);
            sum + u64::from(carry)
        });
        (sum & 0xffff_ffff) + (sum >> 32)
    }

    #[inline(always)]
    fn write_reply_network(&self, header: &Header6, _: u64, at: &mut [u8]) {
        if let Some(at) = at.first_chunk_mut::<{ ipv6::HEADER_LEN }>() {
            at[..8].copy_from_slice(&header.0);
            at[8..24].copy_from_slice(&self.local);
            at[24..].copy_from_slice(&self.remote);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{PacketKey, TcpOptions, Timestamps, TxSegment, write_segment};

    /// A reply by template is the segment that [`write_segment`] writes.
    fn check<K: PacketKey + ReplyNetwork, const N: usize, const W: usize>(
        key: K,
        segment: TxSegment,
        template: ReplyTemplate<K, N>,
        words: [(usize, u32); W],
    ) {
        for link_len in [14, 18, 22] {
            let (mut wanted, mut got) = (vec![0xa5; 160], vec![0xa5; 160]);
            let len = write_segment(&mut wanted, link_len, &key, &segment, &[]);
            let numbers = ReplyNumbers { seq: segment.seq, ack: segment.ack, window: segment.window };
            assert_eq!(template.write(&mut got, (&key, link_len as u8), numbers, words), len);
            assert_eq!(got, wanted);
            let short = len.expect("room") - 1;
            assert_eq!(template.write(&mut got[..short], (&key, link_len as u8), numbers, words), None);
        }
    }

    fn check_all<K: PacketKey + ReplyNetwork>(
        key: K,
        [seq, ack, value, echo]: [u32; 4],
        window: u16,
        mss: u16,
    ) {
        let timestamps = Some(Timestamps { value, echo });
        let (syn_ack, fin) = (Flags::SYN.with(Flags::ACK), Flags::ACK.with(Flags::FIN));
        let of = |flags, options| TxSegment { seq: Seq(seq), ack: Seq(ack), flags, window, options };
        let (none, only) = (TcpOptions::default(), TcpOptions { timestamps, ..TcpOptions::default() });
        let word = 0x0204_0000 | u32::from(mss);
        check(key, of(fin, none), ReplyTemplate::new(fin, []), []);
        let of_mss = TcpOptions { mss: Some(mss), ..none };
        check(key, of(syn_ack, of_mss), ReplyTemplate::new(syn_ack, [word]), []);
        let template = ReplyTemplate::new(Flags::ACK, [0x0101_080a, 0, 0]);
        check(key, of(Flags::ACK, only), template, [(1, value), (2, echo)]);
        let all = TcpOptions::of_syn(Some(mss), Some(0), true, timestamps);
        let template = ReplyTemplate::new(syn_ack, [word, 0x0402_080a, 0, 0, 0x0103_0300]);
        check(key, of(syn_ack, all), template, [(2, value), (3, echo)]);
    }

    proptest! {
        #[test]
        fn a_reply_is_what_the_writer_writes(
            remote: [u8; 16], local: [u8; 16], ports: (u16, u16), numbers: [u32; 4], window: u16, mss: u16,
        ) {
            let (remote_port, local_port) = ports;
            check_all(FlowKey6 { remote, local, remote_port, local_port }, numbers, window, mss);
            let first = |address: [u8; 16]| [address[0], address[1], address[2], address[3]];
            let key = FlowKey4 { remote: first(remote), local: first(local), remote_port, local_port };
            check_all(key, numbers, window, mss);
        }

        /// Sums of nothing but ones and zeros have two zeros.
        #[test]
        fn also_at_the_ends_of_the_range(ends in prop::array::uniform4(prop::sample::select(vec![0, 1, u32::MAX]))) {
            for byte in [0, 0xff] {
                let key = FlowKey4 { remote: [byte; 4], local: [byte; 4], remote_port: 0, local_port: u16::MAX };
                check_all(key, ends, u16::MAX, u16::MAX);
                let key = FlowKey6 { remote: [byte; 16], local: [byte; 16], remote_port: 0, local_port: 0 };
                check_all(key, ends, 0, 0);
            }
        }
    }
}
