use nix::errno::Errno;

use super::{MAX_BATCH, Queue};
use crate::capture::Direction;
use crate::xdp::{DeviceError, ledger::Owner};

/// The end of a batch: frames pass between the queue and the kernel.
impl Queue {
    /// Ends a batch: submits queued frames and wakes the kernel once, reaps sent frames, and refills the
    /// fill ring. Frames that do not fit into the transmit ring stay queued for the next flush.
    ///
    /// # Errors
    /// The device is gone, or refuses wake-ups. After an error every flush returns it.
    #[inline]
    pub fn flush(&mut self) -> Result<(), DeviceError> {
        self.submit();
        self.wake();
        self.reap();
        if !self.pending.is_empty() {
            self.submit();
            self.wake();
            self.reap();
            self.counters.tx_ring_full.add(u64::from(!self.pending.is_empty()));
        }
        self.refill();
        match &self.fault {
            None => Ok(()),
            Some(fault) => Err(fault.clone()),
        }
    }

    /// Whether frames are left for the next flush: the ring was full, or the kernel has not taken all.
    pub fn unsent(&mut self) -> bool {
        self.queued() > 0 || self.rings.tx_waiting() > 0
    }

    /// Checks that the interface still exists, for a loop that sends nothing: one wake-up.
    ///
    /// # Errors
    /// As of [`flush`](Queue::flush).
    pub fn check(&mut self) -> Result<(), DeviceError> {
        self.wake_once();
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Submits queued frames, as many as fit into the transmit ring.
    #[inline]
    fn submit(&mut self) {
        if !self.pending.is_empty() {
            self.top_up();
        }
        if self.rings.tx_written() == 0 {
            return;
        }
        if let Some(tap) = &mut self.tap {
            // Before the kernel may reuse them. The descriptors were in shared memory meanwhile.
            let written = self.rings.tx_descriptors();
            tap.take(Direction::Out, written.map(|desc| self.memory.bytes_of(&desc)));
        }
        let sent = self.rings.submit();
        self.counts.held -= sent;
        self.counts.transmitting += sent;
        self.counters.transmitted.add(u64::from(sent));
    }

    /// A frame that found no room in the transmit ring by the last reading of the kernel's position. Frames
    /// stay in order: once one is pending, those after it are.
    #[cold]
    pub(super) fn postpone(&mut self, addr: u64, len: u32) {
        self.pending.push((addr, len));
        self.top_up();
    }

    /// Writes pending frames into the transmit ring, as many as fit.
    #[cold]
    fn top_up(&mut self) {
        let room = self.rings.tx_room().min(self.pending.len());
        for (addr, len) in self.pending.drain(..room) {
            if self.rings.transmit(addr, len) {
                self.owners.marks().give(self.memory.layout().index(addr), Owner::Transmit);
            }
        }
    }

    /// Wakes the kernel until the ring is empty or a call takes no frame. In copy mode one call sends at
    /// most the budget, and returns EAGAIN if frames are left.
    #[inline]
    fn wake(&mut self) {
        let mut waiting = self.rings.tx_waiting();
        if waiting == 0 || !(self.always_wake || self.rings.tx_needs_wakeup()) {
            return;
        }
        for _ in 0..=waiting / self.tx_budget {
            if !self.wake_once() {
                return;
            }
            let left = self.rings.tx_waiting();
            if left == 0 {
                return;
            }
            if left >= waiting {
                self.counters.wakeup_stalls.bump();
                return;
            }
            waiting = left;
        }
    }

    /// One wake-up. Returns whether another one may take more frames.
    #[inline]
    fn wake_once(&mut self) -> bool {
        self.counters.wakeups.bump();
        let result = self.rings.wake_tx();
        self.link_down = result == Err(Errno::ENETDOWN);
        match result {
            Ok(()) => false,
            Err(Errno::EAGAIN | Errno::EBUSY | Errno::ENOBUFS | Errno::EINTR) => true,
            Err(Errno::ENETDOWN) => {
                self.counters.link_down.bump();
                false
            }
            Err(errno) => {
                self.fail(errno);
                false
            }
        }
    }

    #[cold]
    fn fail(&mut self, errno: Errno) {
        let (ifname, queue) = (self.ifname.clone(), self.queue);
        self.fault.get_or_insert(match errno {
            Errno::ENXIO | Errno::ENODEV | Errno::EBADF => DeviceError::DeviceGone { ifname, queue },
            errno => DeviceError::Wakeup { ifname, queue, errno },
        });
    }

    /// Frees frames that were sent.
    #[inline]
    fn reap(&mut self) {
        // A limit for a faulty kernel: the next flush takes the others.
        for _ in 0..MAX_BATCH {
            if self.take_sent().is_none() {
                return;
            }
            self.counters.bad_descriptors.bump();
        }
    }

    /// Takes frames that were sent, until an address is not of a frame that the kernel had to send: that
    /// address is returned.
    #[inline]
    fn take_sent(&mut self) -> Option<u64> {
        let Queue { rings, memory, owners, counts, free, .. } = self;
        let (layout, mut owners) = (memory.layout(), owners.marks());
        let before = free.len();
        let odd =
            rings.completed(free, |addr| owners.take(layout.index(addr), Owner::Transmit).then_some(addr));
        counts.transmitting -= (free.len() - before) as u32;
        odd
    }

    /// Moves free frames to the fill ring, up to the target: the others are left for transmission.
    #[inline]
    pub(super) fn refill(&mut self) {
        let wanted = self.fill_target.saturating_sub(self.counts.receiving) as usize;
        let kept = self.free.len().saturating_sub(wanted);
        let given = self.rings.fill(&self.free[kept..]);
        if given > 0 {
            let (layout, mut owners) = (self.memory.layout(), self.owners.marks());
            self.free.drain(kept..).for_each(|addr| owners.give(layout.index(addr), Owner::Receive));
            self.counts.receiving += given as u32;
        }
        self.rings.wake_fill();
    }
}
