use zerocopy::FromZeros;

use super::super::failure::Failure;
use super::super::http::Response;
use super::super::tuples::TupleLease;

/// The generator's state of a connection: 16 bytes, by connection number.
#[derive(Clone, Copy, Debug, FromZeros)]
#[repr(C)]
pub(super) struct ConnRecord {
    /// The intended start, microseconds modulo 2^32; no connection lasts that long.
    pub(super) start: u32,
    lease: u32,
    /// While the request is under way: the response so far. Otherwise: [`ConnRecord::aux`].
    pub(super) response: Response,
    pub(super) phase: ConnPhase,
    flags: u8,
}

const _: () = assert!(size_of::<ConnRecord>() == 16);

/// The phase of a connection; what [`ConnRecord::aux`] holds in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(u8)]
pub(super) enum ConnPhase {
    /// No connection.
    Free,
    /// The SYN is sent.
    Opening,
    /// ESTABLISHED, and not done.
    Open,
    /// Held and probed. Aux: when, microseconds modulo 2^32.
    Probed,
    /// The workload is complete. Aux: after how many microseconds.
    Done,
    /// Ended by a RST of this side. Aux: why.
    Aborting,
}

/// The reason of a connection that was still in flight when the run ended.
const IN_FLIGHT: u32 = u32::MAX;

const MEASURED: u8 = 1;
const UNREACHABLE: u8 = 2;

impl ConnRecord {
    pub(super) fn new(start: u32, lease: TupleLease, measured: bool) -> ConnRecord {
        let flags = if measured { MEASURED } else { 0 };
        ConnRecord { start, lease: lease.0, response: Response::default(), phase: ConnPhase::Opening, flags }
    }

    pub(super) fn lease(&self) -> TupleLease {
        TupleLease(self.lease)
    }

    /// Whether the connection counts.
    pub(super) fn is_measured(&self) -> bool {
        self.flags & MEASURED != 0
    }

    /// The step it counted for is over.
    pub(super) fn forget(&mut self) {
        self.flags &= !MEASURED;
    }

    /// An ICMP error arrived for it.
    pub(super) fn set_unreachable(&mut self) {
        self.flags |= UNREACHABLE;
    }

    pub(super) fn is_unreachable(&self) -> bool {
        self.flags & UNREACHABLE != 0
    }

    /// Microseconds since its intended start.
    pub(super) fn age(&self, now: u32) -> u32 {
        now.wrapping_sub(self.start)
    }

    pub(super) fn aux(&self) -> u32 {
        self.response.aux()
    }

    pub(super) fn set(&mut self, phase: ConnPhase, aux: u32) {
        self.phase = phase;
        self.response.set_aux(aux);
    }

    /// `None`: still in flight at the end.
    pub(super) fn mark_aborting(&mut self, why: Option<Failure>) {
        self.set(ConnPhase::Aborting, why.map_or(IN_FLIGHT, |failure| failure as u32));
    }

    /// Why it is aborted; `None` as in [`ConnRecord::mark_aborting`].
    pub(super) fn abort_reason(&self) -> Option<Failure> {
        Failure::ALL.get(self.aux() as usize).copied()
    }
}

/// The records of one core, by connection number.
#[derive(Default)]
pub(super) struct ConnRecords {
    list: Vec<ConnRecord>,
    /// The range of numbers ever used, which scans look at.
    low: u32,
    high: u32,
}

impl ConnRecords {
    /// Makes room for numbers below `capacity`. The memory is not touched before it is used.
    pub(super) fn reserve(&mut self, capacity: u32) {
        if self.list.is_empty() {
            // Without memory there is no room: every number is then beyond it, and is aborted.
            self.list = ConnRecord::new_vec_zeroed(capacity as usize).unwrap_or_default();
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut ConnRecord> {
        self.list.get_mut(number as usize).filter(|record| record.phase != ConnPhase::Free)
    }

    pub(super) fn has_room(&self, number: u32) -> bool {
        (number as usize) < self.list.len()
    }

    /// Does nothing without room for the number.
    pub(super) fn put(&mut self, number: u32, record: ConnRecord) {
        let Some(place) = self.list.get_mut(number as usize) else { return };
        *place = record;
        if self.high == 0 {
            self.low = number;
        }
        self.low = self.low.min(number);
        self.high = self.high.max(number + 1);
    }

    /// Removes a record.
    pub(super) fn take(&mut self, number: u32) -> Option<ConnRecord> {
        let record = self.get_mut(number)?;
        let taken = *record;
        record.phase = ConnPhase::Free;
        Some(taken)
    }

    /// The range of numbers that may be in use.
    pub(super) fn span(&self) -> std::ops::Range<u32> {
        self.low..self.high
    }

    /// See [`ConnRecord::forget`].
    pub(super) fn forget(&mut self) {
        let (low, high) = (self.low as usize, self.high as usize);
        self.list.get_mut(low..high).unwrap_or_default().iter_mut().for_each(ConnRecord::forget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_in_use_are_found() {
        let mut records = ConnRecords::default();
        assert!(!records.has_room(0), "no memory yet");
        records.reserve(10);
        assert_eq!(records.span(), 0..0);
        assert!(records.has_room(9) && !records.has_room(10));
        records.put(7, ConnRecord::new(5, TupleLease(9), true));
        records.put(4, ConnRecord::new(5, TupleLease(8), false));
        assert_eq!(records.span(), 4..8);
        assert!(records.get_mut(5).is_none() && records.get_mut(99).is_none());
        let taken = records.take(7).unwrap();
        assert_eq!(
            (taken.lease(), taken.is_measured(), taken.phase),
            (TupleLease(9), true, ConnPhase::Opening)
        );
        assert!(records.take(7).is_none());
    }

    #[test]
    fn ages_go_round_and_reasons_come_back() {
        let mut record = ConnRecord::new(u32::MAX - 9, TupleLease(0), true);
        assert_eq!(record.age(10), 20);
        for &failure in Failure::ALL {
            record.mark_aborting(Some(failure));
            assert_eq!(record.abort_reason(), Some(failure));
        }
        record.mark_aborting(None);
        assert_eq!(record.abort_reason(), None);
        record.set_unreachable();
        record.forget();
        assert!(record.is_unreachable() && !record.is_measured());
    }
}
