//! What connections send without a frame to answer in: the FIN or RST behind the ACK of a SYN-ACK,
//! and what a caller asks for of its own accord. Each takes a frame of its own. Where there is none,
//! the connection waits a moment and asks again.

use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, step};
use super::port::Port;
use super::reply::alloc_tx;
use super::tell::tell;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, Ended, Now, State, TcbFlags, Timer};
use crate::wire::PacketKey;

/// Connections on the list at most: many times what a turn brings. Those beyond it wait a moment.
pub(super) const OWED: usize = 4096;
/// How long a connection waits for a frame, milliseconds: a flush or two.
const WAIT_MS: u32 = 1;

/// A connection that owes a segment.
#[derive(Clone, Copy)]
pub(super) struct Owed<K> {
    pub slot: Slot,
    pub key: K,
    pub hash: u32,
}

impl<K: PacketKey> Flows<K> {
    /// Lists a connection that was just marked as LISTED.
    #[inline]
    pub(super) fn owe(&mut self, now: Now, owed: Owed<K>) {
        if self.owed.len() < OWED {
            self.owed.push(owed);
        } else {
            self.wait_for_frame(now, owed.slot);
        }
    }

    /// The wait is over.
    pub(super) fn owe_again(&mut self, now: Now, owed: Owed<K>) {
        let Some(tcb) = self.part.value_mut(owed.slot) else { return };
        if !tcb.has(TcbFlags::LISTED) {
            tcb.set(TcbFlags::LISTED);
            self.owe(now, owed);
        }
    }

    /// Sends what is owed, or lets it wait; how many connections were on the list.
    pub(super) fn pay<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        let count = self.owed.len();
        for index in 0..count {
            let owed = self.owed[index];
            self.pay_one(core, ports, owed);
        }
        self.owed.clear();
        count
    }

    fn pay_one<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, owed: Owed<K>) {
        let Owed { slot, key, hash } = owed;
        // Ended since it was listed, and perhaps its slot used again.
        let same = self.part.holds(slot, &key);
        let number = self.number(slot);
        let Some(tcb) = self.part.value_mut(slot).filter(|tcb| same && tcb.state != State::Closed) else {
            return;
        };
        if !tcb.has(TcbFlags::LISTED) {
            return;
        }
        let frame = alloc_tx(&core.hops, ports, tcb.hop, number);
        // In SYN-SENT nothing can be owed but a silent end.
        if matches!(frame, Err(DropReason::NoFrame)) && tcb.state != State::SynSent {
            return self.wait_for_frame(core.now, slot);
        }
        tcb.clear(TcbFlags::LISTED);
        let (before, listener) = (tcb.state, tcb.listener);
        let mut step = step(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let out = tcp::unasked(tcb, &mut step);
        let (timer, ended, states) = (step.timer, step.ended, (before, tcb.state));
        if let Some(how) = ended {
            tell(core, listener, &Ended { number, now: core.now, endpoints: &key }, how);
        }
        self.after(core, slot, hash, states, timer);
        match (frame, out) {
            (Ok(frame), Some(out)) => {
                let payload = if out.with_data { core.buffers.segment(out.buffer) } else { &[] };
                frame.send(&core.counters, &key, &out.emit, payload);
            }
            (Ok(frame), None) => frame.release(),
            (Err(reason), Some(_)) => core.counters.dropped(reason),
            (Err(_), None) => {}
        }
    }

    /// No frame, or no place on the list. A connection that waits for something else already
    /// speaks when that comes: an ACK can wait for it, and nothing else is owed then, but an abort.
    #[cold]
    fn wait_for_frame(&mut self, now: Now, slot: Slot) {
        let Some(tcb) = self.part.value_mut(slot) else { return };
        tcb.clear(TcbFlags::LISTED);
        if tcb.timer == Timer::None || tcb.has(TcbFlags::ABORT) {
            self.timers.start(&mut self.part, slot, Timer::Frame, WAIT_MS, now);
        }
    }
}
