//! Send buffers: attached to a connection only while it has data queued or in flight, and taken from the
//! connection longest without progress when they run out (docs/decisions/0025).

use super::congestion::CongestionControl;
use super::shares::{Share, Shares};
use super::{BufferId, CongestionAlgorithm, Endpoints, Tcb, TcbFlags, rto::Rto};

/// The state of a connection with data queued, beyond its line in the table.
#[derive(Clone, Copy)]
struct SendState {
    /// Bytes in the buffer, from SND.UNA on.
    queued: u16,
    /// Of these, bytes sent and not acknowledged.
    in_flight: u16,
    /// When the last segment in flight was sent; `None` after a retransmission (Karn).
    sent_at_ms: Option<u32>,
    rto: Rto,
    congestion: CongestionControl,
    /// The connection that has the buffer.
    holder: u32,
    /// In a share: opened by the peer.
    shared: bool,
}

impl SendState {
    fn new(rto: Rto, algorithm: CongestionAlgorithm, (holder, shared): (u32, bool)) -> SendState {
        let congestion = CongestionControl::new(algorithm);
        SendState { queued: 0, in_flight: 0, sent_at_ms: None, rto, congestion, holder, shared }
    }
}

/// The connection that a buffer is attached to, and the time.
pub(super) struct BufferOwner<'a> {
    /// The connection's index on its core.
    pub number: u32,
    pub endpoints: &'a dyn Endpoints,
    pub now_ms: u32,
}

/// The payload of a segment to send: a range of a send buffer, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Payload {
    buffer: BufferId,
    /// Bytes from SND.UNA.
    start: u16,
    len: u16,
}

impl Payload {
    /// No bytes, and no buffer.
    pub const EMPTY: Payload = Payload { buffer: BufferId::NONE, start: 0, len: 0 };

    /// Bytes.
    #[inline]
    pub(super) fn len(self) -> u16 {
        self.len
    }
}

/// One core's send buffers, a fixed number. Their memory is touched when first used.
pub struct SendBuffers {
    bytes: Vec<u8>,
    states: Vec<SendState>,
    free: Vec<u32>,
    /// Buffers from here on were never used.
    next_unused: u32,
    shares: Shares,
    /// Of connections that attach a buffer.
    algorithm: CongestionAlgorithm,
    /// Buffers to free, after a connection found few or none; 0: enough are free.
    wanted: usize,
    /// That connection's share.
    crowded: Option<Share>,
}

/// After this time without progress, milliseconds, a segment was lost or the peer accepts no data: the
/// minimum RTO of RFC 6298.
const STALL_MS: u32 = 1000;
/// The same when no buffer is left and data is in flight: a round trip of most peers.
const STALL_IN_FLIGHT_MS: u32 = 200;
/// The same when the peer's window lets no data go.
const STALL_CLOSED_MS: u32 = 20;
/// One of this many buffers is kept free, in all and in each share: enough for a few polls.
const RESERVE: usize = 16;
/// Bytes of options that a full segment may have in place of data.
const MAX_OPTIONS: u32 = 12;

impl SendBuffers {
    /// Bytes a connection can have queued: two full segments and a little.
    pub const CAPACITY: usize = 4096;

    /// `count` buffers; `secret` keys the hash of sources.
    pub fn new(count: u32, secret: [u64; 2], algorithm: CongestionAlgorithm) -> SendBuffers {
        let idle = SendState::new(Rto::new(0, false), algorithm, (0, false));
        SendBuffers {
            bytes: vec![0; count as usize * Self::CAPACITY],
            states: vec![idle; count as usize],
            free: Vec::with_capacity(count as usize),
            next_unused: 0,
            shares: Shares::new(count as usize, secret),
            algorithm,
            wanted: 0,
            crowded: None,
        }
    }

    /// Buffers in use.
    #[inline]
    pub fn in_use(&self) -> usize {
        self.next_unused as usize - self.free.len()
    }

    /// All buffers.
    #[inline]
    pub fn count(&self) -> usize {
        self.states.len()
    }

    /// Whether a connection found few buffers, or none for it.
    #[inline]
    pub fn pressed(&self) -> bool {
        self.wanted > 0
    }

