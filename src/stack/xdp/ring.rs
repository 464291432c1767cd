//! One ring of AF_XDP: single producer, single consumer, in memory that both map.
//!
//! The producer writes entries and then publishes its position with Release; the consumer reads that
//! position with Acquire before it reads entries, and publishes its own position in the same way when
//! it is done with them (`net/xdp/xsk_queue.h`). Each end keeps its own position, and the other end's
//! as it was read last: the shared words are touched once a batch. Positions count entries from the
//! ring's creation on and wrap at 2^32.
#![allow(unsafe_code, reason = "rings are memory shared with the kernel")]

use std::{
    io,
    os::fd::BorrowedFd,
    ptr::NonNull,
    sync::Arc,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use zerocopy::FromBytes;

use super::mapping::{Mapping, invalid};

/// The places of a ring's parts in its mapping: bytes from the start.
pub(super) type Offsets = libc::xdp_ring_offset;

/// Offsets of a ring that no kernel laid out: each word on a cache line of its own.
const IN_MEMORY: Offsets = Offsets { producer: 0, consumer: 64, flags: 128, desc: 192 };

/// The end that writes entries.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Ring<T>,
    /// Entries written. Only this end writes it to the ring.
    position: u32,
    /// The consumer's position as last read, plus the ring's size.
    limit: u32,
}

/// The end that reads entries.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Ring<T>,
    /// Entries read. Only this end writes it to the ring.
    position: u32,
    /// The producer's position as last read.
    limit: u32,
}

/// Both ends of a ring in plain memory: a test, or a measurement, holds the end that is otherwise the
/// kernel's.
///
/// # Errors
/// EINVAL: `size` is not a power of two. Or there is no memory.
pub(super) fn in_memory<T: FromBytes + Copy>(size: u32) -> io::Result<(Producer<T>, Consumer<T>)> {
    let mapping = Arc::new(Mapping::anonymous(length::<T>(&IN_MEMORY, size)?, false)?);
    let producer = Ring::new(Arc::clone(&mapping), &IN_MEMORY, size)?;
    Ok((Producer::new(producer), Consumer::new(Ring::new(mapping, &IN_MEMORY, size)?)))
}

impl<T: FromBytes + Copy> Producer<T> {
    /// The ring of an AF_XDP socket at page offset `at`, which the kernel reads.
    ///
    /// # Safety
    /// The socket has such a ring of `size` entries of type `T`, laid out as `offsets` says, and it is
    /// mapped only once.
    pub(super) unsafe fn map(
        socket: BorrowedFd<'_>,
        at: libc::off_t,
        offsets: &Offsets,
        size: u32,
    ) -> io::Result<Self> {
        // SAFETY: by the contract.
        Ok(Producer::new(unsafe { Ring::map(socket, at, offsets, size) }?))
    }

    fn new(ring: Ring<T>) -> Self {
        let (position, limit) = (ring.producer().load(Relaxed), ring.consumer().load(Acquire));
        Producer { position, limit: limit.wrapping_add(ring.size()), ring }
    }

    /// Free entries. Reads the consumer's position only if there are fewer than `wanted` by the last
    /// reading.
    #[inline]
    pub(super) fn free(&mut self, wanted: u32) -> u32 {
        let free = self.limit.wrapping_sub(self.position);
        if free >= wanted {
            return free;
        }
        self.limit = self.ring.consumer().load(Acquire).wrapping_add(self.ring.size());
        self.limit.wrapping_sub(self.position)
    }

    /// Entries that the consumer has not taken.
    #[inline]
    pub(super) fn waiting(&mut self) -> u32 {
        let size = self.ring.size();
        size.saturating_sub(self.free(size))
    }

    /// Writes all entries, or none if there is no room for all. Returns the number written.
    #[inline]
    pub(super) fn produce(&mut self, entries: impl ExactSizeIterator<Item = T>) -> usize {
        let Ok(wanted @ 1..) = u32::try_from(entries.len()) else { return 0 };
        if self.free(wanted) < wanted {
            return 0;
        }
        let mut position = self.position;
        for entry in entries.take(wanted as usize) {
            // SAFETY: `entry` points into the ring. The consumer does not read it before this end's position
            // is stored below.
            unsafe { self.ring.entry(position).write(entry) };
            position = position.wrapping_add(1);
        }
        let written = position.wrapping_sub(self.position);
        self.position = position;
        self.ring.producer().store(position, Release);
        written as usize
    }

