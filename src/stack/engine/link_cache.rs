//! The link headers of peers and routers, each with the port that leads there. A connection keeps the
//! index of its entry, two bytes, for the segments it sends in new frames.
//!
//! Connections share the entries. An entry counts its connections; one without connections stays until
//! its place is needed. A connection for which there is no entry keeps its link header itself, in a line
//! of its own: each of its segments then costs one cache line more, and nothing is lost.

use std::hash::{BuildHasher, RandomState};

use zerocopy::FromZeros;

use crate::wire::ethernet::{self, UntaggedWords};
use crate::wire::{FrameFilter, LinkHeader, Mac};

/// No link header is known: nothing was set, or there was no memory for lines at start.
pub(super) const NO_NEXT_HOP: u16 = u16::MAX;
/// The link header of a frame is not that of its batch.
pub(super) const OTHER_LINK: u16 = NO_NEXT_HOP - 2;
/// The link header is in the connection's own line.
const OWN_LINE: u16 = NO_NEXT_HOP - 1;
/// Entries of the table: neighbours on all links of one core.
const ENTRIES: usize = 4096;
/// Entries looked at for one without connections, so that a flood of SYNs from invented MACs costs
/// the same for each.
const SCAN_LIMIT: usize = 16;
/// Chains of entries with the same hash; a power of two.
const CHAINS: usize = 2 * ENTRIES;
/// The end of a chain.
const NONE: u16 = u16::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Hash, FromZeros)]
pub(super) struct LinkEntry {
    pub link: LinkHeader,
    pub port: u8,
}

struct SharedEntry {
    entry: LinkEntry,
    /// The link header of the frames that it replies to, as words; if tagged, words of no frame.
    received: UntaggedWords,
    /// The link header of the replies, as words. Tags follow, and stay as received.
    reply: UntaggedWords,
    /// Connections that refer to it.
    connections: u32,
    /// In its chain.
    next: u16,
}

impl SharedEntry {
    #[inline(always)]
    fn is_reply_to_untagged(&self, frame: &[u8], port: u8) -> bool {
        UntaggedWords::of(frame) == Some(self.received) && self.entry.port == port
    }
}

/// The untagged link header that most frames of a batch have, and its entry.
#[derive(Clone, Copy)]
pub(super) struct BatchLink {
    pub received: UntaggedWords,
    pub index: u16,
}

impl BatchLink {
    /// No frame has it.
    pub(super) const NONE: BatchLink = BatchLink { received: UntaggedWords::NONE, index: OTHER_LINK };
}

/// An entry of the table: see [`LinkCache::held`].
pub(super) struct HeldEntry<'a>(&'a mut SharedEntry);

impl HeldEntry<'_> {
    /// Writes the link header of the reply over the frame's, and counts one connection more.
    #[inline(always)]
    pub(super) fn take(self, frame: &mut [u8]) {
        self.0.connections += 1;
        self.0.reply.write(frame);
    }
}

pub(super) struct LinkCache {
    shared: Vec<SharedEntry>,
    /// By hash: the first entry of a chain. Made once; a `HashMap` in which entries come and go
    /// allocates now and then.
    chains: Box<[u16]>,
    hasher: RandomState,
    /// By address family: the entry found or added last. Most frames come from the same neighbour as the last
    /// one.
    last: [u16; 2],
    /// The next entry to look at for one without connections.
    next_scan: usize,
    /// By connection. Memory follows use.
    lines: Vec<LinkEntry>,
    /// By port: the source address of what is sent, when it is not the one that the peer sent to.
    macs: Vec<Option<Mac>>,
}

impl LinkCache {
    pub(super) fn new() -> LinkCache {
        LinkCache {
            shared: Vec::with_capacity(ENTRIES),
            chains: vec![NONE; CHAINS].into(),
            hasher: RandomState::new(),
            last: [0; 2],
            next_scan: 0,
            lines: Vec::new(),
            macs: Vec::new(),
        }
    }

