use super::{Tcb, TcbFlags, rto::Rto};

/// A send buffer, or none. Zero is none, so that a fresh connection has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(transparent)]
pub struct BufferId(u32);

impl BufferId {
    pub const NONE: BufferId = BufferId(0);

    fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// What a connection with data in flight needs beyond its line.
#[derive(Clone, Copy)]
struct SendState {
    /// Octets held, from SND.UNA on.
    held: u16,
    /// Of these, octets sent and not acknowledged.
    in_flight: u16,
    /// When the segment in flight went out first; `None` once it was sent again (Karn).
    sent_at_ms: Option<u32>,
    rto: Rto,
}

/// One core's send buffers: a fixed number, attached to a connection only while it has data to
/// send or to have acknowledged. Memory is touched when first used.
pub struct SendBuffers {
    octets: Vec<u8>,
    states: Vec<SendState>,
    free: Vec<u32>,
    /// Buffers never used so far start here.
    fresh: u32,
}

impl SendBuffers {
    /// Octets a connection can have queued: two full segments and a little.
    pub const CAPACITY: usize = 4096;

    /// `count` buffers.
    pub fn new(count: u32) -> SendBuffers {
        let idle = SendState { held: 0, in_flight: 0, sent_at_ms: None, rto: Rto::new(0, false) };
        SendBuffers {
            octets: vec![0; count as usize * Self::CAPACITY],
            states: vec![idle; count as usize],
            free: Vec::with_capacity(count as usize),
            fresh: 0,
        }
    }

    /// Buffers in use.
    pub fn in_use(&self) -> usize {
        self.fresh as usize - self.free.len()
    }

    pub(super) fn room(&self, buffer: BufferId) -> usize {
        Self::CAPACITY - self.state(buffer).map_or(0, |state| usize::from(state.held))
    }

    /// Queues all of `data`, or nothing.
    pub(super) fn append(&mut self, tcb: &mut Tcb, data: &[u8]) -> bool {
        if data.is_empty() {
            return true;
        }
        if data.len() > self.room(tcb.buffer) {
            return false;
        }
        let Some(index) = tcb.buffer.index().or_else(|| self.attach(tcb)) else {
            return false;
        };
        let start = index * Self::CAPACITY + usize::from(self.states[index].held);
        self.octets[start..start + data.len()].copy_from_slice(data);
        self.states[index].held += data.len() as u16;
        true
    }

    /// Gives the buffer back.
    pub fn release(&mut self, buffer: &mut BufferId) {
        if let Some(index) = std::mem::take(buffer).index() {
            self.free.push(index as u32);
        }
    }

    /// Octets queued and not sent yet.
    pub(super) fn unsent(&self, buffer: BufferId) -> u32 {
        self.state(buffer).map_or(0, |state| u32::from(state.held - state.in_flight))
    }

    /// Octets sent and not acknowledged.
    pub(super) fn in_flight(&self, buffer: BufferId) -> u16 {
        self.state(buffer).map_or(0, |state| state.in_flight)
    }

    /// Notes that `octets` go out for the first time.
    pub(super) fn sent(&mut self, buffer: BufferId, octets: u16, now_ms: u32) {
        if let Some(state) = self.state_mut(buffer) {
            state.in_flight += octets;
            state.sent_at_ms = Some(now_ms);
        }
    }

    /// Notes that what is in flight goes out again: its round trip tells nothing now.
    pub(super) fn sent_again(&mut self, buffer: BufferId) {
        if let Some(state) = self.state_mut(buffer) {
            state.sent_at_ms = None;
        }
    }

    /// Drops what an ACK for `octets` beyond SND.UNA covers, and returns how many of them were
    /// data. An empty buffer is given back; its round trip stays with the connection.
    pub(super) fn acknowledged(&mut self, tcb: &mut Tcb, octets: u32, now_ms: u32) -> u16 {
        let Some(index) = tcb.buffer.index() else {
            return 0;
        };
        let state = &mut self.states[index];
        let data = octets.min(u32::from(state.in_flight)) as u16;
        if data == state.in_flight
            && data > 0
            && let Some(sent_at) = state.sent_at_ms.take()
        {
            state.rto.sample(now_ms.wrapping_sub(sent_at));
            tcb.srtt_ms = state.rto.srtt_ms();
        }
        state.in_flight -= data;
        state.held -= data;
        let (held, start) = (usize::from(state.held), index * Self::CAPACITY);
        if held == 0 {
            self.release(&mut tcb.buffer);
        } else {
            let rest = start + usize::from(data);
            self.octets.copy_within(rest..rest + held, start);
        }
        data
    }

