//! The protocol on bucket entries: find, insert, remove. The letters refer to the module's table of
//! memory orders.

use super::entry::{Entry, Tag};
use super::shape::Ordering::{Acquire, Relaxed, Release, SeqCst};
use super::shape::{Bucket, OFFSETS, fence, published};

/// Attempts at one place that keeps changing before an inserter withdraws its own entry.
const MAX_LOOKS: usize = 16;

/// Why an entry did not become a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum InsertRefusal {
    /// The key is a member already, in this slot.
    Exists(u32),
    /// Another inserter of the same key wins.
    Raced,
    /// Every place where the key may live is taken.
    Full,
}

/// The buckets that a key may live in.
pub(super) struct Probe<'a> {
    /// From the key's home on.
    buckets: &'a [Bucket],
    tag: Tag,
}

/// A place as seen from the home; two inserters of one key agree on which is earlier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EntryPosition {
    distance: usize,
    way: usize,
}

impl<'a> Probe<'a> {
    #[inline]
    pub(super) fn new(buckets: &'a [Bucket], tag: Tag) -> Self {
        Probe { buckets, tag }
    }

    /// The member with this key. `same` compares the key of a slot with the one looked for, by
    /// relaxed loads of words that may be rewritten meanwhile.
    ///
    /// An entry that changes between the two loads is skipped: if the key had been a member all the
    /// time, it would have stayed in one place, and its entry would not have changed.
    #[inline]
    pub(super) fn find(&self, same: impl Fn(u32) -> bool) -> Option<Entry> {
        self.search(|bucket| {
            bucket.select(Relaxed, |word| word.is_member_tagged(self.tag)).find_map(|way| {
                let word = bucket.load(way, Acquire); // E
                if !word.is_member_tagged(self.tag) || !same(word.slot()) {
                    return None;
                }
                fence(Acquire); // F
                (bucket.load(way, Relaxed) == word).then_some(word)
            })
        })
    }

    /// The first member with the key's tag: most likely the key's, but the key is not compared.
    #[inline]
    pub(super) fn candidate(&self) -> Option<Entry> {
        self.search(|bucket| {
            let way = bucket.select(Relaxed, |word| word.is_member_tagged(self.tag)).next()?;
            Some(bucket.load(way, Relaxed)).filter(|word| word.is_member())
        })
    }

    /// Makes `entry`, a tentative one whose slot holds the key already, a member.
    #[inline(always)]
    pub(super) fn insert(&self, entry: Entry, same: impl Fn(u32) -> bool) -> Result<(), InsertRefusal> {
        let place = self.publish_at_home(entry).or_else(|| self.publish(entry)).ok_or(InsertRefusal::Full)?;
        published();
        let met = if self.no_duplicate_possible(place) { Ok(()) } else { self.scan_duplicates(place, &same) };
        let verdict = met.and_then(|()| self.promote(place, entry));
        if verdict.is_err() {
            self.withdraw(place, entry);
        }
        verdict
    }

