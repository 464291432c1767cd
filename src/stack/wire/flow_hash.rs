//! The keyed hash of a 4-tuple that the eBPF program computes as well (`flow_hash` in `bpf/flow.h`), for the
//! filter of known flows.
//!
//! Five multiplications at most. Not a pseudo-random function: an attacker with two 4-tuples of one hash
//! gains that segments of the one reach user space while the other is connected.

use super::FlowKey;

/// The key of [`flow_hash`]: random numbers, drawn at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHashKey {
    /// The state at the start.
    pub start: u64,
    /// The factors of all words but the last, and of the last; odd.
    pub factors: [u64; 2],
}

impl FlowHashKey {
    /// A key of random numbers.
    pub fn new([start, first, last]: [u64; 3]) -> FlowHashKey {
        FlowHashKey { start, factors: [first | 1, last | 1] }
    }
}

/// The hash of a 4-tuple: 64 bits, of which the upper ones are mixed best.
#[inline]
pub fn flow_hash<K: FlowKey>(key: &FlowHashKey, flow: &K) -> u64 {
    let words = flow.to_words();
    let [first, last] = key.factors;
    let (pairs, rest) = words.as_ref().as_chunks::<2>();
    let state = pairs
        .iter()
        .fold(key.start, |state, [low, high]| mix(state, u64::from(*low) | u64::from(*high) << 32, first));
    rest.iter().fold(state, |state, word| mix(state, u64::from(*word), last))
}

#[inline(always)]
fn mix(state: u64, word: u64, factor: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(factor);
    product ^ product >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::wire::{FlowKey4, FlowKey6};

    const KEY: [u64; 3] = [0x0123_4567_89ab_cdef, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

    fn flow(remote: u32, remote_port: u16) -> FlowKey4 {
        FlowKey4 { remote: remote.to_be_bytes(), local: [10, 0, 0, 1], remote_port, local_port: 80 }
    }

    #[test]
    fn every_part_of_a_4_tuple_and_of_the_key_counts() {
        let key = FlowHashKey::new(KEY);
        let six = |last: u8, port| {
            let (mut remote, local) = ([0x20; 16], [0x30; 16]);
            remote[15] = last;
            FlowKey6 { remote, local, remote_port: port, local_port: 80 }
        };
        let base = flow(0xc000_0201, 4000);
        let hashes = [
            flow_hash(&key, &base),
            flow_hash(&key, &flow(0xc000_0202, 4000)),
            flow_hash(&key, &flow(0xc000_0201, 4001)),
            flow_hash(&key, &FlowKey4 { local: [10, 0, 0, 2], ..base }),
            flow_hash(&key, &FlowKey4 { local_port: 81, ..base }),
            flow_hash(&FlowHashKey::new([1, KEY[1], KEY[2]]), &base),
            flow_hash(&FlowHashKey::new([KEY[0], 5, KEY[2]]), &base),
            flow_hash(&FlowHashKey::new([KEY[0], KEY[1], 5]), &base),
            flow_hash(&key, &six(1, 4000)),
            flow_hash(&key, &six(2, 4000)),
            flow_hash(&key, &six(1, 4001)),
        ];
        assert_eq!(HashSet::from(hashes).len(), hashes.len());
    }

    #[test]
    fn consecutive_4_tuples_spread_over_all_lines_of_a_filter() {
        let key = FlowHashKey::new(KEY);
        for bits in [0, 24, 44] {
            let mut counts = vec![0u32; 1 << 10];
            for n in 0..1u32 << 16 {
                let hash = flow_hash(&key, &flow(0x0a00_0000 | n >> 4, 1024 + (n & 15) as u16));
                counts[(hash >> bits & 0x3ff) as usize] += 1;
            }
            // 64 each; the deviation of a uniform hash is 8.
            assert!(counts.iter().all(|count| (16..128).contains(count)), "bits from {bits}: {counts:?}");
        }
    }
}
