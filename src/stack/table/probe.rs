//! The protocol on bucket entries: find, insert, remove. The letters refer to the module's table of
//! memory orders.

use super::bucket::{Distances, SPAN, Ways};
use super::entry::{Entry, Tag};
use super::shape::Ordering::{Acquire, Relaxed, Release, SeqCst};
use super::shape::{Bucket, Look, OFFSETS, fence, published};

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

/// Whether a slot has the key. Passed by value, also to functions that are not inlined: a reference
/// would need it in memory on the hot path.
pub(super) trait Same: Fn(u32) -> bool + Copy {}

impl<F: Fn(u32) -> bool + Copy> Same for F {}

/// The buckets that a key may live in.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    /// From the key's home on.
    buckets: &'a [Bucket; SPAN],
    tag: Tag,
}

/// No member had the key. The places of its home that were empty at the same look.
#[derive(Clone, Copy)]
pub(super) struct Absent(Ways);

/// A place as seen from the home; two inserters of one key agree on which is earlier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EntryPosition {
    distance: usize,
    way: usize,
}

impl<'a> Probe<'a> {
    #[inline]
    pub(super) fn new(buckets: &'a [Bucket; SPAN], tag: Tag) -> Self {
        Probe { buckets, tag }
    }

    /// The member with this key. `same` compares the key of a slot with the one looked for, by
    /// relaxed loads of words that may be rewritten meanwhile.
    #[inline(always)]
    pub(super) fn find(self, same: impl Same) -> Option<Entry> {
        let home = self.home();
        let found = self.find_among(home, Look::at(home, Relaxed).members(self.tag), same);
        if found.is_some() {
            return found;
        }
        let distances = home.overflow(Acquire);
        if distances.is_empty() { None } else { self.find_elsewhere(distances, same) }
    }

    /// As [`Probe::find`], for a caller that inserts the key if no member has it.
    #[inline(always)]
    pub(super) fn find_or_absent(self, same: impl Same) -> Result<Absent, Entry> {
        let home = self.home();
        let look = Look::at(home, Relaxed);
        let (tagged, distances) = (look.members(self.tag), home.overflow(Acquire));
        if (!tagged.is_empty() || !distances.is_empty())
            && let Some(member) = self.find_everywhere(tagged, distances, same)
        {
            return Err(member);
        }
        Ok(Absent(look.empty()))
    }

    /// The first member with the key's tag: most likely the key's, but the key is not compared.
    #[inline(always)]
    pub(super) fn candidate(self) -> Option<Entry> {
        let home = self.home();
        match Look::at(home, Relaxed).members(self.tag).first() {
            Some(way) => Some(home.load(way, Relaxed)).filter(|word| word.is_member()),
            None => {
                let distances = home.overflow(Acquire);
                if distances.is_empty() { None } else { self.candidate_elsewhere(distances) }
            }
        }
    }

    /// Makes `entry`, a tentative one whose slot holds the key already, a member.
    #[inline(always)]
    pub(super) fn insert(self, absent: Absent, entry: Entry, same: impl Same) -> Result<(), InsertRefusal> {
        let home = self.home();
        let Some(way) = absent.0.first().filter(|&way| home.swap(way, Entry::EMPTY, entry, SeqCst))
        // C
        else {
            return self.insert_anywhere(entry, same);
        };
        published();
        let place = EntryPosition { distance: 0, way };
        if !self.no_duplicate_possible(way) {
            return self.insert_among(place, entry, same);
        }
        if home.swap(way, entry, entry.member(), Release) {
            return Ok(()); // G
        }
        self.withdraw(place, entry);
        Err(InsertRefusal::Raced)
    }

    /// As [`Probe::insert`] without concurrent inserters: an empty place stays empty until it is written.
    #[inline(always)]
    pub(super) fn insert_exclusive(self, absent: Absent, entry: Entry) -> Result<(), InsertRefusal> {
        match absent.0.first() {
            Some(way) => {
                self.home().store(way, entry.member(), Release); // L
                Ok(())
            }
            None => self.insert_exclusive_elsewhere(entry),
        }
    }

    /// Removes the member in `slot`, which the caller owns: no other core changes a member's word.
    #[inline(always)]
    pub(super) fn remove(self, slot: u32) -> Option<Entry> {
        let home = self.home();
        let removed = self.remove_from(home, slot);
        if removed.is_some() {
            return removed;
        }
        let distances = home.overflow(Acquire);
        if distances.is_empty() { None } else { self.remove_elsewhere(distances, slot) }
    }

