//! An entry: one word in a place of a bucket, changed by compare-and-swap.

const SLOT_BITS: u32 = 28;
const GENERATION_BITS: u32 = 20;
const TAG_BITS: u32 = 14;

const TAG_SHIFT: u32 = SLOT_BITS + GENERATION_BITS;
const STATE_SHIFT: u32 = TAG_SHIFT + TAG_BITS;

const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;

const TENTATIVE: u64 = 1;
const MEMBER: u64 = 2;

/// The bits of the tag in the upper 16 of an entry; the state is above them.
pub(super) const UPPER_TAG_MASK: u16 = TAG_MASK as u16;

const _: () = assert!(STATE_SHIFT == 62 && TAG_SHIFT == 48);

/// Slots that an entry can name.
pub(super) const MAX_SLOTS: u64 = 1 << SLOT_BITS;

/// 14 bits of the hash, which distinguish most other keys without reading a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag(u64);

impl Tag {
    /// The lowest bits; the bucket's position comes from the highest. With 2^22
    /// buckets (16 M connections) 10 bits of the tag are independent of it, and one miss in 250 reads
    /// another key's line.
    #[inline]
    pub(super) fn of(hash: u32) -> Self {
        Tag(u64::from(hash) & TAG_MASK)
    }

    #[inline(always)]
    pub(super) fn bits(self) -> u16 {
        self.0 as u16
    }

    /// The upper 16 bits of a member with this tag.
    #[inline(always)]
    pub(super) fn member_upper(self) -> u16 {
        (MEMBER << TAG_BITS | self.0) as u16
    }
}

/// How often a slot was taken into use; wraps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Generation(u32);

impl Generation {
    pub(super) const FIRST: Self = Generation(0);

    #[inline]
    pub(super) fn from_bits(bits: u32) -> Self {
        Generation(bits & GENERATION_MASK as u32)
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn next(self) -> Self {
        Generation::from_bits(self.0.wrapping_add(1))
    }
}

/// state 2 | tag 14 | generation 20 | slot 28. All zero: empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry(u64);

impl Entry {
    pub(super) const EMPTY: Self = Entry(0);

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Self {
        Entry(bits)
    }

    #[inline]
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// State and tag, by which a bucket is searched.
    #[inline(always)]
    pub(super) fn upper(self) -> u16 {
        (self.0 >> TAG_SHIFT) as u16
    }

    /// An entry that wants to become a member.
    #[inline]
    pub(super) fn tentative(tag: Tag, generation: Generation, slot: u32) -> Self {
        let generation = u64::from(generation.0) << SLOT_BITS;
        Entry(TENTATIVE << STATE_SHIFT | tag.0 << TAG_SHIFT | generation | u64::from(slot) & SLOT_MASK)
    }

    /// The same entry as a member.
    #[inline]
    pub(super) fn member(self) -> Self {
        Entry(self.0 & !(3 << STATE_SHIFT) | MEMBER << STATE_SHIFT)
    }

    #[inline]
    pub(super) fn is_member(self) -> bool {
        self.0 >> STATE_SHIFT == MEMBER
    }

    /// Whether it is a member with this tag.
    #[inline]
    pub(super) fn is_member_tagged(self, tag: Tag) -> bool {
        self.upper() == tag.member_upper()
    }

    /// Whether it is an entry, of either state, with this tag.
    #[inline]
    pub(super) fn is_tagged(self, tag: Tag) -> bool {
        self != Entry::EMPTY && self.upper() & UPPER_TAG_MASK == tag.bits()
    }

    /// Whether it is the member that lives in this slot.
    #[inline]
    pub(super) fn is_member_of(self, slot: u32) -> bool {
        self.0 & (3 << STATE_SHIFT | SLOT_MASK) == MEMBER << STATE_SHIFT | u64::from(slot)
    }

    #[inline]
    pub(super) fn slot(self) -> u32 {
        (self.0 & SLOT_MASK) as u32
    }

    #[inline]
    pub(super) fn generation(self) -> Generation {
        Generation::from_bits((self.0 >> SLOT_BITS) as u32)
    }
}
