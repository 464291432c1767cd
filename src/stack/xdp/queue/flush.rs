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
        !self.pending.is_empty() || self.rings.tx_waiting() > 0
    }

    /// Checks that the interface still exists, for a loop that sends nothing: one wake-up.
    ///
    /// # Errors
    /// As of [`flush`](Queue::flush).
    pub fn check(&mut self) -> Result<(), DeviceError> {
        self.wake_once();
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Moves queued frames to the transmit ring, as many as fit.
    #[inline]
    fn submit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let room = self.rings.tx_room(self.pending.len()).min(self.pending.len());
        if let Some(tap) = &mut self.tap {
            // Before the kernel may reuse them.
            tap.take(Direction::Out, self.pending[..room].iter().map(|desc| self.memory.bytes(desc)));
        }
        let sent = self.rings.transmit(&self.pending[..room]);
        self.pending.drain(..sent);
        self.counters.transmitted.add(sent as u64);
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
        loop {
            let got = self.rings.completed(&mut self.scratch);
            for desc in &self.scratch[..got] {
                if self.owners.pass(self.memory.index(desc), Owner::Transmit, Owner::Free) {
                    self.free.push(*desc);
                } else {
                    self.counters.bad_descriptors.bump();
                }
            }
            if got < MAX_BATCH {
                return;
            }
        }
    }

    /// Moves free frames to the fill ring, up to the target: the others are left for transmission.
    #[inline]
    pub(super) fn refill(&mut self) {
        let wanted = self.fill_target.saturating_sub(self.owners.count(Owner::Receive)) as usize;
        let give = wanted.min(self.free.len());
        if give > 0 {
            let start = self.free.len() - give;
            let given = self.rings.fill(&self.free[start..]);
            for desc in self.free.drain(self.free.len() - given..) {
                self.owners.pass(self.memory.index(&desc), Owner::Free, Owner::Receive);
            }
        }
        self.rings.wake_fill();
    }
}
