use zerocopy::FromZeros;

use super::super::failure::{FAILURES, Failure};
use super::super::http::Response;
use super::super::tuples::Ticket;

/// What is kept about a connection beside the engine's line: sixteen octets, by its number.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub(super) struct Entry {
    /// The intended start, microseconds modulo 2^32: longer than any connection may take.
    pub(super) start: u32,
    ticket: u32,
    /// On its way: the response so far. Otherwise: [`Entry::note`].
    pub(super) response: Response,
    pub(super) phase: ConnPhase,
    flags: u8,
}

const _: () = assert!(size_of::<Entry>() == 16);

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub(super) enum ConnPhase {
    /// No connection.
    Free,
    /// The SYN is on its way.
    Opening,
    /// ESTABLISHED, and not done.
    Open,
    /// Held and probed. Note: when, microseconds modulo 2^32.
    Probed,
    /// Has what it wanted. Note: how long that took, microseconds.
    Done,
    /// Given up by us. Note: why.
    Doomed,
}

/// The [`ConnPhase::Doomed`] of one that only ran out of time with the whole run.
const IN_FLIGHT: u32 = u32::MAX;

const MEASURED: u8 = 1;
const UNREACHABLE: u8 = 2;

impl Entry {
    pub(super) fn new(start: u32, ticket: Ticket, measured: bool) -> Entry {
        let flags = if measured { MEASURED } else { 0 };
        Entry { start, ticket: ticket.0, response: Response::default(), phase: ConnPhase::Opening, flags }
    }

    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.ticket)
    }

    /// Whether it counts.
    pub(super) fn is_measured(&self) -> bool {
        self.flags & MEASURED != 0
    }

    /// It was part of a step that is over.
    pub(super) fn forget(&mut self) {
        self.flags &= !MEASURED;
    }

    /// An ICMP error came.
    pub(super) fn tell_unreachable(&mut self) {
        self.flags |= UNREACHABLE;
    }

    pub(super) fn is_told_unreachable(&self) -> bool {
        self.flags & UNREACHABLE != 0
    }

    /// Microseconds since its intended start.
    pub(super) fn age(&self, now: u32) -> u32 {
        now.wrapping_sub(self.start)
    }

    pub(super) fn note(&self) -> u32 {
        self.response.note()
    }

    pub(super) fn set(&mut self, phase: ConnPhase, note: u32) {
        self.phase = phase;
        self.response.set_note(note);
    }

    /// `None`: for no failure of its own.
    pub(super) fn doom(&mut self, why: Option<Failure>) {
        self.set(ConnPhase::Doomed, why.map_or(IN_FLIGHT, |failure| failure as u32));
    }

    /// Why it was doomed.
    pub(super) fn doom_reason(&self) -> Option<Failure> {
        FAILURES.get(self.note() as usize).map(|(failure, _)| *failure)
    }
}

/// The entries of one core, by connection number.
#[derive(Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    /// Only numbers from here on...
    low: u32,
    /// ...and below this one have ever been used: what sweeps look at.
    high: u32,
}

impl Entries {
    /// Room for numbers below `capacity`. Memory that is not touched before it is used.
    pub(super) fn reserve(&mut self, capacity: u32) {
        if self.list.is_empty() {
            // Without memory there is no room: every number is then beyond it, and is aborted.
            self.list = Entry::new_vec_zeroed(capacity as usize).unwrap_or_default();
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.list.get_mut(number as usize).filter(|entry| entry.phase != ConnPhase::Free)
    }

    pub(super) fn has_room(&self, number: u32) -> bool {
        (number as usize) < self.list.len()
    }

    /// There must be room for it.
    pub(super) fn put(&mut self, number: u32, entry: Entry) {
        let Some(place) = self.list.get_mut(number as usize) else { return };
        *place = entry;
        if self.high == 0 {
            self.low = number;
        }
        self.low = self.low.min(number);
        self.high = self.high.max(number + 1);
    }

    /// Takes it out.
    pub(super) fn take(&mut self, number: u32) -> Option<Entry> {
        let entry = self.get_mut(number)?;
        let taken = *entry;
        entry.phase = ConnPhase::Free;
        Some(taken)
    }

    /// The numbers that may be used.
    pub(super) fn span(&self) -> std::ops::Range<u32> {
        self.low..self.high
    }

    /// See [`Entry::forget`].
    pub(super) fn forget(&mut self) {
        let (low, high) = (self.low as usize, self.high as usize);
        self.list.get_mut(low..high).unwrap_or_default().iter_mut().for_each(Entry::forget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_in_use_are_found() {
        let mut entries = Entries::default();
        assert!(!entries.has_room(0), "no memory yet");
        entries.reserve(10);
        assert_eq!(entries.span(), 0..0);
        assert!(entries.has_room(9) && !entries.has_room(10));
        entries.put(7, Entry::new(5, Ticket(9), true));
        entries.put(4, Entry::new(5, Ticket(8), false));
        assert_eq!(entries.span(), 4..8);
        assert!(entries.get_mut(5).is_none() && entries.get_mut(99).is_none());
        let taken = entries.take(7).unwrap();
        assert_eq!((taken.ticket(), taken.is_measured(), taken.phase), (Ticket(9), true, ConnPhase::Opening));
        assert!(entries.take(7).is_none());
    }

    #[test]
    fn ages_go_round_and_reasons_come_back() {
        let mut entry = Entry::new(u32::MAX - 9, Ticket(0), true);
        assert_eq!(entry.age(10), 20);
        for (failure, _) in FAILURES {
            entry.doom(Some(failure));
            assert_eq!(entry.doom_reason(), Some(failure));
        }
        entry.doom(None);
        assert_eq!(entry.doom_reason(), None);
        entry.tell_unreachable();
        entry.forget();
        assert!(entry.is_told_unreachable() && !entry.is_measured());
    }
}
