//! The protocol on bucket words: find, insert, remove. The letters are those of the module's
//! table of memory orders.

use super::shape::Ordering::{Acquire, Relaxed, Release, SeqCst};
use super::shape::{Bucket, OFFSETS, fence, published};
use super::word::{Tag, Word};

/// Looks at one place that keeps changing under an inserter before it gives up its own entry.
const LOOKS: usize = 16;

/// Why an entry did not become a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// The key is a member already, in this slot.
    Exists(u32),
    /// Another inserter of the same key was first, or will be.
    Raced,
    /// Every place the key may live in is taken.
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
struct Place {
    distance: usize,
    way: usize,
}

impl<'a> Probe<'a> {
    #[inline]
    pub fn new(buckets: &'a [Bucket], tag: Tag) -> Self {
        Probe { buckets, tag }
    }

    /// The member with this key. `same` compares the key of a slot with the one looked for, by
    /// relaxed loads of words that may be rewritten meanwhile.
    ///
    /// A word that changes between the two looks is passed over: had the key been a member all
    /// the time, it would have been so in one place, and its word would not have changed.
    #[inline]
    pub fn find(&self, same: impl Fn(u32) -> bool) -> Option<Word> {
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

    /// The first member with the key's tag: most likely the key's, but nobody compared.
    #[inline]
    pub fn candidate(&self) -> Option<Word> {
        self.search(|bucket| {
            let way = bucket.select(Relaxed, |word| word.is_member_tagged(self.tag)).next()?;
            Some(bucket.load(way, Relaxed)).filter(|word| word.is_member())
        })
    }

    /// Makes `entry`, a tentative word whose slot has the key already, a member.
    #[inline]
    pub fn insert(&self, entry: Word, same: impl Fn(u32) -> bool) -> Result<(), Refusal> {
        let place = self.publish_at_home(entry).or_else(|| self.publish(entry)).ok_or(Refusal::Full)?;
        published();
        let met = if self.is_alone(place) { Ok(()) } else { self.look_around(place, &same) };
        let verdict = met.and_then(|()| self.promote(place, entry));
        if verdict.is_err() {
            self.withdraw(place, entry);
        }
        verdict
    }

    /// As [`Probe::insert`] where nobody else inserts: the caller has looked for the key, and an
    /// empty place stays empty until it is written.
    #[inline]
    pub fn insert_alone(&self, entry: Word) -> Result<(), Refusal> {
        let published = (0..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let way = bucket.select(Relaxed, |word| word == Word::EMPTY).next()?;
            self.announce(distance);
            bucket.store(way, entry.member(), Release); // L
            Some(())
        });
        published.ok_or(Refusal::Full)
    }

    /// Removes the member in `slot`, which the caller owns: no other core changes a member's word.
    #[inline]
    pub fn remove(&self, slot: u32) -> Option<Word> {
        let near = self.remove_at(0, slot);
        near.or_else(|| self.home()?.elsewhere(Acquire).find_map(|distance| self.remove_at(distance, slot)))
    }

