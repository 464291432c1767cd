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
    /// Entries written.
    position: u32,
    /// Those of them that the consumer may read. Only this end writes it to the ring.
    published: u32,
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
        Producer { position, published: position, limit: limit.wrapping_add(ring.size()), ring }
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

    /// Published entries that the consumer has not taken.
    #[inline]
    pub(super) fn waiting(&self) -> u32 {
        let size = self.ring.size();
        let limit = self.ring.consumer().load(Acquire).wrapping_add(size);
        size.saturating_sub(limit.wrapping_sub(self.published))
    }

    /// Entries written that are not published.
    #[inline]
    pub(super) fn unpublished(&self) -> u32 {
        self.position.wrapping_sub(self.published)
    }

    /// The entries that are not published, as they are in the ring.
    pub(super) fn written(&self) -> impl ExactSizeIterator<Item = T> {
        // SAFETY: `entry` points into the ring, and any bits are a valid `T`.
        (0..self.unpublished()).map(|at| unsafe { self.ring.entry(self.published.wrapping_add(at)).read() })
    }

    /// Writes an entry, for the consumer from the next [`publish`](Producer::publish) on. Returns false if
    /// there was no room by the last reading of the consumer's position.
    #[inline]
    pub(super) fn push(&mut self, entry: T) -> bool {
        if self.position == self.limit {
            return false;
        }
        // SAFETY: `entry` points into the ring. The consumer does not read it before it is published.
        unsafe { self.ring.entry(self.position).write(entry) };
        self.position = self.position.wrapping_add(1);
        true
    }

    /// Shows the consumer all entries written. Returns the number of those that it did not see before.
    #[inline]
    pub(super) fn publish(&mut self) -> u32 {
        let count = self.unpublished();
        self.published = self.position;
        self.ring.producer().store(self.position, Release);
        count
    }

    /// Writes and publishes all entries, or none if there is no room for all. Returns the number written.
    #[inline]
    pub(super) fn produce(&mut self, entries: &[T]) -> usize {
        let Ok(wanted @ 1..) = u32::try_from(entries.len()) else { return 0 };
        if wanted > self.ring.size() || self.free(wanted) < wanted {
            return 0;
        }
        let to_the_end = self.ring.size() - (self.position & self.ring.mask);
        let (entries, wrapped) = entries.split_at(entries.len().min(to_the_end as usize));
        // SAFETY: not more entries than the ring has, up to its end and then from its start on. The consumer
        // does not read them before they are published.
        unsafe {
            self.ring
                .entry(self.position)
                .copy_from_nonoverlapping(NonNull::from(entries).cast(), entries.len());
            self.ring.entries.copy_from_nonoverlapping(NonNull::from(wrapped).cast(), wrapped.len());
        }
        self.position = self.position.wrapping_add(wanted);
        self.publish();
        wanted as usize
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

    /// Reads filled entries, at most `max` and as many as `out` has room for without growing, and appends the
    /// results of `take` to `out`. The first entry that it refuses is the last one read, and is returned.
    /// Reads the producer's position only if no entry is left by the last reading.
    #[inline]
    pub(super) fn consume<U>(
        &mut self,
        out: &mut Vec<U>,
        max: usize,
        mut take: impl FnMut(T) -> Option<U>,
    ) -> Option<T> {
        let room = out.spare_capacity_mut();
        let count = max.min(room.len()).min(self.filled() as usize);
        let mut taken = 0;
        for run in self.ring.runs(self.position, count) {
            for (at, slot) in room[taken..taken + run.len()].iter_mut().enumerate() {
                // SAFETY: `at` lies in the run, which lies in the ring. The producer does not write it before
                // `advance`. Any bits are a valid `T`.
                let entry = unsafe { run.cast::<T>().add(at).read() };
                let Some(value) = take(entry) else {
                    // SAFETY: that many slots after the last value were written.
                    unsafe { out.set_len(out.len() + taken + at) };
                    self.advance((taken + at + 1) as u32);
                    return Some(entry);
                };
                slot.write(value);
            }
            taken += run.len();
        }
        // SAFETY: as above.
        unsafe { out.set_len(out.len() + taken) };
        self.advance(taken as u32);
        None
    }

    /// Reads one filled entry.
    pub(super) fn next(&mut self) -> Option<T> {
        if self.filled() == 0 {
            return None;
        }
        // SAFETY: as in `consume`.
        let entry = unsafe { self.ring.entry(self.position).read() };
        self.advance(1);
        Some(entry)
    }

    /// Leaves the room of entries that were read to the producer.
    #[inline]
    fn advance(&mut self, count: u32) {
        if count > 0 {
            self.position = self.position.wrapping_add(count);
            self.ring.consumer().store(self.position, Release);
        }
    }

    /// Filled entries by the last reading, or by another one if none is left of that.
    #[inline]
    fn filled(&mut self) -> u32 {
        if self.limit == self.position {
            self.limit = self.ring.producer().load(Acquire);
        }
        self.limit.wrapping_sub(self.position)
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

    /// `count` entries from a position on, at most all: up to the ring's end, and from its start on.
    #[inline]
    fn runs(&self, position: u32, count: usize) -> [NonNull<[T]>; 2] {
        let to_the_end = (self.size() - (position & self.mask)) as usize;
        let first = count.min(to_the_end);
        let rest = (count - first).min(self.size() as usize);
        [
            NonNull::slice_from_raw_parts(self.entry(position), first),
            NonNull::slice_from_raw_parts(self.entries, rest),
        ]
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
mod tests;
