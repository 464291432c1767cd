//! The connection table: one lock-free index from 4-tuple to connection, for all cores.
//!
//! [`table`] makes one [`Shard`] per core. Any core finds any key; only the core that owns a slot
//! reads and writes its value, and takes the slot in and out of the index. At most one
//! entry per key is ever a member, also when two cores insert the same key at the same moment.
//!
//! - `shard`: one core's share; `reader`: what every thread may do (find, list).
//! - `probe`: the protocol on bucket entries; `bucket`, `shape`, `entry`: their layout; `index`: where
//!   they lie; `scan`, `select`: one look at all entries of a bucket, by SSE2 or one after another.
//! - `slab`: slots in and out of use; `slots`: a slot's memory; `region`: zeroed, untouched memory.
//!
//! `tests/model/` tries all interleavings of the protocol, with loom and with shuttle.
//!
//! Imports `wire::flow_key` and nothing else of this crate. `unsafe` lives in `slots` (values have
//! one owner), `scan` (SSE2), `region` (mmap) and `prefetch`.
//!
//! # Layout
//!
//! ```text
//! bucket, 64 bytes    7 entries                                        1 word
//!                      state 2 | tag 14 | generation 20 | slot 28       8 overflow counts of 8 bits: entries whose
//!                                                                       home is here, at distance 1..=8
//! line, 64 or 128      key, 12 or 36 bytes of atomic words | value, the owner's alone
//! ```
//!
//! A miss reads the home bucket and, where its counts say so, the buckets counted: at full
//! capacity 94.5 % of the misses end in one cache line. A hit reads the line as well.
//!
//! A look loads the upper 16 bits of all seven entries and compares them at once: which places hold a
//! member with the tag, which are empty. One look at the home answers both questions of an insertion: no
//! member has the key, and there is a place for it.
//!
//! # Insertion
//!
//! One core alone stores the entry as a member, in the empty place that this look saw.
//!
//! With other cores: publish the entry as tentative in an empty place; scan every place where the key
//! may live; promote the entry to member. Of two entries with the same key a member wins, else the
//! tentative one in the earlier place: its inserter empties the later one. (After Purcell and
//! Harris, "Non-blocking hashtables with open addressing", 2005, with bounded places instead of
//! bounded probe lengths.) Lookups see members only. Nearly always the home has an empty place and no
//! other entry with the key's tag: then the scan is a second look at the home.
//!
//! Why at most one: of two inserters one publishes first in the order of sequentially consistent
//! operations, so the other's scan, which follows its own publication, finds the first's
//! entry. If the other is in the later place, it withdraws. If it is in the earlier place, it empties
//! the first's entry, whose promotion then fails, or finds it promoted and withdraws.
//!
//! # Memory order
//!
//! | | access | order | matches |
//! |---|---|---|---|
//! | A | words of a new key: store | Relaxed | carried by C to E, by H to F |
//! | B | count for a distance, up: add | SeqCst | D: published entries are counted |
//! | C | place, empty to tentative: CAS | SeqCst (release) | D of other inserters; E reads the key |
//! | D | counts and places, scanning: load | SeqCst (acquire) | B, C, H |
//! | E | places, finding: load | Acquire | C, G: the key's words are the entry's |
//! | F | fence between key and second load of the entry | Acquire | H: an entry seen unchanged had this key |
//! | G | place, tentative to member: CAS | Release | E; a reader of the member sees what D saw removed |
//! | H | place to empty (removed or withdrawn), then a fence | Release | D, E; the fence F, since the line is rewritten next |
//! | I | count for a distance, down: sub | Release | D, E: a reader that no longer sees the count sees the place emptied |
//! | K | place, a rival's tentative to empty: CAS | Relaxed | carries nothing; the rival's G fails by coherence |
//! | L | place, empty to member where one core inserts: store | Release | E: as G |
//!
//! A look that scans is D. Any other look is Relaxed and only names places: their entries are loaded
//! again (E), replaced by comparing (C), or changed by no other core (L, H).
//!
//! An entry that was emptied and returns with the same slot carries the next generation. For one to
//! be mistaken for another, a core has to stop between two loads while the same slot is
//! reused 2^20 times and comes back to the same place with the same tag.

mod bucket;
mod entry;
mod index;
mod prefetch;
mod probe;
mod reader;
mod region;
#[cfg(target_arch = "x86_64")]
mod scan;
#[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "x86-64 has `scan`"))]
mod select;
mod shape;
mod shard;
mod slab;
mod slots;

#[cfg(test)]
mod tests;

pub use reader::{TableError, TableReader};
pub use shard::{InsertError, Shard, table};
pub use slots::line_size;

/// A slot's index in the whole process; it determines the core that owns it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(pub u32);

/// A member of the index: its slot, and the core that owns it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where the member is stored.
    pub slot: Slot,
    /// Index of the [`Shard`] whose slot this is.
    pub owner: usize,
}