    #[inline(always)]
    fn home(self) -> &'a Bucket {
        &self.buckets[0]
    }

    #[inline]
    fn bucket(self, distance: usize) -> Option<&'a Bucket> {
        self.buckets.get(*OFFSETS.get(distance)?)
    }

    /// The member with this key in one of these places.
    ///
    /// An entry that changes between the two loads is skipped: if the key had been a member all the
    /// time, it would have stayed in one place, and its entry would not have changed.
    #[inline(always)]
    fn find_among(self, bucket: &Bucket, mut ways: Ways, same: impl Same) -> Option<Entry> {
        ways.find_map(|way| {
            let word = bucket.load(way, Acquire); // E
            if !word.is_member_tagged(self.tag) || !same(word.slot()) {
                return None;
            }
            fence(Acquire); // F
            (bucket.load(way, Relaxed) == word).then_some(word)
        })
    }

    #[inline(never)]
    fn find_elsewhere(self, mut distances: Distances, same: impl Same) -> Option<Entry> {
        distances.find_map(|distance| {
            let bucket = self.bucket(distance)?;
            self.find_among(bucket, Look::at(bucket, Relaxed).members(self.tag), same)
        })
    }

    #[inline(never)]
    fn find_everywhere(self, tagged: Ways, distances: Distances, same: impl Same) -> Option<Entry> {
        self.find_among(self.home(), tagged, same).or_else(|| self.find_elsewhere(distances, same))
    }

    #[inline(never)]
    fn candidate_elsewhere(self, mut distances: Distances) -> Option<Entry> {
        distances.find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let way = Look::at(bucket, Relaxed).members(self.tag).first()?;
            Some(bucket.load(way, Relaxed)).filter(|word| word.is_member())
        })
    }

    /// [`Probe::insert_exclusive`] where the home is full.
    #[inline(never)]
    fn insert_exclusive_elsewhere(self, entry: Entry) -> Result<(), InsertRefusal> {
        let stored = (1..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let way = Look::at(bucket, Relaxed).empty().first()?;
            self.inc_overflow(distance);
            bucket.store(way, entry.member(), Release); // L
            Some(())
        });
        stored.ok_or(InsertRefusal::Full)
    }

    /// [`Probe::insert`] where the home is full, or the place in it was taken meanwhile.
    #[inline(never)]
    fn insert_anywhere(self, entry: Entry, same: impl Same) -> Result<(), InsertRefusal> {
        let place = self.publish(entry).ok_or(InsertRefusal::Full)?;
        published();
        self.insert_among(place, entry, same)
    }

    /// [`Probe::insert`] from the entry's publication on, where others may have the key.
    #[inline(never)]
    fn insert_among(self, place: EntryPosition, entry: Entry, same: impl Same) -> Result<(), InsertRefusal> {
        let verdict = self.scan_duplicates(place, same).and_then(|()| self.promote(place, entry));
        if verdict.is_err() {
            self.withdraw(place, entry);
        }
        verdict
    }

    /// Puts the entry into the first empty place. Outside the home its overflow is counted first.
    fn publish(self, word: Entry) -> Option<EntryPosition> {
        (0..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let mut empty = Look::at(bucket, Relaxed).empty();
            if empty.is_empty() {
                return None;
            }
            self.inc_overflow(distance);
            let taken = empty.find(|&way| bucket.swap(way, Entry::EMPTY, word, SeqCst)); // C
            if taken.is_none() {
                self.dec_overflow(distance);
            }
            taken.map(|way| EntryPosition { distance, way })
        })
    }

    /// Whether no entry but the one in `way` of the home can have the key: none at home has its tag, and
    /// none has overflowed.
    #[inline(always)]
    fn no_duplicate_possible(self, way: usize) -> bool {
        let home = self.home();
        let tagged = Look::at(home, SeqCst).entries(self.tag); // D
        tagged.is_only(way) && home.overflow(SeqCst).is_empty() // D
    }

    /// Resolves every other entry that may have the key.
    fn scan_duplicates(self, own: EntryPosition, same: impl Same) -> Result<(), InsertRefusal> {
        self.scan_bucket(0, own, same)?;
        let mut distances = self.home().overflow(SeqCst); // D
        distances.try_for_each(|distance| self.scan_bucket(distance, own, same))
    }

    #[inline]
    fn scan_bucket(self, distance: usize, own: EntryPosition, same: impl Same) -> Result<(), InsertRefusal> {
        let Some(bucket) = self.bucket(distance) else { return Ok(()) };
        Look::at(bucket, SeqCst) // D
            .entries(self.tag)
            .map(|way| EntryPosition { distance, way })
            .filter(|place| *place != own)
            .try_for_each(|place| self.resolve_duplicate(bucket, place, place < own, same))
    }

    /// Resolves a possible duplicate in another place. `Ok`: it has another key, or was emptied.
    fn resolve_duplicate(
        self,
        bucket: &Bucket,
        place: EntryPosition,
        earlier: bool,
        same: impl Same,
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
    fn promote(self, place: EntryPosition, entry: Entry) -> Result<(), InsertRefusal> {
        let promoted = self
            .bucket(place.distance)
            .is_some_and(|bucket| bucket.swap(place.way, entry, entry.member(), Release)); // G
        promoted.then_some(()).ok_or(InsertRefusal::Raced)
    }

    /// Removes a tentative entry again, unless a rival has done so.
    #[cold]
    fn withdraw(self, place: EntryPosition, entry: Entry) {
        if let Some(bucket) = self.bucket(place.distance) {
            bucket.swap(place.way, entry, Entry::EMPTY, Release); // H
            fence(Release); // H
            self.dec_overflow(place.distance);
        }
    }

    #[inline(never)]
    fn remove_elsewhere(self, mut distances: Distances, slot: u32) -> Option<Entry> {
        distances.find_map(|distance| {
            let word = self.remove_from(self.bucket(distance)?, slot)?;
            self.dec_overflow(distance);
            Some(word)
        })
    }

    /// Another core's member with the tag may have been removed since the look, and an empty place reads
    /// as slot 0: hence `is_member_of`.
    #[inline(always)]
    fn remove_from(self, bucket: &Bucket, slot: u32) -> Option<Entry> {
        let (way, word) = Look::at(bucket, Relaxed)
            .members(self.tag)
            .map(|way| (way, bucket.load(way, Relaxed)))
            .find(|(_, word)| word.is_member_of(slot))?;
        bucket.store(way, Entry::EMPTY, Release); // H
        fence(Release); // H
        Some(word)
    }

    #[inline]
    fn inc_overflow(self, distance: usize) {
        if distance > 0 {
            self.home().inc_overflow(distance, SeqCst); // B
        }
    }

    #[inline]
    fn dec_overflow(self, distance: usize) {
        if distance > 0 {
            self.home().dec_overflow(distance, Release); // I
        }
    }
}