    /// Room for so many connections with a line of their own. Without memory they have no link header.
    pub(super) fn reserve(&mut self, connections: usize) {
        self.lines = LinkEntry::new_vec_zeroed(connections).unwrap_or_default();
    }

    /// The source address of what leaves through a port from now on.
    pub(super) fn set_mac(&mut self, port: u8, mac: Option<Mac>) {
        let port = usize::from(port);
        if self.macs.len() <= port {
            self.macs.resize(port + 1, None);
        }
        self.macs[port] = mac;
    }

    /// The entry of this index, for connection `conn`.
    #[inline]
    pub(super) fn get(&self, link: u16, conn: u32) -> Option<LinkEntry> {
        let entry = match self.shared.get(usize::from(link)) {
            Some(shared) => shared.entry,
            None if link == OWN_LINE => *self.lines.get(conn as usize)?,
            None => return None,
        };
        let mac = self.macs.get(usize::from(entry.port)).copied().flatten();
        Some(mac.map_or(entry, |mac| LinkEntry { link: entry.link.with_source(mac), ..entry }))
    }

    /// The index of the link header back to a frame's sender, for one connection more. Where
    /// [`LinkCache::is_own_line`] holds for it, [`LinkCache::store_own`] follows as soon as the connection
    /// has a slot.
    #[inline]
    pub(super) fn intern(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        let last = self.last[usize::from(ethernet::is_ipv6(frame, link_len))];
        match self.shared.get_mut(usize::from(last)) {
            Some(shared) if shared.entry.port == port && shared.entry.link.is_reply_to(frame, link_len) => {
                shared.connections += 1;
                last
            }
            _ => self.intern_other(frame, link_len, port),
        }
    }

    #[cold]
    fn intern_other(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        match LinkHeader::reply_to(frame, link_len) {
            Some(link) => self.insert(LinkEntry { link, port }),
            None => NO_NEXT_HOP,
        }
    }

    /// The entry that was used last, for a batch of frames: it is held until [`LinkCache::release`] follows, so it
    /// cannot be replaced meanwhile.
    pub(super) fn hold_last(&mut self, ipv6: bool, port: u8, filter: &FrameFilter) -> BatchLink {
        let index = self.last[usize::from(ipv6)];
        match self.shared.get_mut(usize::from(index)) {
            Some(shared) if shared.entry.port == port && filter.accepts(&shared.received) => {
                shared.connections += 1;
                BatchLink { received: shared.received, index }
            }
            _ => BatchLink::NONE,
        }
    }

    /// As [`LinkCache::intern`], without counting a connection: for use at once. [`OTHER_LINK`]: there is no room.
    #[inline(never)]
    pub(super) fn find_or_add(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        let link = self.intern(frame, link_len, port);
        self.release(link);
        if usize::from(link) < ENTRIES { link } else { OTHER_LINK }
    }

