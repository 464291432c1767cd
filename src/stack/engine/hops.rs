//! Ways back: the link headers of peers and routers, and the port behind which they are. A connection
//! keeps the number of its way, two bytes, for the segments it sends unasked.
//!
//! Connections share the entries of a table. An entry counts its connections; without any it stays
//! until its place is needed. A connection that finds no place keeps its link header itself, in a line
//! of its own beside its slot: then each of its segments costs one cache line more, and nothing is lost.

use std::hash::{BuildHasher, RandomState};

use zerocopy::FromZeros;

use crate::wire::{LinkHeader, Mac};

/// No way is known: nothing was set, or there was no memory for lines at start.
pub(super) const NO_HOP: u16 = u16::MAX;
/// The way lies in the connection's own line.
const OWN_LINE: u16 = NO_HOP - 1;
/// Entries of the table: neighbours on all links of one core.
const SHARED: usize = 4096;
/// Entries looked at for one without connections, so that a flood of SYNs from invented MACs costs
/// the same for each.
const LOOKS: usize = 16;
/// Chains of entries with the same hash; a power of two.
const CHAINS: usize = 2 * SHARED;
/// The end of a chain.
const NONE: u16 = u16::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Hash, FromZeros)]
pub(super) struct Hop {
    pub link: LinkHeader,
    pub port: u8,
}

struct Shared {
    hop: Hop,
    /// Connections that have its number.
    users: u32,
    /// In its chain.
    next: u16,
}

pub(super) struct Hops {
    shared: Vec<Shared>,
    /// By hash: the first entry of a chain. Made once; a `HashMap` in which entries come and go
    /// allocates now and then.
    chains: Box<[u16]>,
    hasher: RandomState,
    /// The entry found or made last: most SYNs come the way the last one came.
    last: u16,
    /// The next entry to look at for one without connections.
    hand: usize,
    /// By connection. Memory follows use.
    lines: Vec<Hop>,
    /// By port: the source address of what is sent, when it is not the one that the peer sent to.
    macs: Vec<Option<Mac>>,
}

impl Hops {
    pub(super) fn new() -> Hops {
        Hops {
            shared: Vec::with_capacity(SHARED),
            chains: vec![NONE; CHAINS].into(),
            hasher: RandomState::new(),
            last: 0,
            hand: 0,
            lines: Vec::new(),
            macs: Vec::new(),
        }
    }

    /// Room for so many connections with a line of their own. Without memory they have no way.
    pub(super) fn reserve(&mut self, connections: usize) {
        self.lines = Hop::new_vec_zeroed(connections).unwrap_or_default();
    }

    /// The source address of what leaves through a port from now on.
    pub(super) fn set_mac(&mut self, port: u8, mac: Option<Mac>) {
        let port = usize::from(port);
        if self.macs.len() <= port {
            self.macs.resize(port + 1, None);
        }
        self.macs[port] = mac;
    }

    /// The way with this number, of connection `of`.
    #[inline]
    pub(super) fn at(&self, number: u16, of: u32) -> Option<Hop> {
        let hop = match self.shared.get(usize::from(number)) {
            Some(shared) => shared.hop,
            None if number == OWN_LINE => *self.lines.get(of as usize)?,
            None => return None,
        };
        let mac = self.macs.get(usize::from(hop.port)).copied().flatten();
        Some(mac.map_or(hop, |mac| Hop { link: hop.link.with_source(mac), ..hop }))
    }

    /// The way back for a frame, for one connection more. If [`Hops::needs_line`] says so of the number,
    /// [`Hops::keep`] follows as soon as the connection has a slot.
    #[inline]
    pub(super) fn enter(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        let last = self.last;
        match self.shared.get_mut(usize::from(last)) {
            Some(shared) if shared.hop.port == port && shared.hop.link.leads_back(frame, link_len) => {
                shared.users += 1;
                last
            }
            _ => self.enter_other(frame, link_len, port),
        }
    }

    #[cold]
    fn enter_other(&mut self, frame: &[u8], link_len: u8, port: u8) -> u16 {
        match LinkHeader::back_to_sender(frame, link_len) {
            Some(link) => self.enter_hop(Hop { link, port }),
            None => NO_HOP,
        }
    }

