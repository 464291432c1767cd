use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count with one writer (the core that owns it) and any number of readers.
///
/// A load and a store, not a locked read-modify-write: nobody else writes, so nothing is lost.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the owning core calls this.
    #[inline]
    pub fn bump(&self) {
        self.add(1);
    }

    /// Adds `n`. Only the owning core calls this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets the value: for gauges. Only the owning core calls this.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value as last written by its owner.
    #[inline]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each of `N` names.
#[derive(Debug)]
pub struct Counters<const N: usize>([Counter; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Counters<N> {
        Counters(std::array::from_fn(|_| Counter::default()))
    }
}

impl<const N: usize> Deref for Counters<N> {
    type Target = [Counter; N];

    #[inline]
    fn deref(&self) -> &[Counter; N] {
        &self.0
    }
}
