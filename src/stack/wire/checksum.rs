/// A running one's-complement sum (RFC 1071): the checksum of IPv4, TCP and ICMP.
///
/// Kept as bytes lie in memory, not as numbers: the sum does not depend on byte order (RFC 1071
/// 2B), so only [`fold`](Checksum::fold) swaps. 64 bits hold the carries of 2^32 additions of 32 bits.
///
/// Sums compose: add parts in any order, each starting at an even offset of what is covered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum(u64);

impl Checksum {
    /// The IPv4 pseudo-header (RFC 9293 3.1). `length` is that of the transport header and its
    /// payload, bytes.
    #[inline]
    pub fn pseudo_v4(source: [u8; 4], destination: [u8; 4], protocol: u8, length: u16) -> Checksum {
        Checksum(u64::from(u32::from_ne_bytes(source)) + u64::from(u32::from_ne_bytes(destination)))
            .add_u32(u32::from(protocol) + u32::from(length))
    }

    /// The IPv6 pseudo-header (RFC 8200 8.1).
    #[inline]
    pub fn pseudo_v6(source: &[u8; 16], destination: &[u8; 16], next_header: u8, length: u16) -> Checksum {
        Checksum::default()
            .add_bytes(source)
            .add_bytes(destination)
            .add_u32(u32::from(next_header) + u32::from(length))
    }

    /// Adds bytes that start at an even offset. An odd number of them is padded with a zero, so
    /// only the last part may be odd.
    #[inline(always)]
    pub fn add_bytes(self, bytes: &[u8]) -> Checksum {
        let (blocks, rest) = bytes.as_chunks::<32>();
        let (words, tail) = rest.as_chunks();
        let sum = blocks.iter().fold(0, |sum, block| block.as_chunks().0.iter().fold(sum, add_word));
        Checksum(self.0 + halves(words.iter().fold(sum, add_word)) + short(tail))
    }

    /// Adds a number as it goes on the wire: in network order.
    #[inline]
    pub fn add_u16(self, number: u16) -> Checksum {
        Checksum(self.0 + u64::from(number.to_be()))
    }

    /// Adds a number as it goes on the wire: in network order.
    #[inline]
    pub fn add_u32(self, number: u32) -> Checksum {
        Checksum(self.0 + u64::from(number.to_be()))
    }

    /// The sum as bytes lie in memory; it leaves room for carries.
    #[inline(always)]
    pub(super) fn unfolded(self) -> u64 {
        self.0
    }

    /// The 16-bit one's-complement sum, not complemented: `0xffff` over data that includes its
    /// own correct checksum.
    #[inline]
    pub fn fold(self) -> u16 {
        // Added to itself with its halves swapped, the upper half is the sum of both, and the carry
        // out of the lower half is the carry that one's complement adds at the other end.
        let sum = (self.0.wrapping_add(self.0.rotate_right(32)) >> 32) as u32;
        let sum = (sum.wrapping_add(sum.rotate_right(16)) >> 16) as u16;
        u16::from_be(sum)
    }

    /// The checksum to write: the complement of the sum over data whose checksum field is zero.
    #[inline]
    pub fn finish(self) -> u16 {
        !self.fold()
    }

    /// Whether data that includes its checksum field is intact.
    #[inline]
    pub fn is_intact(self) -> bool {
        self.fold() == 0xffff
    }
}

/// The checksum after one covered 16-bit word changed from `old` to `new` (RFC 1624 3, eqn. 3).
#[inline]
pub fn update(checksum: u16, old: u16, new: u16) -> u16 {
    Checksum::default().add_u16(!checksum).add_u16(!old).add_u16(new).finish()
}

/// One's-complement addition: the carry comes in at the other end.
#[inline(always)]
fn add_word(sum: u64, word: &[u8; 8]) -> u64 {
    let (sum, carry) = sum.overflowing_add(u64::from_ne_bytes(*word));
    sum + u64::from(carry)
}

/// Both 32-bit halves of a word: their sum leaves room for carries.
#[inline(always)]
fn halves(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// Up to seven bytes, padded with zeroes.
#[inline(always)]
fn short(tail: &[u8]) -> u64 {
    let (sum, tail) = match tail {
        [a, b, c, d, rest @ ..] => (u64::from(u32::from_ne_bytes([*a, *b, *c, *d])), rest),
        _ => (0, tail),
    };
    sum + match tail {
        [a, b, c] => u64::from(u32::from_ne_bytes([*a, *b, *c, 0])),
        [a, b] => u64::from(u16::from_ne_bytes([*a, *b])),
        [a] => u64::from(u16::from_ne_bytes([*a, 0])),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 4.1, word by word, as one would on paper.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    #[test]
    fn sums_the_example_of_rfc_1071() {
        let sum = Checksum::default().add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
        assert_eq!(sum.finish(), 0x220d);
    }

    #[test]
    fn updates_the_example_of_rfc_1624() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn survives_the_most_carries() {
        for length in 0..200 {
            let ones = vec![0xff; length];
            assert_eq!(Checksum::default().add_bytes(&ones).fold(), naive(&ones), "{length} bytes of ones");
        }
        assert_eq!(Checksum::default().add_bytes(&[0xff; 65_535]).fold(), naive(&[0xff; 65_535]));
    }

    #[test]
    fn pseudo_headers_are_the_bytes_of_the_rfcs() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0, 6, 0x12, 0x34];
        let sum = Checksum::pseudo_v4([192, 0, 2, 1], [198, 51, 100, 2], 6, 0x1234);
        assert_eq!(sum.fold(), naive(&v4));

        let (source, destination) = ([0x20; 16], [0xfe; 16]);
        let v6 = [&source[..], &destination, &[0, 0, 0xff, 0xff, 0, 0, 0, 58]].concat();
        assert_eq!(Checksum::pseudo_v6(&source, &destination, 58, 0xffff).fold(), naive(&v6));
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_sum(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            prop_assert_eq!(Checksum::default().add_bytes(&bytes).fold(), naive(&bytes));
        }

        #[test]
        fn composes_at_even_offsets(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..150) {
            let (head, tail) = bytes.split_at((cut * 2).min(bytes.len() & !1));
            prop_assert_eq!(Checksum::default().add_bytes(head).add_bytes(tail).fold(), naive(&bytes));
            prop_assert_eq!(Checksum::default().add_bytes(tail).add_bytes(head).fold(), naive(&bytes));
        }

        #[test]
        fn any_carry_counts(words in prop::collection::vec(prop_oneof![Just(u64::MAX), Just(0), Just(1 << 63), any::<u64>()], 0..12)) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            prop_assert_eq!(Checksum::default().add_bytes(&bytes).fold(), naive(&bytes));
        }

        #[test]
        fn numbers_are_added_in_network_order(wide: u32, narrow: u16) {
            let bytes = [&wide.to_be_bytes()[..], &narrow.to_be_bytes()].concat();
            prop_assert_eq!(Checksum::default().add_u32(wide).add_u16(narrow).fold(), naive(&bytes));
        }

        #[test]
        fn update_equals_summing_anew(mut bytes in prop::collection::vec(1u8.., 20), new: u16, at in 0usize..10) {
            let before = Checksum::default().add_bytes(&bytes).finish();
            let old = u16::from_be_bytes([bytes[at * 2], bytes[at * 2 + 1]]);
            bytes[at * 2..at * 2 + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update(before, old, new), Checksum::default().add_bytes(&bytes).finish());
        }
    }
}
