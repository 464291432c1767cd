//! A slot's memory: the key, which every core may read, and the value, which only its owner accesses.
#![allow(unsafe_code)] // one writer per value is a matter between cores, not of one borrow

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use zerocopy::FromZeros;

use super::region::Region;
use crate::wire::FlowKey;

/// Bytes of a line, so that a number of cache lines can be asserted at compile time:
/// `const { assert!(line_size::<FlowKey4, Tcb>() == 64) }`.
pub const fn line_size<K: FlowKey, V>() -> usize {
    size_of::<SlotLine<K, V>>()
}

/// Key words are atomics in the place of `K::Words`: a reader may load them while the owner rewrites
/// them, and detects that by the bucket's entry.
#[derive(FromZeros)]
#[repr(C, align(64))]
struct SlotLine<K: FlowKey, V> {
    key: UnsafeCell<MaybeUninit<K::Words>>,
    value: UnsafeCell<V>,
}

impl<K: FlowKey, V> SlotLine<K, V> {
    const KEY_WORDS: usize = {
        assert!(size_of::<K::Words>() % 4 == 0 && size_of::<K::Words>() >= 8);
        size_of::<K::Words>() / 4
    };

    #[inline]
    fn words(&self) -> &[AtomicU32] {
        // SAFETY: `key` is KEY_WORDS * 4 bytes at the start of a line aligned to 64, zero at
        // first and touched through this slice alone, so always as atomics.
        unsafe { std::slice::from_raw_parts(self.key.get().cast(), Self::KEY_WORDS) }
    }

    /// Whether the key words are `key` (relaxed loads).
    #[inline(always)]
    fn key_is(&self, key: &K::Words) -> bool {
        self.words().iter().zip(key.as_ref()).all(|(word, wanted)| word.load(Relaxed) == *wanted)
    }
}

// SAFETY: `key` is accessed as atomics; `value` through `OwnedSlots` alone, of which there is one
// per line and which hands out references by its own borrow. So a value moves between threads
// with its `OwnedSlots`, and is never shared.
unsafe impl<K: FlowKey, V: Send> Sync for SlotLine<K, V> {}

/// All slots for every core, and each core's own slots.
type Split<K, V> = (Arc<Slots<K, V>>, Vec<OwnedSlots<K, V>>);

/// All slots, for their keys.
pub(super) struct Slots<K: FlowKey, V>(Region<SlotLine<K, V>>);

impl<K: FlowKey, V: FromZeros + Copy + Send> Slots<K, V> {
    /// `cores` times `per_core` slots, and the access to each core's values.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub(super) fn split(cores: usize, per_core: u32) -> io::Result<Split<K, V>> {
        let len = cores.checked_mul(per_core as usize).filter(|&len| u32::try_from(len).is_ok());
        let all = Arc::new(Slots(Region::zeroed(len.ok_or(io::ErrorKind::OutOfMemory)?)?));
        let own = |(core, lines): (usize, &[SlotLine<K, V>])| OwnedSlots {
            start: NonNull::from(lines).cast(),
            _all: Arc::clone(&all),
            first: core as u32 * per_core,
            count: per_core,
            _not_sync: PhantomData,
        };
        let parts = all.0.chunks_exact(per_core as usize).enumerate().map(own).collect();
        Ok((all, parts))
    }
}

impl<K: FlowKey, V> Slots<K, V> {
    /// Makes every page present.
    pub(super) fn populate(&self) -> io::Result<()> {
        self.0.populate()
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Any core's line, to prefetch it.
    #[inline]
    pub(super) fn line(&self, slot: u32) -> Option<&impl Sized> {
        self.0.get(slot as usize)
    }

    /// Whether the key words of `slot` are `key` (relaxed loads).
    #[inline]
    pub(super) fn key_is(&self, slot: u32, key: &K::Words) -> bool {
        self.0.get(slot as usize).is_some_and(|line| line.key_is(key))
    }

    /// The key words of `slot` (relaxed loads): torn while the owner rewrites them.
    #[inline]
    pub(super) fn key(&self, slot: u32) -> K::Words {
        let mut key = K::Words::default();
        if let Some(line) = self.0.get(slot as usize) {
            line.words().iter().zip(key.as_mut()).for_each(|(word, out)| *out = word.load(Relaxed));
        }
        key
    }
}

/// The slots of one core: the only access to their values.
pub(super) struct OwnedSlots<K: FlowKey, V> {
    /// The line of `first`; `count` of them follow one another.
    start: NonNull<SlotLine<K, V>>,
    /// Keeps the memory of the lines.
    _all: Arc<Slots<K, V>>,
    first: u32,
    count: u32,
    /// A reference shared between threads would share the values.
    _not_sync: PhantomData<Cell<V>>,
}

// SAFETY: `start` points into the memory of `_all`, which is Send, as each of its lines is Sync.
unsafe impl<K: FlowKey, V: Send> Send for OwnedSlots<K, V> {}

impl<K: FlowKey, V> OwnedSlots<K, V> {
    #[inline]
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    #[inline]
    pub(super) fn contains(&self, slot: u32) -> bool {
        slot.wrapping_sub(self.first) < self.count
    }