    /// Whether the consumer asks to be woken (`XDP_USE_NEED_WAKEUP`).
    #[inline]
    pub(super) fn needs_wakeup(&self) -> bool {
        self.ring.flags().load(Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

impl<T: FromBytes + Copy> Consumer<T> {
    /// The ring of an AF_XDP socket at page offset `at`, which the kernel writes.
    ///
    /// # Safety
    /// As of [`Producer::map`].
    pub(super) unsafe fn map(
        socket: BorrowedFd<'_>,
        at: libc::off_t,
        offsets: &Offsets,
        size: u32,
    ) -> io::Result<Self> {
        // SAFETY: by the contract.
        Ok(Consumer::new(unsafe { Ring::map(socket, at, offsets, size) }?))
    }

    fn new(ring: Ring<T>) -> Self {
        Consumer { position: ring.consumer().load(Relaxed), limit: ring.producer().load(Acquire), ring }
    }

    /// Reads the filled entries, at most `into.len()`, each through `read`. Returns their number. Reads
    /// the producer's position only if no entry is left by the last reading.
    #[inline]
    pub(super) fn consume<U>(&mut self, into: &mut [U], read: impl Fn(T) -> U) -> usize {
        if self.limit == self.position {
            self.limit = self.ring.producer().load(Acquire);
        }
        let count = into.len().min(self.limit.wrapping_sub(self.position) as usize);
        if count == 0 {
            return 0;
        }
        let mut position = self.position;
        for slot in &mut into[..count] {
            // SAFETY: `entry` points into the ring. The producer does not write it before this end's position
            // is stored below. Any bits are a valid `T`.
            *slot = read(unsafe { self.ring.entry(position).read() });
            position = position.wrapping_add(1);
        }
        self.position = position;
        self.ring.consumer().store(position, Release);
        count
    }

    /// Sets or clears the flag by which the kernel, as the consumer, asks for wake-ups.
    pub(super) fn set_needs_wakeup(&self, needs: bool) {
        self.ring.flags().store(if needs { libc::XDP_RING_NEED_WAKEUP } else { 0 }, Relaxed);
    }
}

/// The common part of both ends. `new` has checked that every pointer is into the mapping.
#[derive(Debug)]
struct Ring<T> {
    entries: NonNull<T>,
    mask: u32,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    _mapping: Arc<Mapping>,
}

// SAFETY: the words are atomic; by the ring's protocol an entry is used by one end at a time, and each
// end is one value, used by one thread at a time.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T: FromBytes + Copy> Ring<T> {
    /// # Safety
    /// As of [`Producer::map`].
    unsafe fn map(socket: BorrowedFd<'_>, at: libc::off_t, offsets: &Offsets, size: u32) -> io::Result<Self> {
        let mapping = Mapping::of(socket, at, length::<T>(offsets, size)?)?;
        Ring::new(Arc::new(mapping), offsets, size)
    }

    /// # Errors
    /// EINVAL: a part lies outside of the mapping, or is not aligned; `size` is not a power of two.
    fn new(mapping: Arc<Mapping>, offsets: &Offsets, size: u32) -> io::Result<Self> {
        length::<T>(offsets, size)?;
        Ok(Ring {
            entries: mapping.at(offsets.desc, size as usize)?,
            mask: size - 1,
            producer: mapping.at(offsets.producer, 1)?,
            consumer: mapping.at(offsets.consumer, 1)?,
            flags: mapping.at(offsets.flags, 1)?,
            _mapping: mapping,
        })
    }

    #[inline]
    fn size(&self) -> u32 {
        self.mask + 1
    }

    /// The entry of a position: the mask keeps it inside the ring.
    #[inline]
    fn entry(&self, position: u32) -> NonNull<T> {
        // SAFETY: `mask + 1` entries lie in the mapping, by `new`.
        unsafe { self.entries.add((position & self.mask) as usize) }
    }

    #[inline]
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: aligned, in the mapping, which lives as long as `self`; all access is atomic.
        unsafe { self.producer.as_ref() }
    }

    #[inline]
    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.consumer.as_ref() }
    }

    #[inline]
    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.flags.as_ref() }
    }
}

