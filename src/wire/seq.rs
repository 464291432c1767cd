use std::ops::{Add, AddAssign, Sub};

/// A TCP sequence number: modulo 2^32, so there is no `Ord`, only before and after within half
/// the space (RFC 9293 3.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, zerocopy::FromZeros)]
#[repr(transparent)]
pub struct Seq(pub u32);

impl Seq {
    /// `self < other` in sequence space.
    #[inline]
    pub const fn before(self, other: Seq) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// `self > other` in sequence space.
    #[inline]
    pub const fn after(self, other: Seq) -> bool {
        other.before(self)
    }

    /// `self <= other` in sequence space.
    #[inline]
    pub const fn at_or_before(self, other: Seq) -> bool {
        !other.before(self)
    }

    /// Octets from `earlier` up to `self`, modulo 2^32.
    #[inline]
    pub const fn since(self, earlier: Seq) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// `start <= self < start + length`.
    #[inline]
    pub const fn within(self, start: Seq, length: u32) -> bool {
        self.since(start) < length
    }
}

impl Add<u32> for Seq {
    type Output = Seq;
    #[inline]
    fn add(self, octets: u32) -> Seq {
        Seq(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for Seq {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    #[inline]
    fn sub(self, octets: u32) -> Seq {
        Seq(self.0.wrapping_sub(octets))
    }
}