    /// A line of this core: one check, and the address follows from the first one's.
    #[inline(always)]
    fn line(&self, slot: u32) -> Option<&SlotLine<K, V>> {
        let place = slot.wrapping_sub(self.first);
        // SAFETY: `count` lines follow one another from `start` on, in memory that `_all` keeps mapped
        // for as long as `self` lives.
        (place < self.count).then(|| unsafe { self.start.add(place as usize).as_ref() })
    }

    /// A line of this core, to prefetch it.
    #[inline(always)]
    pub(super) fn of_core(&self, slot: u32) -> Option<&impl Sized> {
        self.line(slot)
    }

    /// The first two key words, which hold the free list's link while the slot is not in use.
    #[inline(always)]
    pub(super) fn free_link(&self, slot: u32) -> Option<[u32; 2]> {
        match self.line(slot)?.words() {
            [first, second, ..] => Some([first.load(Relaxed), second.load(Relaxed)]),
            _ => None,
        }
    }

    /// A slot's line, to write its key and value.
    #[inline(always)]
    pub(super) fn line_mut(&mut self, slot: u32) -> Option<OwnLine<'_, K, V>> {
        let line = self.line(slot)?;
        // SAFETY: as `value_mut`; key words are atomics, which the borrow of the value does not touch.
        Some(OwnLine { words: line.words(), value: unsafe { &mut *line.value.get() }, _key: PhantomData })
    }

    /// Whether the slot is this core's, and its key words are `key`.
    #[inline(always)]
    pub(super) fn key_is(&self, slot: u32, key: &K::Words) -> bool {
        self.line(slot).is_some_and(|line| line.key_is(key))
    }

    /// A slot's value; none when the slot is not this core's. Zeros or the last value when the
    /// slot is not in use.
    #[inline]
    pub(super) fn value(&self, slot: u32) -> Option<&V> {
        // SAFETY: the line is one of ours, so no other reference to its value exists, and
        // `value_mut` needs `self` alone. It was zeroed, which is a valid `V` (FromZeros).
        self.line(slot).map(|line| unsafe { &*line.value.get() })
    }

    /// As [`OwnedSlots::value`], to change it.
    #[inline]
    pub(super) fn value_mut(&mut self, slot: u32) -> Option<&mut V> {
        // SAFETY: as above; `self` is borrowed alone for as long as the reference lives.
        self.line(slot).map(|line| unsafe { &mut *line.value.get() })
    }

    /// As [`OwnedSlots::value_mut`], if the slot has this key.
    #[inline(always)]
    pub(super) fn value_at(&mut self, slot: u32, key: &K::Words) -> Option<&mut V> {
        let line = self.line(slot).filter(|line| line.key_is(key))?;
        // SAFETY: as above.
        Some(unsafe { &mut *line.value.get() })
    }
}

/// One line of a core's own.
pub(super) struct OwnLine<'a, K: FlowKey, V> {
    words: &'a [AtomicU32],
    pub value: &'a mut V,
    _key: PhantomData<K>,
}

impl<K: FlowKey, V> OwnLine<'_, K, V> {
    /// Writes the first two key words, which hold the free list's link while the slot is not in use.
    #[inline(always)]
    pub(super) fn store_free_link(&mut self, link: [u32; 2]) {
        self.store(&link);
    }

    /// Writes the key of a slot that is not in the index (A of the module's table).
    #[inline(always)]
    pub(super) fn store_key(&mut self, key: &K::Words) {
        self.store(key.as_ref());
    }

    #[inline(always)]
    fn store(&mut self, words: &[u32]) {
        self.words.iter().zip(words).for_each(|(word, new)| word.store(*new, Relaxed)); // A
    }
}