    /// As [`Probe::insert`] without concurrent inserters: the caller has looked for the key, and an
    /// empty place stays empty until it is written.
    #[inline]
    pub(super) fn insert_exclusive(&self, entry: Entry) -> Result<(), InsertRefusal> {
        let published = (0..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let way = bucket.select(Relaxed, |word| word == Entry::EMPTY).next()?;
            self.inc_overflow(distance);
            bucket.store(way, entry.member(), Release); // L
            Some(())
        });
        published.ok_or(InsertRefusal::Full)
    }

    /// Removes the member in `slot`, which the caller owns: no other core changes a member's word.
    #[inline]
    pub(super) fn remove(&self, slot: u32) -> Option<Entry> {
        let near = self.remove_at(0, slot);
        near.or_else(|| self.home()?.overflow(Acquire).find_map(|distance| self.remove_at(distance, slot)))
    }

    #[inline]
    fn home(&self) -> Option<&'a Bucket> {
        self.buckets.first()
    }

    #[inline]
    fn bucket(&self, distance: usize) -> Option<&'a Bucket> {
        self.buckets.get(*OFFSETS.get(distance)?)
    }

    /// Searches the home, then the buckets where entries of this home live.
    #[inline]
    fn search(&self, look: impl Fn(&Bucket) -> Option<Entry>) -> Option<Entry> {
        let home = self.home()?;
        look(home).or_else(|| home.overflow(Acquire).find_map(|distance| look(self.bucket(distance)?)))
    }

    /// Puts the entry into the first empty place of the home, where nearly all go.
    #[inline(always)]
    fn publish_at_home(&self, word: Entry) -> Option<EntryPosition> {
        let home = self.home()?;
        let way = home.select(Relaxed, |word| word == Entry::EMPTY).next()?;
        home.swap(way, Entry::EMPTY, word, SeqCst).then_some(EntryPosition { distance: 0, way }) // C
    }

    /// Puts the entry into the first empty place. Outside the home its overflow is counted first.
    #[cold]
    fn publish(&self, word: Entry) -> Option<EntryPosition> {
        (0..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let mut empty = bucket.select(Relaxed, |word| word == Entry::EMPTY).peekable();
            empty.peek()?;
            self.inc_overflow(distance);
            let taken = empty.find(|&way| bucket.swap(way, Entry::EMPTY, word, SeqCst)); // C
            if taken.is_none() {
                self.dec_overflow(distance);
            }
            taken.map(|way| EntryPosition { distance, way })
        })
    }

    /// Whether no other entry can have the key: none at home has its tag, and none has overflowed.
    /// With the tag 0 every empty place looks like one that has it, and `scan_duplicates` decides.
    #[inline(always)]
    fn no_duplicate_possible(&self, own: EntryPosition) -> bool {
        let Some(home) = self.home() else { return false };
        let tagged = home.select(SeqCst, |word| word.has_tag(self.tag)); // D
        own.distance == 0 && tagged.is_only(own.way) && home.overflow(SeqCst).is_empty() // D
    }

    /// Resolves every other entry that may have the key.
    #[cold]
    fn scan_duplicates(&self, own: EntryPosition, same: &impl Fn(u32) -> bool) -> Result<(), InsertRefusal> {
        self.scan_bucket(0, own, same)?;
        let Some(home) = self.home() else { return Ok(()) };
        let mut distances = home.overflow(SeqCst); // D
        distances.try_for_each(|distance| self.scan_bucket(distance, own, same))
    }

    #[inline]
    fn scan_bucket(
        &self,
        distance: usize,
        own: EntryPosition,
        same: &impl Fn(u32) -> bool,
    ) -> Result<(), InsertRefusal> {
        let Some(bucket) = self.bucket(distance) else { return Ok(()) };
        bucket
            .select(SeqCst, |word| word.is_tagged(self.tag)) // D
            .map(|way| EntryPosition { distance, way })
            .filter(|place| *place != own)
            .try_for_each(|place| self.resolve_duplicate(bucket, place, place < own, same))
    }

    /// Resolves a possible duplicate in another place. `Ok`: it has another key, or was emptied.
    fn resolve_duplicate(
        &self,
        bucket: &Bucket,
        place: EntryPosition,
        earlier: bool,
        same: &impl Fn(u32) -> bool,
    ) -> Result<(), InsertRefusal> {
        for _ in 0..MAX_LOOKS {
            let word = bucket.load(place.way, SeqCst); // D
            if !word.is_tagged(self.tag) || !same(word.slot()) {
                return Ok(());
            }
            fence(Acquire); // F
            if bucket.load(place.way, Relaxed) != word {
                continue;
            }
            if word.is_member() {
                return Err(InsertRefusal::Exists(word.slot()));
            }
            if earlier {
                return Err(InsertRefusal::Raced);
            }
            if bucket.swap(place.way, word, Entry::EMPTY, Relaxed) {
                return Ok(()); // K
            }
        }
        Err(InsertRefusal::Raced)
    }

    #[inline]
    fn promote(&self, place: EntryPosition, entry: Entry) -> Result<(), InsertRefusal> {
        let promoted = self
            .bucket(place.distance)
            .is_some_and(|bucket| bucket.swap(place.way, entry, entry.member(), Release)); // G
        promoted.then_some(()).ok_or(InsertRefusal::Raced)
    }

    /// Removes a tentative entry again, unless a rival has done so.
    #[cold]
    fn withdraw(&self, place: EntryPosition, entry: Entry) {
        if let Some(bucket) = self.bucket(place.distance) {
            bucket.swap(place.way, entry, Entry::EMPTY, Release); // H
            fence(Release); // H
            self.dec_overflow(place.distance);
        }
    }

    #[inline]
    fn remove_at(&self, distance: usize, slot: u32) -> Option<Entry> {
        let bucket = self.bucket(distance)?;
        let way = bucket.select(Relaxed, |word| word.is_member_of(slot)).next()?;
        let word = bucket.load(way, Relaxed);
        bucket.store(way, Entry::EMPTY, Release); // H
        fence(Release); // H
        self.dec_overflow(distance);
        Some(word)
    }

    #[inline]
    fn inc_overflow(&self, distance: usize) {
        if let (1.., Some(home)) = (distance, self.home()) {
            home.inc_overflow(distance, SeqCst); // B
        }
    }

    #[inline]
    fn dec_overflow(&self, distance: usize) {
        if let (1.., Some(home)) = (distance, self.home()) {
            home.dec_overflow(distance, Release); // I
        }
    }
}