    /// The connection whose buffer is to be taken; `None`: enough are free, or all others make progress.
    /// The fewer are free, the shorter is the time without progress after which one is taken.
    pub fn gives_way(&self, now_ms: u32) -> Option<u32> {
        let room = self.tightest();
        if room >= self.wanted {
            return None;
        }
        let age_ms = (STALL_MS as usize * room / self.wanted) as u32;
        let stalled = |share: Share| {
            let oldest = self.shares.oldest(share)?;
            self.is_stalled(oldest, now_ms, age_ms).then_some(self.states[oldest].holder)
        };
        let fullest = || self.shares.fullest(now_ms, age_ms.max(STALL_CLOSED_MS));
        self.crowded.and_then(stalled).or_else(|| stalled(fullest()?))
    }

    /// Called after the engine has freed the buffers that it can.
    pub fn relieved(&mut self) {
        if self.tightest() >= self.wanted {
            (self.wanted, self.crowded) = (0, None);
        }
    }

    /// Milliseconds since the connection last made progress; 0 without a buffer.
    pub(super) fn stalled_ms(&self, buffer: BufferId, now_ms: u32) -> u32 {
        let shared = buffer.index().filter(|index| self.states[*index].shared);
        shared.map_or(0, |index| now_ms.wrapping_sub(self.shares.progress_ms(index)))
    }

    fn is_stalled(&self, buffer: usize, now_ms: u32, age_ms: u32) -> bool {
        let least = if self.states[buffer].in_flight > 0 { STALL_IN_FLIGHT_MS } else { STALL_CLOSED_MS };
        now_ms.wrapping_sub(self.shares.progress_ms(buffer)) >= age_ms.max(least)
    }

    /// Room of the crowded share, or of all.
    fn tightest(&self) -> usize {
        let free = self.count() - self.in_use();
        self.crowded.map_or(free, |share| self.shares.room(share, free))
    }

    pub(super) fn room(&self, buffer: BufferId) -> usize {
        Self::CAPACITY - self.state(buffer).map_or(0, |state| usize::from(state.queued))
    }

    /// Queues all of `data`, or nothing. Returns whether it did.
    pub(super) fn append(&mut self, tcb: &mut Tcb, data: &[u8], holder: &BufferOwner<'_>) -> bool {
        if data.is_empty() {
            return true;
        }
        if data.len() > self.room(tcb.buffer) {
            return false;
        }
        let Some(index) = tcb.buffer.index().or_else(|| self.attach(tcb, holder)) else {
            return false;
        };
        let start = index * Self::CAPACITY + usize::from(self.states[index].queued);
        self.bytes[start..start + data.len()].copy_from_slice(data);
        self.states[index].queued += data.len() as u16;
        true
    }

    /// Releases the buffer.
    pub fn release(&mut self, buffer: &mut BufferId) {
        if let Some(index) = std::mem::take(buffer).index() {
            if self.states[index].shared {
                self.shares.remove(index);
            }
            self.free.push(index as u32);
        }
    }

    /// Bytes queued and not sent yet.
    pub(super) fn unsent(&self, buffer: BufferId) -> u32 {
        self.state(buffer).map_or(0, |state| u32::from(state.queued - state.in_flight))
    }

    /// Bytes sent and not acknowledged.
    pub(super) fn in_flight(&self, buffer: BufferId) -> u16 {
        self.state(buffer).map_or(0, |state| state.in_flight)
    }

    /// Bytes that congestion control allows beyond those in flight; 0 without a buffer.
    pub(super) fn congestion_window(&self, tcb: &Tcb) -> u32 {
        self.state(tcb.buffer).map_or(0, |state| {
            let in_flight = tcb.in_flight();
            state.congestion.window(in_flight, u32::from(tcb.mss)).saturating_sub(in_flight)
        })
    }

    /// Takes the next `bytes` that were not sent yet.
    pub(super) fn send_new(&mut self, buffer: BufferId, bytes: u16, now_ms: u32) -> Payload {
        let Some(state) = self.state_mut(buffer).filter(|_| bytes > 0) else {
            return Payload::EMPTY;
        };
        let start = state.in_flight;
        state.in_flight += bytes;
        state.sent_at_ms = Some(now_ms);
        Payload { buffer, start, len: bytes }
    }