    /// As [`Hops::enter`], for a way that is known otherwise.
    pub(super) fn enter_hop(&mut self, hop: Hop) -> u16 {
        let chain = self.chain(&hop);
        let Some(number) = self.find(chain, &hop).or_else(|| self.add(chain, hop)) else {
            return OWN_LINE;
        };
        self.last = number;
        self.join(number);
        number
    }

    /// One connection more goes the way with this number.
    #[inline]
    pub(super) fn join(&mut self, number: u16) {
        if let Some(shared) = self.shared.get_mut(usize::from(number)) {
            shared.users += 1;
        }
    }

    /// A connection that went this way has ended, or goes another.
    #[inline]
    pub(super) fn leave(&mut self, number: u16) {
        if let Some(shared) = self.shared.get_mut(usize::from(number)) {
            shared.users = shared.users.wrapping_sub(1);
        }
    }

    /// Whether a connection with this number keeps its way in a line of its own.
    #[inline]
    pub(super) fn needs_line(number: u16) -> bool {
        number == OWN_LINE
    }

    /// Writes the way back for a frame into the line of connection `of`; the number of that way.
    #[cold]
    pub(super) fn keep(&mut self, frame: &[u8], link_len: u8, port: u8, of: u32) -> u16 {
        let line = self.lines.get_mut(of as usize);
        match LinkHeader::back_to_sender(frame, link_len).zip(line) {
            Some((link, line)) => {
                *line = Hop { link, port };
                OWN_LINE
            }
            None => NO_HOP,
        }
    }

    /// The number of the way back for a frame of connection `of`, which had `current`.
    #[inline]
    pub(super) fn follow(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16, of: u32) -> u16 {
        match self.shared.get(usize::from(current)) {
            Some(shared) if shared.hop.port == port && shared.hop.link.leads_back(frame, link_len) => current,
            _ => self.follow_other(frame, link_len, port, current, of),
        }
    }

    #[cold]
    fn follow_other(&mut self, frame: &[u8], link_len: u8, port: u8, current: u16, of: u32) -> u16 {
        let same = |hop: &Hop| hop.port == port && hop.link.leads_back(frame, link_len);
        if current == OWN_LINE && self.lines.get(of as usize).is_some_and(same) {
            return current;
        }
        self.leave(current);
        match self.enter_other(frame, link_len, port) {
            OWN_LINE => self.keep(frame, link_len, port, of),
            number => number,
        }
    }

    /// Connections that share entries: for tests.
    pub(super) fn users(&self) -> u64 {
        self.shared.iter().map(|shared| u64::from(shared.users)).sum()
    }

    /// By a keyed hash, so that invented MACs do not make one long chain.
    fn chain(&self, hop: &Hop) -> usize {
        self.hasher.hash_one(hop) as usize % CHAINS
    }

    fn find(&self, chain: usize, hop: &Hop) -> Option<u16> {
        let mut at = self.chains[chain];
        while let Some(shared) = self.shared.get(usize::from(at)) {
            if shared.hop == *hop {
                return Some(at);
            }
            at = shared.next;
        }
        None
    }

    /// A new entry, in the place of one without connections if the table is full.
    fn add(&mut self, chain: usize, hop: Hop) -> Option<u16> {
        let entry = Shared { hop, users: 0, next: self.chains[chain] };
        let number = if self.shared.len() < SHARED {
            self.shared.push(entry);
            self.shared.len() - 1
        } else {
            let number = self.unused()?;
            self.unlink(number as u16);
            // Read anew: the old entry may have been the first of this chain.
            self.shared[number] = Shared { next: self.chains[chain], ..entry };
            number
        };
        self.chains[chain] = number as u16;
        Some(number as u16)
    }

    /// An entry without connections, among the next few.
    fn unused(&mut self) -> Option<usize> {
        for _ in 0..LOOKS {
            let number = self.hand;
            self.hand = (number + 1) % SHARED;
            if self.shared.get(number)?.users == 0 {
                return Some(number);
            }
        }
        None
    }

    fn unlink(&mut self, number: u16) {
        let Some(Shared { hop, next, .. }) = self.shared.get(usize::from(number)) else { return };
        let (chain, next) = (self.chain(hop), *next);
        if self.chains[chain] == number {
            self.chains[chain] = next;
            return;
        }
        let mut at = self.chains[chain];
        while let Some(shared) = self.shared.get_mut(usize::from(at)) {
            if shared.next == number {
                shared.next = next;
                return;
            }
            at = shared.next;
        }
    }
}

#[cfg(test)]
mod tests;
