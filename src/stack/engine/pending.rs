//! Output without a received frame to send it in: the FIN or RST that follows the ACK of a SYN-ACK, and
//! what an active opener asks for. Each segment takes a new frame. If none is free, the connection
//! retries a moment later.

use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, context};
use super::notify::notify_closed;
use super::port::Port;
use super::reply::alloc_tx;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, ClosedConnection, State, TcbFlags, Time, Timer};
use crate::wire::PacketKey;

/// Connections on the list at most: many times what one poll adds. Others retry a moment later.
pub(super) const MAX_PENDING: usize = 4096;
/// Milliseconds until a connection without a frame retries: a flush or two.
const WAIT_MS: u32 = 1;

/// A connection with output.
#[derive(Clone, Copy)]
pub(super) struct PendingTx<K> {
    pub slot: Slot,
    pub key: K,
    pub hash: u32,
}

impl<K: PacketKey> Flows<K> {
    /// Lists a connection that was just marked as QUEUED.
    #[inline]
    pub(super) fn queue_tx(&mut self, now: Time, pending: PendingTx<K>) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(pending);
        } else {
            self.wait_for_frame(now, pending.slot);
        }
    }

    /// Lists a connection that has more output: its retry timer has expired, or one segment was sent.
    pub(super) fn requeue_tx(&mut self, now: Time, pending: PendingTx<K>) {
        let Some(tcb) = self.shard.value_mut(pending.slot) else { return };
        if !tcb.has(TcbFlags::QUEUED) {
            tcb.set(TcbFlags::QUEUED);
            self.queue_tx(now, pending);
        }
    }

    /// Sends all pending output. Returns the number of connections on the list.
    pub(super) fn transmit_pending<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        let count = self.pending.len();
        for index in 0..count {
            let pending = self.pending[index];
            self.transmit_one(core, ports, pending);
        }
        // Connections with more output were added after them.
        self.pending.drain(..count);
        count
    }

    fn transmit_one<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, pending: PendingTx<K>) {
        let PendingTx { slot, key, hash } = pending;
        // The connection may have ended since it was listed, and its slot be in use again.
        let same = self.shard.is_at(slot, &key);
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot).filter(|tcb| same && tcb.state != State::Closed) else {
            return;
        };
        if !tcb.has(TcbFlags::QUEUED) {
            return;
        }
        let frame = alloc_tx(&core.link_cache, ports, tcb.next_hop, number);
        // In SYN-SENT a silent end or the SYN again is pending; the SYN timer sends that too.
        if matches!(frame, Err(DropReason::NoFrame)) && tcb.state != State::SynSent {
            return self.wait_for_frame(core.now, slot);
        }
        tcb.clear(TcbFlags::QUEUED);
        let (before, listener) = (tcb.state, tcb.listener);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let out = tcp::poll_output(tcb, &mut cx);
        let (timer, ended, states) = (cx.timer, cx.ended, (before, tcb.state));
        if let Some(how) = ended {
            notify_closed(
                core,
                listener,
                &ClosedConnection { id: number, now: core.now, endpoints: &key },
                how,
            );
        }
        self.apply_state(core, slot, hash, states, timer);
        match (frame, out) {
            (Ok(frame), Some(out)) => {
                frame.send(&core.counters, &key, &out.segment, core.buffers.payload(out.payload));
                if out.more {
                    self.requeue_tx(core.now, pending);
                }
            }
            (Ok(frame), None) => frame.release(),
            (Err(reason), Some(_)) => core.counters.dropped(reason),
            (Err(_), None) => {}
        }
    }

    /// No frame is free, or the list is full. If another timer runs, a pending ACK is sent when it
    /// expires; only an abort needs a retry of its own.
    #[cold]
    fn wait_for_frame(&mut self, now: Time, slot: Slot) {
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        tcb.clear(TcbFlags::QUEUED);
        if tcb.timer == Timer::None || tcb.has(TcbFlags::ABORT) {
            self.timers.start(&mut self.shard, slot, Timer::Frame, WAIT_MS, now);
        }
    }
}