    /// Takes the first bytes in flight once more after a time-out, at most `limit`. Their round trip is not
    /// measured (Karn's rule).
    pub(super) fn send_again(&mut self, tcb: &Tcb, limit: u16) -> Payload {
        let buffer = tcb.buffer;
        let Some(state) = self.state_mut(buffer) else {
            return Payload::EMPTY;
        };
        state.sent_at_ms = None;
        state.congestion.on_timeout(u32::from(state.in_flight), u32::from(tcb.mss));
        Payload { buffer, start: 0, len: state.in_flight.min(limit) }
    }

    /// Drops the bytes that an ACK for `bytes` beyond SND.UNA covers, and returns how many of them were
    /// data. Releases an empty buffer; its round trip stays with the connection.
    pub(super) fn acknowledged(&mut self, tcb: &mut Tcb, bytes: u32, now_ms: u32) -> u16 {
        let Some(index) = tcb.buffer.index() else {
            return 0;
        };
        let state = &mut self.states[index];
        let data = bytes.min(u32::from(state.in_flight)) as u16;
        if data == state.in_flight
            && data > 0
            && let Some(sent_at) = state.sent_at_ms.take()
        {
            state.rto.sample(now_ms.wrapping_sub(sent_at));
            tcb.srtt_ms = state.rto.srtt_ms();
        }
        state.congestion.on_ack(u32::from(data), u32::from(tcb.mss));
        state.in_flight -= data;
        state.queued -= data;
        let (queued, start, shared) = (usize::from(state.queued), index * Self::CAPACITY, state.shared);
        if queued == 0 {
            self.release(&mut tcb.buffer);
        } else {
            let rest = start + usize::from(data);
            self.bytes.copy_within(rest..rest + queued, start);
            // Less than a full segment, as a silly window takes it, is not progress.
            if shared && u32::from(data) + MAX_OPTIONS >= u32::from(tcb.mss) {
                let share = self.shares.remove(index);
                self.shares.add(index, share, now_ms);
            }
        }
        data
    }

    /// The bytes of a payload.
    #[inline]
    pub fn payload(&self, payload: Payload) -> &[u8] {
        let Some(index) = payload.buffer.index() else {
            return &[];
        };
        let start = index * Self::CAPACITY + usize::from(payload.start);
        self.bytes.get(start..start + usize::from(payload.len)).unwrap_or_default()
    }

    /// How long to wait for an ACK after transmission number `retries`, milliseconds.
    pub(super) fn timeout(&self, tcb: &Tcb, retries: u8) -> u32 {
        match self.state(tcb.buffer) {
            Some(state) => state.rto.timeout(retries),
            None => Rto::new(tcb.srtt_ms, tcb.has(TcbFlags::SYN_LOST)).timeout(retries),
        }
    }

    fn attach(&mut self, tcb: &mut Tcb, holder: &BufferOwner<'_>) -> Option<usize> {
        // Active opens are not caused by a peer: they have no share, and keep their buffers.
        let share = (!tcb.is_active()).then(|| self.shares.of(tcb.listener, holder.endpoints.remote().ip()));
        if share.is_some_and(|share| !self.admits(share)) {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None if (self.next_unused as usize) < self.states.len() => {
                self.next_unused += 1;
                self.next_unused as usize - 1
            }
            None => return None,
        };
        if let Some(share) = share {
            self.shares.add(index, share, holder.now_ms);
        }
        let rto = Rto::new(tcb.srtt_ms, tcb.has(TcbFlags::SYN_LOST));
        self.states[index] = SendState::new(rto, self.algorithm, (holder.number, share.is_some()));
        tcb.buffer = BufferId(index as u32 + 1);
        Some(index)
    }

    /// Whether the share may have one more buffer. Notes when it has little room, or none.
    fn admits(&mut self, share: Share) -> bool {
        let (free, reserve) = (self.count() - self.in_use(), self.count() / RESERVE);
        let room = self.shares.room(share, free);
        if room <= reserve {
            self.wanted = reserve.max(1);
            self.crowded = Some(share);
        }
        room > 0
    }

    fn state(&self, buffer: BufferId) -> Option<&SendState> {
        self.states.get(buffer.index()?)
    }

    fn state_mut(&mut self, buffer: BufferId) -> Option<&mut SendState> {
        self.states.get_mut(buffer.index()?)
    }
}

#[cfg(test)]
mod tests;
