//! A slot's memory: the key, which every core may read, and the value, its owner's alone.
#![allow(unsafe_code)] // one writer per value is a matter between cores, not of one borrow

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use zerocopy::FromZeros;

use super::region::Region;
use crate::wire::FlowKey;

/// Bytes of a line, so that the user can hold it to a number of cache lines at compile time:
/// `const { assert!(line_size::<FlowKey4, Tcb>() == 64) }`.
pub const fn line_size<K: FlowKey, V>() -> usize {
    size_of::<Line<K, V>>()
}

/// Key words are atomics in the place of `K::Words`: a reader may look while the owner rewrites
/// them, and finds out by the bucket's word.
#[derive(FromZeros)]
#[repr(C, align(64))]
struct Line<K: FlowKey, V> {
    key: UnsafeCell<MaybeUninit<K::Words>>,
    value: UnsafeCell<V>,
}

impl<K: FlowKey, V> Line<K, V> {
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
}

// SAFETY: `key` is accessed as atomics; `value` through `OwnLines` alone, of which there is one
// per line and which hands out references by its own borrow. So a value moves between threads
// with its `OwnLines`, and is never shared.
unsafe impl<K: FlowKey, V: Send> Sync for Line<K, V> {}

/// All lines for everybody, and each core's lines for that core.
type Split<K, V> = (Arc<Lines<K, V>>, Vec<OwnLines<K, V>>);

/// All lines, for the keys.
pub(super) struct Lines<K: FlowKey, V>(Region<Line<K, V>>);

impl<K: FlowKey, V: FromZeros + Copy + Send> Lines<K, V> {
    /// Lines for `cores` times `per_core` slots, and the right to each core's values.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub fn split(cores: usize, per_core: u32) -> io::Result<Split<K, V>> {
        let len = cores.checked_mul(per_core as usize).filter(|&len| u32::try_from(len).is_ok());
        let all = Arc::new(Lines(Region::zeroed(len.ok_or(io::ErrorKind::OutOfMemory)?)?));
        let own = |core: usize| OwnLines {
            all: Arc::clone(&all),
            first: core as u32 * per_core,
            count: per_core,
            unshared: PhantomData,
        };
        let parts = (0..cores).map(own).collect();
        Ok((all, parts))
    }
}

impl<K: FlowKey, V> Lines<K, V> {
    /// Makes every page present.
    pub fn populate(&self) -> io::Result<()> {
        self.0.populate()
    }

    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Any core's line, to prefetch it.
    #[inline]
    pub fn line(&self, slot: u32) -> Option<&impl Sized> {
        self.0.get(slot as usize)
    }

    /// Whether the key words of `slot` are `key` (relaxed loads).
    #[inline]
    pub fn key_is(&self, slot: u32, key: &K::Words) -> bool {
        self.0.get(slot as usize).is_some_and(|line| {
            line.words().iter().zip(key.as_ref()).all(|(word, wanted)| word.load(Relaxed) == *wanted)
        })
    }

    /// The key words of `slot` (relaxed loads): torn while the owner rewrites them.
    #[inline]
    pub fn key(&self, slot: u32) -> K::Words {
        let mut key = K::Words::default();
        if let Some(line) = self.0.get(slot as usize) {
            line.words().iter().zip(key.as_mut()).for_each(|(word, out)| *out = word.load(Relaxed));
        }
        key
    }
}

/// The lines of one core: the only way to their values.
pub(super) struct OwnLines<K: FlowKey, V> {
    all: Arc<Lines<K, V>>,
    first: u32,
    count: u32,
    /// Shared by reference between threads it would share its values.
    unshared: PhantomData<Cell<V>>,
}

impl<K: FlowKey, V> OwnLines<K, V> {
    /// Any line, to prefetch it.
    #[inline]
    pub fn any(&self, slot: u32) -> Option<&impl Sized> {
        self.all.line(slot)
    }

    #[inline]
    pub fn first(&self) -> u32 {
        self.first
    }

    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }

    #[inline]
    pub fn has(&self, slot: u32) -> bool {
        slot.wrapping_sub(self.first) < self.count
    }

    #[inline]
    fn line(&self, slot: u32) -> Option<&Line<K, V>> {
        self.has(slot).then(|| self.all.0.get(slot as usize)).flatten()
    }

    /// A slot's value; none when the slot is not this core's. Zeros or the last value when the
    /// slot is not in use.
    #[inline]
    pub fn value(&self, slot: u32) -> Option<&V> {
        // SAFETY: the line is one of ours, so nobody else has a reference to its value, and
        // `value_mut` needs `self` alone. It was zeroed, which is a valid `V` (FromZeros).
        self.line(slot).map(|line| unsafe { &*line.value.get() })
    }

    /// As [`OwnLines::value`], to change it.
    #[inline]
    pub fn value_mut(&mut self, slot: u32) -> Option<&mut V> {
        // SAFETY: as above; `self` is borrowed alone for as long as the reference lives.
        self.line(slot).map(|line| unsafe { &mut *line.value.get() })
    }

    /// The first two key words, free for use while the slot is not.
    #[inline]
    pub fn spare(&self, slot: u32) -> Option<[u32; 2]> {
        match self.line(slot)?.words() {
            [first, second, ..] => Some([first.load(Relaxed), second.load(Relaxed)]),
            _ => None,
        }
    }

    #[inline]
    pub fn store_spare(&mut self, slot: u32, spare: [u32; 2]) {
        self.store(slot, &spare);
    }

    /// Writes the key of a slot that is not in the index (A of the module's table).
    #[inline]
    pub fn store_key(&mut self, slot: u32, key: &K::Words) {
        self.store(slot, key.as_ref());
    }

    #[inline]
    fn store(&mut self, slot: u32, words: &[u32]) {
        if let Some(line) = self.line(slot) {
            line.words().iter().zip(words).for_each(|(word, new)| word.store(*new, Relaxed)); // A
        }
    }
}