    #[inline]
    fn home(&self) -> Option<&'a Bucket> {
        self.buckets.first()
    }

    #[inline]
    fn bucket(&self, distance: usize) -> Option<&'a Bucket> {
        self.buckets.get(*OFFSETS.get(distance)?)
    }

    /// Looks into the home, then into the buckets where entries of this home live.
    #[inline]
    fn search(&self, look: impl Fn(&Bucket) -> Option<Word>) -> Option<Word> {
        let home = self.home()?;
        look(home).or_else(|| home.elsewhere(Acquire).find_map(|distance| look(self.bucket(distance)?)))
    }

    /// Puts the word into the first empty place of the home, where nearly all go.
    #[inline(always)]
    fn publish_at_home(&self, word: Word) -> Option<Place> {
        let home = self.home()?;
        let way = home.select(Relaxed, |word| word == Word::EMPTY).next()?;
        home.swap(way, Word::EMPTY, word, SeqCst).then_some(Place { distance: 0, way }) // C
    }

    /// Puts the word into the first empty place. Elsewhere than at home it is announced first.
    #[cold]
    fn publish(&self, word: Word) -> Option<Place> {
        (0..OFFSETS.len()).find_map(|distance| {
            let bucket = self.bucket(distance)?;
            let mut empty = bucket.select(Relaxed, |word| word == Word::EMPTY).peekable();
            empty.peek()?;
            self.announce(distance);
            let taken = empty.find(|&way| bucket.swap(way, Word::EMPTY, word, SeqCst)); // C
            if taken.is_none() {
                self.retract(distance);
            }
            taken.map(|way| Place { distance, way })
        })
    }

    /// Whether no other entry can have the key: at home none has its tag, and none lives elsewhere.
    /// With the tag 0 every empty place looks like one that has it, and `look_around` decides.
    #[inline(always)]
    fn is_alone(&self, own: Place) -> bool {
        let Some(home) = self.home() else { return false };
        let tagged = home.select(SeqCst, |word| word.has_tag(self.tag)); // D
        own.distance == 0 && tagged.is_only(own.way) && home.elsewhere(SeqCst).is_empty() // D
    }

    /// Meets every other entry that may have the key.
    #[cold]
    fn look_around(&self, own: Place, same: &impl Fn(u32) -> bool) -> Result<(), Refusal> {
        self.look_into(0, own, same)?;
        let Some(home) = self.home() else { return Ok(()) };
        let mut distances = home.elsewhere(SeqCst); // D
        distances.try_for_each(|distance| self.look_into(distance, own, same))
    }

    #[inline]
    fn look_into(&self, distance: usize, own: Place, same: &impl Fn(u32) -> bool) -> Result<(), Refusal> {
        let Some(bucket) = self.bucket(distance) else { return Ok(()) };
        bucket
            .select(SeqCst, |word| word.is_tagged(self.tag)) // D
            .map(|way| Place { distance, way })
            .filter(|place| *place != own)
            .try_for_each(|place| self.meet(bucket, place, place < own, same))
    }

    /// Settles with the entry in another place: passes when it is a stranger or was emptied.
    fn meet(
        &self,
        bucket: &Bucket,
        place: Place,
        earlier: bool,
        same: &impl Fn(u32) -> bool,
    ) -> Result<(), Refusal> {
        for _ in 0..LOOKS {
            let word = bucket.load(place.way, SeqCst); // D
            if !word.is_tagged(self.tag) || !same(word.slot()) {
                return Ok(());
            }
            fence(Acquire); // F
            if bucket.load(place.way, Relaxed) != word {
                continue;
            }
            if word.is_member() {
                return Err(Refusal::Exists(word.slot()));
            }
            if earlier {
                return Err(Refusal::Raced);
            }
            if bucket.swap(place.way, word, Word::EMPTY, Relaxed) {
                return Ok(()); // K
            }
        }
        Err(Refusal::Raced)
    }

    #[inline]
    fn promote(&self, place: Place, entry: Word) -> Result<(), Refusal> {
        let promoted = self
            .bucket(place.distance)
            .is_some_and(|bucket| bucket.swap(place.way, entry, entry.member(), Release)); // G
        promoted.then_some(()).ok_or(Refusal::Raced)
    }

    /// Takes a tentative word out again, unless a rival has done so.
    #[cold]
    fn withdraw(&self, place: Place, entry: Word) {
        if let Some(bucket) = self.bucket(place.distance) {
            bucket.swap(place.way, entry, Word::EMPTY, Release); // H
            fence(Release); // H
            self.retract(place.distance);
        }
    }

    #[inline]
    fn remove_at(&self, distance: usize, slot: u32) -> Option<Word> {
        let bucket = self.bucket(distance)?;
        let way = bucket.select(Relaxed, |word| word.is_member_of(slot)).next()?;
        let word = bucket.load(way, Relaxed);
        bucket.store(way, Word::EMPTY, Release); // H
        fence(Release); // H
        self.retract(distance);
        Some(word)
    }

    #[inline]
    fn announce(&self, distance: usize) {
        if let (1.., Some(home)) = (distance, self.home()) {
            home.announce(distance, SeqCst); // B
        }
    }

    #[inline]
    fn retract(&self, distance: usize) {
        if let (1.., Some(home)) = (distance, self.home()) {
            home.retract(distance, Release); // I
        }
    }
}
