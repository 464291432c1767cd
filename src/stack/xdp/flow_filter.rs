//! The filter of known flows: a counting Bloom filter in memory that the eBPF program reads. While the cookie
//! tier verifies ACKs, every connection of the table is in it.
#![allow(unsafe_code, reason = "counters in memory that the kernel shares")]

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::{io, ptr::NonNull};

use super::mapping::Mapping;
use crate::wire::FlowKey;
use crate::wire::flow_hash::{FlowHashKey, flow_hash};

/// Counters of a line, one byte each: a flow counts in one line, which is one cache line.
const LINE: usize = 64;
/// Counters that a flow counts in; two of them may be one.
const COUNTERS: u32 = 4;
/// The smallest filter: 16 KiB.
const MIN_LINES: u32 = 1 << 8;
/// A counter that got this high stays: the number of flows in it is no longer known.
const STUCK: u8 = u8::MAX;

/// Which flows are known, with false positives and without false negatives.
///
/// A flow that was not added is found with a probability of at most 0.05 % with one flow a line, 0.1 % with
/// two and 3.5 % with eight (measured: lines fill unevenly).
#[derive(Debug)]
pub struct FlowFilter {
    counters: NonNull<AtomicU8>,
    /// Lines in use less one: a power of two less one, so that a small filter stays in the cache.
    mask: AtomicU32,
    /// Lines that there is memory for.
    capacity: u32,
    key: FlowHashKey,
    mapping: Arc<Mapping>,
}

// SAFETY: the counters are atomic and live as long as `mapping`.
unsafe impl Send for FlowFilter {}
// SAFETY: as above.
unsafe impl Sync for FlowFilter {}

impl FlowFilter {
    /// The number of lines for at most this number of flows: eight of them share one when all are there.
    pub fn lines_for(flows: u32) -> u32 {
        flows.div_ceil(8).next_power_of_two().clamp(MIN_LINES, 1 << 20)
    }

    /// Uses this number of lines, rounded to a power of two, of those that there is memory for. Only while
    /// nothing is added, removed or looked up.
    pub fn resize(&self, lines: u32) {
        let lines = lines.max(MIN_LINES).checked_next_power_of_two().map_or(self.capacity, |lines| lines);
        self.mask.store(lines.min(self.capacity) - 1, Relaxed);
    }

    /// Lines that there is memory for.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Lines in use.
    pub fn lines(&self) -> u32 {
        self.mask.load(Relaxed) + 1
    }

    /// The filter in a mapping of `lines` lines, a power of two.
    pub(super) fn in_mapping(mapping: Arc<Mapping>, lines: u32, key: FlowHashKey) -> io::Result<FlowFilter> {
        let counters = mapping.at(0, lines as usize * LINE)?;
        Ok(FlowFilter { counters, mask: AtomicU32::new(lines - 1), capacity: lines, key, mapping })
    }

    /// A filter that no program reads, for simulations and tests.
    ///
    /// # Errors
    /// The memory is not available.
    pub fn in_memory(lines: u32, key: FlowHashKey) -> io::Result<FlowFilter> {
        let mapping = Arc::new(Mapping::anonymous(lines as usize * LINE, false)?);
        FlowFilter::in_mapping(mapping, lines, key)
    }

