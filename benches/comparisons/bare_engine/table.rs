//! Buckets of eight tags, one cache line each, and entries of one cache line each.
#![allow(unsafe_code)] // madvise: no allocator asks for huge pages

use nix::sys::mman::{MmapAdvise, madvise};
use std::ptr::NonNull;

/// The 4-tuple as it lies in an arriving frame: source and destination.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Key {
    pub addresses: u64,
    pub ports: u32,
}

/// Numbers in host order.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Entry {
    key: Key,
    pub receive_next: u32,
    pub send_next: u32,
    pub mss: u16,
    pub established: bool,
    in_use: bool,
}

/// Eight places. A tag of 0 is an empty one.
#[derive(Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    tags: u64,
    slots: [u32; 8],
    /// Entries that found this bucket full and lie behind it: with none a look-up ends here.
    passed: u32,
}

const _: () = assert!(size_of::<Entry>() == 64 && size_of::<Bucket>() == 64);

pub struct Table {
    buckets: Vec<Bucket>,
    entries: Vec<Entry>,
    /// The one that is taken next is the last.
    free: Vec<u32>,
}

impl Table {
    /// At most three quarters of the places are ever taken.
    pub fn new(capacity: u32) -> Table {
        let buckets = (capacity as usize).div_ceil(6).next_power_of_two();
        Table {
            buckets: lines(buckets),
            entries: lines(capacity as usize),
            free: (0..capacity).rev().collect(),
        }
    }

    #[inline(always)]
    pub fn bucket(&self, hash: u64) -> Option<&Bucket> {
        self.buckets.get(self.home(hash))
    }

    #[inline(always)]
    pub fn entry(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot as usize)
    }

    /// The slot that a key of this hash probably has, or will have as one of the `new` ones.
    #[inline(always)]
    pub fn likely(&self, hash: u64, new: &mut usize) -> u32 {
        let Some(bucket) = self.bucket(hash) else { return 0 };
        match matches(bucket.tags, tag(hash)) {
            0 => {
                *new += 1;
                self.free.get(self.free.len().wrapping_sub(*new)).copied().unwrap_or(0)
            }
            hits => bucket.slots[place(hits)],
        }
    }

    /// The entry of a key that is in use; `likely` is its slot, or another one's.
    #[inline(always)]
    pub fn find(&mut self, key: Key, hash: u64, likely: u32) -> Option<&mut Entry> {
        let slot = match self.entry(likely) {
            Some(entry) if entry.key == key && entry.in_use => likely,
            _ => self.slot_of(key, hash)?,
        };
        self.entries.get_mut(slot as usize)
    }

    #[inline(never)]
    fn slot_of(&self, key: Key, hash: u64) -> Option<u32> {
        let (bucket, place) = self.search(key, hash)?;
        Some(self.buckets[bucket].slots[place])
    }

    /// An entry with its key, the rest as it was left; `None` if the key is there, or no room.
    #[inline(always)]
    pub fn insert(&mut self, key: Key, hash: u64) -> Option<&mut Entry> {
        let slot = *self.free.last()?;
        let home = self.home(hash);
        let bucket = self.buckets.get(home)?;
        let here = empty(bucket.tags);
        let (at, empty_places) = if matches(bucket.tags, tag(hash)) == 0 && bucket.passed == 0 && here != 0 {
            (home, here)
        } else {
            self.pass(key, hash)?
        };
        let place = place(empty_places);
        let bucket = self.buckets.get_mut(at)?;
        bucket.tags |= u64::from(tag(hash)) << (place * 8);
        bucket.slots[place] = slot;
        self.free.pop();
        let entry = self.entries.get_mut(slot as usize)?;
        entry.key = key;
        entry.in_use = true;
        Some(entry)
    }

    /// The first bucket from home on with an empty place, and its empty places. The full ones before
    /// it know that they were passed. `None` if the key is there.
    #[inline(never)]
    fn pass(&mut self, key: Key, hash: u64) -> Option<(usize, u64)> {
        if self.search(key, hash).is_some() {
            return None;
        }
        let mut at = self.home(hash);
        // A quarter of the places is empty.
        loop {
            let bucket = &mut self.buckets[at];
            match empty(bucket.tags) {
                0 => bucket.passed += 1,
                places => return Some((at, places)),
            }
            at = self.behind(at);
        }
    }

    pub fn remove(&mut self, key: Key, hash: u64) {
        let Some((found, place)) = self.search(key, hash) else { return };
        let mut at = self.home(hash);
        while at != found {
            self.buckets[at].passed -= 1;
            at = self.behind(at);
        }
        let bucket = &mut self.buckets[found];
        bucket.tags &= !(0xff << (place * 8));
        let slot = bucket.slots[place];
        self.free.push(slot);
        self.entries[slot as usize].in_use = false;
    }

    /// Bucket and place.
    fn search(&self, key: Key, hash: u64) -> Option<(usize, usize)> {
        let mut at = self.home(hash);
        loop {
            let bucket = &self.buckets[at];
            let mut hits = matches(bucket.tags, tag(hash));
            while hits != 0 {
                let slot = bucket.slots[place(hits)];
                if self.entries.get(slot as usize).is_some_and(|entry| entry.key == key) {
                    return Some((at, place(hits)));
                }
                hits &= hits - 1;
            }
            // A chain ends: most buckets have an empty place.
            if bucket.passed == 0 {
                return None;
            }
            at = self.behind(at);
        }
    }

    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    #[inline(always)]
    fn behind(&self, at: usize) -> usize {
        (at + 1) & (self.buckets.len() - 1)
    }
}

/// Seven bits used neither for the bucket nor for the ISN. The eighth marks the place as used.
#[inline(always)]
fn tag(hash: u64) -> u8 {
    (hash >> 24) as u8 | 0x80
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte that is `tag`. Above the first there may be false ones, where a byte
/// differs in the lowest bit alone: other entries, which have other keys, and no empty places.
#[inline(always)]
fn matches(tags: u64, tag: u8) -> u64 {
    let differ = tags ^ (u64::from(tag) * ONES);
    differ.wrapping_sub(ONES) & !differ & (ONES << 7)
}

/// The high bit of each empty byte.
#[inline(always)]
fn empty(tags: u64) -> u64 {
    !tags & (ONES << 7)
}

/// Of the first match.
#[inline(always)]
fn place(matches: u64) -> usize {
    (matches.trailing_zeros() / 8) as usize
}

/// Lines of zeros, in huge pages where the kernel has them: asked for before the first is touched.
fn lines<T: Clone + Default>(len: usize) -> Vec<T> {
    const PAGE: usize = 4096;
    let mut lines: Vec<T> = Vec::with_capacity(len);
    let room = lines.spare_capacity_mut();
    let (start, bytes) = (room.as_mut_ptr().cast::<u8>(), size_of_val(room));
    let skipped = start.align_offset(PAGE);
    let whole = bytes.saturating_sub(skipped) / PAGE * PAGE;
    if let (Some(start), true) = (NonNull::new(start.wrapping_add(skipped).cast()), whole > 0) {
        // SAFETY: whole pages of memory that is ours; the advice changes their size, not what is in them.
        let _ = unsafe { madvise(start, whole, MmapAdvise::MADV_HUGEPAGE) };
    }
    lines.resize(len, T::default());
    lines
}