    /// The octets in flight.
    pub fn segment(&self, buffer: BufferId) -> &[u8] {
        let Some(index) = buffer.index() else {
            return &[];
        };
        let start = index * Self::CAPACITY;
        &self.octets[start..start + usize::from(self.states[index].in_flight)]
    }

    /// How long to wait for an ACK after transmission number `retries`, milliseconds.
    pub(super) fn timeout(&self, tcb: &Tcb, retries: u8) -> u32 {
        match self.state(tcb.buffer) {
            Some(state) => state.rto.timeout(retries),
            None => Rto::new(tcb.srtt_ms, tcb.has(TcbFlags::SYN_LOST)).timeout(retries),
        }
    }

    fn attach(&mut self, tcb: &mut Tcb) -> Option<usize> {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None if (self.fresh as usize) < self.states.len() => {
                self.fresh += 1;
                self.fresh as usize - 1
            }
            None => return None,
        };
        let rto = Rto::new(tcb.srtt_ms, tcb.has(TcbFlags::SYN_LOST));
        self.states[index] = SendState { held: 0, in_flight: 0, sent_at_ms: None, rto };
        tcb.buffer = BufferId(index as u32 + 1);
        Some(index)
    }

    fn state(&self, buffer: BufferId) -> Option<&SendState> {
        self.states.get(buffer.index()?)
    }

    fn state_mut(&mut self, buffer: BufferId) -> Option<&mut SendState> {
        self.states.get_mut(buffer.index()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::State;
    use crate::wire::Seq;

    fn tcb() -> Tcb {
        Tcb::new(State::Established, Seq(0), Seq(0), Seq(0))
    }

    #[test]
    fn octets_leave_in_the_order_in_which_they_came() {
        let (mut buffers, mut tcb) = (SendBuffers::new(1), tcb());
        assert!(buffers.append(&mut tcb, b"abcdef"));
        buffers.sent(tcb.buffer, 4, 0);
        assert_eq!((buffers.segment(tcb.buffer), buffers.unsent(tcb.buffer)), (&b"abcd"[..], 2));
        assert_eq!(buffers.acknowledged(&mut tcb, 1, 10), 1);
        assert_eq!(buffers.segment(tcb.buffer), b"bcd");
        assert!(buffers.append(&mut tcb, b"gh"));
        // A FIN is acknowledged with the data, and is none.
        assert_eq!(buffers.acknowledged(&mut tcb, 3, 20), 3);
        buffers.sent(tcb.buffer, 4, 30);
        assert_eq!(buffers.segment(tcb.buffer), b"efgh");
        assert_eq!(buffers.acknowledged(&mut tcb, 5, 40), 4);
        assert_eq!((tcb.buffer, buffers.in_use()), (BufferId::NONE, 0));
    }

    #[test]
    fn all_of_it_or_nothing() {
        let (mut buffers, mut first, mut second) = (SendBuffers::new(1), tcb(), tcb());
        assert!(buffers.append(&mut second, b""));
        assert_eq!(second.buffer, BufferId::NONE);
        assert!(!buffers.append(&mut first, &[0; SendBuffers::CAPACITY + 1]));
        assert!(buffers.append(&mut first, &[0; SendBuffers::CAPACITY - 1]));
        assert_eq!(buffers.room(first.buffer), 1);
        assert!(!buffers.append(&mut first, b"ab"));
        assert!(buffers.append(&mut first, b"a"));
        assert!(!buffers.append(&mut second, b"a"), "no second buffer");
        buffers.release(&mut first.buffer);
        buffers.release(&mut first.buffer);
        assert!(buffers.append(&mut second, b"a"));
        assert_eq!(buffers.in_use(), 1);
    }

    /// Karn's rule: what went out twice tells nothing.
    #[test]
    fn round_trips_are_those_of_segments_sent_once() {
        for (again, srtt) in [(false, 70), (true, 0)] {
            let (mut buffers, mut tcb) = (SendBuffers::new(1), tcb());
            buffers.append(&mut tcb, b"a");
            buffers.sent(tcb.buffer, 1, u32::MAX - 9);
            if again {
                buffers.sent_again(tcb.buffer);
            }
            buffers.acknowledged(&mut tcb, 1, 60);
            assert_eq!(tcb.srtt_ms, srtt);
        }
    }
}