    /// Adds a flow. At most one removal may follow each addition.
    pub fn add<K: FlowKey>(&self, flow: &K) {
        for counter in self.counters_of(flow) {
            // Fails at the highest count only, which stays.
            let _ = counter.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1));
        }
    }

    /// Removes a flow that was added.
    pub fn remove<K: FlowKey>(&self, flow: &K) {
        for counter in self.counters_of(flow) {
            let one_less = |count: u8| if count == STUCK { None } else { count.checked_sub(1) };
            let _ = counter.fetch_update(Relaxed, Relaxed, one_less);
        }
    }

    /// Whether the flow may have been added.
    pub fn contains<K: FlowKey>(&self, flow: &K) -> bool {
        self.counters_of(flow).all(|counter| counter.load(Relaxed) > 0)
    }

    /// Removes every flow. Only while nothing is added or removed.
    pub fn clear(&self) {
        for counter in &self.counters()[..self.lines() as usize * LINE] {
            counter.store(0, Relaxed);
        }
    }

    fn counters(&self) -> &[AtomicU8] {
        let len = self.capacity as usize * LINE;
        debug_assert!(self.mapping.len() >= len);
        // SAFETY: `in_mapping` has checked that all counters lie in the mapping, which `self` holds.
        unsafe { slice::from_raw_parts(self.counters.as_ptr(), len) }
    }

    fn counters_of<K: FlowKey>(&self, flow: &K) -> impl Iterator<Item = &AtomicU8> {
        let hash = flow_hash(&self.key, flow);
        let start = (hash as u32 & self.mask.load(Relaxed)) as usize * LINE;
        let line = self.counters().get(start..start + LINE).unwrap_or_default();
        (0..COUNTERS).filter_map(move |counter| line.get((hash >> (40 + 6 * counter)) as usize % LINE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FlowKey4;

    fn filter(lines: u32) -> FlowFilter {
        FlowFilter::in_memory(lines, FlowHashKey::new([7, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]))
            .expect("memory")
    }

    fn flow(n: u32) -> FlowKey4 {
        let [a, b, c, d] = n.to_be_bytes();
        FlowKey4 { remote: [10 + a, b, c, d], local: [192, 0, 2, 1], remote_port: 1024, local_port: 80 }
    }

    #[test]
    fn what_was_added_is_found_until_it_is_removed() {
        let filter = filter(1024);
        assert!(!filter.contains(&flow(0)));
        (0..2000).for_each(|n| filter.add(&flow(n)));
        assert!((0..2000).all(|n| filter.contains(&flow(n))));
        (0..1000).for_each(|n| filter.remove(&flow(n)));
        assert!((1000..2000).all(|n| filter.contains(&flow(n))));
        (1000..2000).for_each(|n| filter.remove(&flow(n)));
        assert!(filter.counters().iter().all(|counter| counter.load(Relaxed) == 0));
        filter.add(&flow(1));
        filter.clear();
        assert!(!filter.contains(&flow(1)));
    }

    #[test]
    fn false_positives_are_as_few_as_stated() {
        let filter = filter(1024);
        for (flows, most) in [(1024, 0.0005), (8 * 1024, 0.035)] {
            filter.clear();
            (0..flows).for_each(|n| filter.add(&flow(n)));
            let tried = 100_000;
            let found = (1 << 20..(1 << 20) + tried).filter(|n| filter.contains(&flow(*n))).count();
            let share = found as f64 / f64::from(tried);
            assert!(share < most, "{flows} flows: {share}");
        }
    }

    #[test]
    fn a_counter_at_its_limit_stays_there() {
        let filter = filter(1024);
        (0..300).for_each(|_| filter.add(&flow(1)));
        (0..300).for_each(|_| filter.remove(&flow(1)));
        assert!(filter.contains(&flow(1)), "a flow that may still be there was lost");
    }

    #[test]
    fn a_filter_of_fewer_lines_works_the_same() {
        let filter = filter(4096);
        for (asked, lines) in [(1500, 2048), (1, 256), (u32::MAX, 4096), (4096, 4096)] {
            filter.resize(asked);
            assert_eq!(filter.lines(), lines);
            (0..1000).for_each(|n| filter.add(&flow(n)));
            assert!((0..1000).all(|n| filter.contains(&flow(n))));
            filter.clear();
            assert!(filter.counters().iter().all(|counter| counter.load(Relaxed) == 0));
        }
    }

    #[test]
    fn the_size_follows_the_number_of_flows() {
        assert_eq!(
            [1, 1 << 20, 1 << 24, u32::MAX].map(FlowFilter::lines_for),
            [1 << 8, 1 << 17, 1 << 20, 1 << 20]
        );
    }
}