/// Bytes of a ring's mapping: up to the end of its entries, which follow the words.
fn length<T>(offsets: &Offsets, size: u32) -> io::Result<usize> {
    let entries = (size as usize).checked_mul(size_of::<T>()).filter(|_| size.is_power_of_two());
    let len = entries.and_then(|entries| entries.checked_add(usize::try_from(offsets.desc).ok()?));
    len.ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A ring of four whose positions start just below their wrap at 2^32.
    fn about_to_wrap() -> (Producer<u64>, Consumer<u64>) {
        let (mut producer, mut consumer) = in_memory(4).expect("a page");
        producer.ring.producer().store(u32::MAX - 1, Release);
        producer.ring.consumer().store(u32::MAX - 1, Release);
        (producer, consumer) = (Producer::new(producer.ring), Consumer::new(consumer.ring));
        (producer, consumer)
    }

    fn take(consumer: &mut Consumer<u64>, max: usize) -> Vec<u64> {
        let mut into = vec![0; max];
        let count = consumer.consume(&mut into, |entry| entry);
        into.truncate(count);
        into
    }

    #[test]
    fn entries_come_out_in_order_over_the_wrap_of_positions_and_of_the_ring() {
        let (mut producer, mut consumer) = about_to_wrap();
        for round in 0..6u64 {
            let entries = [3 * round, 3 * round + 1, 3 * round + 2];
            assert_eq!(producer.produce(entries.into_iter()), 3);
            assert_eq!(producer.waiting(), 3);
            assert_eq!(take(&mut consumer, 4), entries);
            assert_eq!(producer.waiting(), 0);
        }
    }

    #[test]
    fn a_full_ring_takes_nothing_more() {
        let (mut producer, mut consumer) = about_to_wrap();
        assert_eq!(producer.produce([1, 2, 3, 4].into_iter()), 4);
        assert_eq!((producer.free(1), producer.produce([5].into_iter())), (0, 0));
        assert_eq!(take(&mut consumer, 1), [1]);
        assert_eq!(producer.produce([5, 6].into_iter()), 0, "all or none");
        assert_eq!(producer.produce([5].into_iter()), 1);
        assert_eq!(take(&mut consumer, 9), [2, 3, 4], "filled by the last reading");
        assert_eq!(take(&mut consumer, 9), [5]);
    }

    #[test]
    fn more_than_the_ring_holds_is_never_written() {
        let (mut producer, mut consumer) = in_memory(4).expect("a page");
        assert_eq!(producer.produce([0; 5].into_iter()), 0);
        assert_eq!(producer.free(u32::MAX), 4);
        assert!(take(&mut consumer, 9).is_empty());
    }

    #[test]
    fn an_empty_ring_gives_nothing_and_an_empty_slice_takes_nothing() {
        let (mut producer, mut consumer) = about_to_wrap();
        assert!(take(&mut consumer, 4).is_empty());
        assert_eq!(producer.produce([].into_iter()), 0);
        assert_eq!(producer.produce([7].into_iter()), 1);
        assert!(take(&mut consumer, 0).is_empty());
        assert_eq!(take(&mut consumer, 4), [7]);
    }

    #[test]
    fn the_consumer_asks_for_wake_ups() {
        let (producer, consumer) = in_memory::<u64>(4).expect("a page");
        assert!(!producer.needs_wakeup());
        consumer.set_needs_wakeup(true);
        assert!(producer.needs_wakeup());
        consumer.set_needs_wakeup(false);
        assert!(!producer.needs_wakeup());
    }

    #[test]
    fn a_ring_of_another_shape_is_refused() {
        for size in [0, 3, 1000] {
            assert!(in_memory::<u64>(size).is_err(), "{size}");
        }
        let mapping = || {
            let (producer, _) = in_memory::<u64>(4).expect("a page");
            Arc::clone(&producer.ring._mapping)
        };
        for offsets in [
            Offsets { flags: 1 << 20, ..IN_MEMORY }, // outside
            Offsets { consumer: u64::MAX, ..IN_MEMORY },
            Offsets { producer: 2, ..IN_MEMORY }, // not aligned
            Offsets { desc: 200 << 10, ..IN_MEMORY },
        ] {
            assert!(Ring::<u64>::new(mapping(), &offsets, 4).is_err(), "{offsets:?}");
        }
        assert!(Ring::<u64>::new(mapping(), &IN_MEMORY, 1 << 20).is_err(), "longer than the mapping");
    }

    #[test]
    fn two_threads_pass_every_entry_once() {
        const ENTRIES: u64 = 20_000;
        let (mut producer, mut consumer) = in_memory(64).expect("a page");
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut next = 0;
                while next < ENTRIES {
                    let batch = (ENTRIES - next).min(7);
                    next += producer.produce((0..batch as usize).map(|entry| next + entry as u64)) as u64;
                    thread::yield_now();
                }
            });
            let mut expected = 0;
            while expected < ENTRIES {
                for entry in take(&mut consumer, 16) {
                    assert_eq!(entry, expected);
                    expected += 1;
                }
                thread::yield_now();
            }
        });
    }
}
