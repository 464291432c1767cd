//! Words out of a frame, as they lie in memory, and their one's-complement sum, which does not depend on
//! the order of octets (RFC 1071 2B).

#[inline(always)]
pub fn u16_at(octets: &[u8; 54], at: usize) -> u16 {
    u16::from_ne_bytes([octets[at], octets[at + 1]])
}

#[inline(always)]
pub fn u32_at(octets: &[u8; 54], at: usize) -> u32 {
    u32::from_ne_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
}

#[inline(always)]
pub fn u64_at(octets: &[u8; 54], at: usize) -> u64 {
    let (low, high) = (u32_at(octets, at), u32_at(octets, at + 4));
    if cfg!(target_endian = "little") {
        u64::from(high) << 32 | u64::from(low)
    } else {
        u64::from(low) << 32 | u64::from(high)
    }
}

pub const fn octets(octets: [u8; 4]) -> u32 {
    u32::from_ne_bytes(octets)
}

/// Both halves of a product of 128 bits: each bit of the result depends on all of both numbers.
#[inline(always)]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// A one's-complement sum of 64 bits.
#[derive(Clone, Copy)]
pub struct Sum(pub u64);

impl Sum {
    /// The carry is added at the other end.
    #[inline(always)]
    pub fn add(self, word: u64) -> Sum {
        let (sum, carry) = self.0.overflowing_add(word);
        Sum(sum + u64::from(carry))
    }

    #[inline(always)]
    pub fn add_u32(self, word: u32) -> Sum {
        self.add(u64::from(word))
    }

    /// The same sum in 33 bits: room for carries.
    #[inline(always)]
    pub const fn halves(self) -> u64 {
        (self.0 & 0xffff_ffff) + (self.0 >> 32)
    }

    /// To 16 bits, in the order of the octets. Added to itself with its halves swapped, the upper half
    /// of a number is the sum of both, carry included.
    #[inline(always)]
    pub fn fold(self) -> u16 {
        let sum = (self.0.wrapping_add(self.0.rotate_right(32)) >> 32) as u32;
        (sum.wrapping_add(sum.rotate_right(16)) >> 16) as u16
    }
}
