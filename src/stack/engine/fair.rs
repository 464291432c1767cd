//! Rate limits that no sender can use up for the others: of RSTs, and of answers to pings.
//!
//! Requests come in kinds, each with an equal part of the rate; what a kind does not need, another gets,
//! down to half a second's worth. Within a kind, a sender (an IPv4 /24, an IPv6 /64) may have got no
//! more in the last second than there are tokens left: few senders that ask for much leave many tokens to
//! those that ask for little, many senders come to equal shares (the dynamic threshold of shared
//! buffers, Choudhury and Hahne 1998). Senders are counted in two rows of cells by a keyed hash, and the
//! lower count is believed (a count-min sketch), so that memory is fixed and a neighbour in one row
//! does no harm. Sources that are all different cannot be distinguished from honest ones: those are sampled.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher13;

use crate::tcp::{Time, TokenBucket};
use crate::wire::source_prefix;

/// Cells of a row. More senders than this at a time share cells.
const CELLS: usize = 4096;
/// How long a cell remembers, milliseconds.
const WINDOW_MS: u64 = 1000;

/// A limit for `KINDS` kinds of requests.
pub(super) struct FairLimit<const KINDS: usize> {
    kinds: [RateKind; KINDS],
    key: [u64; 2],
}

struct RateKind {
    budget: TokenBucket,
    rows: [Box<[Cell]>; 2],
}

/// What senders got in one window.
#[derive(Clone, Copy, Default)]
struct Cell {
    window: u16,
    got: u16,
}

impl<const KINDS: usize> FairLimit<KINDS> {
    /// `rate` a second, all kinds together, with bursts of a second's worth.
    pub(super) fn new(rate: u32, key: [u64; 2]) -> FairLimit<KINDS> {
        let row = || vec![Cell::default(); CELLS].into_boxed_slice();
        let kind = |_| RateKind { budget: TokenBucket::share(rate, KINDS as u32), rows: [row(), row()] };
        FairLimit { kinds: std::array::from_fn(kind), key }
    }

    /// Whether a request of this kind is answered now; if so, it has been counted.
    pub(super) fn take(&mut self, kind: usize, sender: IpAddr, now: Time) -> bool {
        self.kinds.iter_mut().for_each(|kind| kind.budget.refill(now));
        let room = self.room(kind);
        if room == 0 {
            return false;
        }
        let places = self.places(sender);
        let Some(own) = self.kinds.get_mut(kind) else { return false };
        let got = own.got(places, now);
        // The first one of a window passes while there is a token at all.
        if got > 0 && u64::from(got) >= room {
            return false;
        }
        own.note(places, got.saturating_add(1), now);
        own.budget.spend() || self.borrow(kind)
    }

    /// Tokens that a kind may use: its own, and what others have beyond the half of their bucket.
    fn room(&self, kind: usize) -> u64 {
        let tokens = |(index, other): (usize, &RateKind)| match index == kind {
            true => other.budget.tokens(),
            false => other.budget.tokens().saturating_sub(other.budget.capacity() / 2),
        };
        self.kinds.iter().enumerate().map(tokens).sum()
    }

    /// A token of the kind that has most to spare.
    fn borrow(&mut self, kind: usize) -> bool {
        let others = self.kinds.iter_mut().enumerate().filter(|(index, _)| *index != kind);
        let richest = others.max_by_key(|(_, other)| other.budget.tokens());
        richest.is_some_and(|(_, other)| other.budget.spend())
    }

    /// The sender's cell in each row.
    fn places(&self, sender: IpAddr) -> [usize; 2] {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(source_prefix(sender));
        let hash = hasher.finish() as usize;
        [hash % CELLS, (hash >> 32) % CELLS]
    }
}

impl RateKind {
    /// What the sender got in this window, at most.
    fn got(&self, places: [usize; 2], now: Time) -> u16 {
        let cells = self.rows.iter().zip(places).map(|(row, place)| (row.get(place), window(place, now)));
        let got =
            cells.map(|(cell, window)| cell.filter(|cell| cell.window == window).map_or(0, |cell| cell.got));
        got.min().unwrap_or(0)
    }

    fn note(&mut self, places: [usize; 2], got: u16, now: Time) {
        for (row, place) in self.rows.iter_mut().zip(places) {
            let Some(cell) = row.get_mut(place) else { continue };
            let window = window(place, now);
            let before = if cell.window == window { cell.got } else { 0 };
            *cell = Cell { window, got: before.max(got) };
        }
    }
}

/// Windows begin at other times for other cells: all at once would be a rush for the tokens.
fn window(place: usize, now: Time) -> u16 {
    ((now.micros / 1000 + place as u64 * WINDOW_MS / CELLS as u64) / WINDOW_MS) as u16
}

#[cfg(test)]
mod tests;