    /// The entry of this index, if there is one.
    #[inline(always)]
    pub(super) fn held(&mut self, index: u16) -> Option<HeldEntry<'_>> {
        self.shared.get_mut(usize::from(index)).map(HeldEntry)
    }

    /// As [`LinkCache::intern`], for a link header that is known otherwise.
    pub(super) fn insert(&mut self, entry: LinkEntry) -> u16 {
        let chain = self.chain(&entry);
        let Some(link) = self.find(chain, &entry).or_else(|| self.add(chain, entry)) else {
            return OWN_LINE;
        };
        self.last[usize::from(entry.link.is_ipv6())] = link;
        self.acquire(link);
        link
    }

    /// One connection more has this index.
    #[inline]
    pub(super) fn acquire(&mut self, link: u16) {
        if let Some(shared) = self.shared.get_mut(usize::from(link)) {
            shared.connections += 1;
        }
    }

    /// A connection with this index has ended, or has another one now.
    #[inline]
    pub(super) fn release(&mut self, link: u16) {
        if let Some(shared) = self.shared.get_mut(usize::from(link)) {
            shared.connections = shared.connections.wrapping_sub(1);
        }
    }

    /// Whether a connection with this index keeps its link header in a line of its own.
    #[inline]
    pub(super) fn is_own_line(link: u16) -> bool {
        link == OWN_LINE
    }

    /// Writes the link header back to a frame's sender into the line of connection `conn`; its index.
    #[cold]
    pub(super) fn store_own(&mut self, frame: &[u8], link_len: u8, port: u8, conn: u32) -> u16 {
        let line = self.lines.get_mut(conn as usize);
        match LinkHeader::reply_to(frame, link_len).zip(line) {
            Some((link, line)) => {
                *line = LinkEntry { link, port };
                OWN_LINE
            }
            None => NO_NEXT_HOP,
        }
    }

    /// The index of the link header back to the sender of a frame of connection `conn`, which had `current`.
    #[inline(always)]
    pub(super) fn update(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16, conn: u32) -> u16 {
        match self.shared.get(usize::from(current)) {
            Some(shared) if shared.is_reply_to_untagged(frame, port) => current,
            _ => self.update_tagged(frame, link_len, port, current, conn),
        }
    }

    #[inline(never)]
    fn update_tagged(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16, conn: u32) -> u16 {
        match self.shared.get(usize::from(current)) {
            Some(shared) if shared.entry.port == port && shared.entry.link.is_reply_to(frame, link_len) => {
                current
            }
            _ => self.update_other(frame, link_len, port, current, conn),
        }
    }

    #[cold]
    fn update_other(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16, conn: u32) -> u16 {
        let same = |entry: &LinkEntry| entry.port == port && entry.link.is_reply_to(frame, link_len);
        if current == OWN_LINE && self.lines.get(conn as usize).is_some_and(same) {
            return current;
        }
        self.release(current);
        match self.intern_other(frame, link_len, port) {
            OWN_LINE => self.store_own(frame, link_len, port, conn),
            link => link,
        }
    }

    /// Connections that share entries: for tests.
    pub(super) fn connections(&self) -> u64 {
        self.shared.iter().map(|shared| u64::from(shared.connections)).sum()
    }

    /// By a keyed hash, so that invented MACs do not make one long chain.
    fn chain(&self, entry: &LinkEntry) -> usize {
        self.hasher.hash_one(entry) as usize % CHAINS
    }

    fn find(&self, chain: usize, entry: &LinkEntry) -> Option<u16> {
        let mut at = self.chains[chain];
        while let Some(shared) = self.shared.get(usize::from(at)) {
            if shared.entry == *entry {
                return Some(at);
            }
            at = shared.next;
        }
        None
    }

    /// A new entry, in the place of one without connections if the table is full.
    fn add(&mut self, chain: usize, entry: LinkEntry) -> Option<u16> {
        let (reply, received) = entry.link.words();
        let shared = SharedEntry { entry, received, reply, connections: 0, next: self.chains[chain] };
        let link = if self.shared.len() < ENTRIES {
            self.shared.push(shared);
            self.shared.len() - 1
        } else {
            let link = self.unreferenced()?;
            self.unlink(link as u16);
            // Read anew: the old entry may have been the first of this chain.
            self.shared[link] = SharedEntry { next: self.chains[chain], ..shared };
            link
        };
        self.chains[chain] = link as u16;
        Some(link as u16)
    }

    /// An entry without connections, among the next few.
    fn unreferenced(&mut self) -> Option<usize> {
        for _ in 0..SCAN_LIMIT {
            let link = self.next_scan;
            self.next_scan = (link + 1) % ENTRIES;
            if self.shared.get(link)?.connections == 0 {
                return Some(link);
            }
        }
        None
    }

    fn unlink(&mut self, link: u16) {
        let Some(SharedEntry { entry, next, .. }) = self.shared.get(usize::from(link)) else { return };
        let (chain, next) = (self.chain(entry), *next);
        if self.chains[chain] == link {
            self.chains[chain] = next;
            return;
        }
        let mut at = self.chains[chain];
        while let Some(shared) = self.shared.get_mut(usize::from(at)) {
            if shared.next == link {
                shared.next = next;
                return;
            }
            at = shared.next;
        }
    }
}

#[cfg(test)]
mod tests;
