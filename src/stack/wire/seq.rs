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

    /// Bytes from `earlier` up to `self`, modulo 2^32.
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
    fn add(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for Seq {
    #[inline]
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;
    #[inline]
    fn sub(self, bytes: u32) -> Seq {
        Seq(self.0.wrapping_sub(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        let rows = [
            (Seq(0), Seq(1), true),
            (Seq(u32::MAX), Seq(0), true),
            (Seq(0xffff_ff00), Seq(0x100), true),
            (Seq(5), Seq(5), false),
            (Seq(1), Seq(0), false),
            (Seq(0), Seq(0x7fff_ffff), true),
            (Seq(0), Seq(0x8000_0001), false),
        ];
        for (a, b, before) in rows {
            assert_eq!(a.before(b), before, "{a:?} {b:?}");
            assert_eq!(b.after(a), before, "{a:?} {b:?}");
            assert_eq!(a.at_or_before(b), before || a == b, "{a:?} {b:?}");
        }
    }

    #[test]
    fn arithmetic_wraps() {
        assert_eq!(Seq(u32::MAX) + 2, Seq(1));
        assert_eq!(Seq(1) - 2, Seq(u32::MAX));
        assert_eq!(Seq(3).since(Seq(u32::MAX)), 4);
        let mut seq = Seq(u32::MAX);
        seq += 1;
        assert_eq!(seq, Seq(0));
    }

    #[test]
    fn within_is_half_open() {
        let rows = [
            (Seq(10), Seq(10), 0, false),
            (Seq(10), Seq(10), 1, true),
            (Seq(11), Seq(10), 1, false),
            (Seq(9), Seq(10), 100, false),
            (Seq(2), Seq(u32::MAX), 4, true),
            (Seq(3), Seq(u32::MAX), 4, false),
        ];
        for (seq, start, length, expected) in rows {
            assert_eq!(seq.within(start, length), expected, "{seq:?} in {start:?}+{length}");
        }
    }
}
