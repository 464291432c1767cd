//! Words out of a frame, as they lie in memory, and their one's-complement sum, which does not depend on
//! the byte order (RFC 1071 2B).

/// Bytes of a frame's headers, at a constant offset.
#[inline(always)]
pub fn at<const N: usize>(headers: &[u8; 54], at: usize) -> [u8; N] {
    headers.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// The two words of four bytes in one of eight, in memory order.
#[inline(always)]
pub fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    (word_of([a, b, c, d]), word_of([e, f, g, h]))
}

pub const fn word_of(bytes: [u8; 4]) -> u32 {
    u32::from_ne_bytes(bytes)
}

/// Both halves of a product of 128 bits: each bit of the result depends on all of both numbers.
#[inline(always)]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A one's-complement sum of 64 bits.
#[derive(Clone, Copy)]
pub struct Checksum(pub u64);

impl Checksum {
    /// The carry is added at the other end.
    #[inline(always)]
    pub fn add(self, word: u64) -> Checksum {
        let (sum, carry) = self.0.overflowing_add(word);
        Checksum(sum + u64::from(carry))
    }

    #[inline(always)]
    pub fn add_u32(self, word: u32) -> Checksum {
        self.add(u64::from(word))
    }

    /// The same sum in 33 bits: room for carries.
    #[inline(always)]
    pub const fn in_33_bits(self) -> u64 {
        (self.0 & 0xffff_ffff) + (self.0 >> 32)
    }

    /// To 16 bits, in byte order. Added to itself with its halves swapped, the upper half
    /// of a number is the sum of both, carry included.
    #[inline(always)]
    pub fn fold(self) -> u16 {
        let sum = (self.0.wrapping_add(self.0.rotate_right(32)) >> 32) as u32;
        (sum.wrapping_add(sum.rotate_right(16)) >> 16) as u16
    }
}
