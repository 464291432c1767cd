//! Transmission. Every received frame ends here: a reply in place, dropped, or forwarded. Connections with
//! output but no received frame wait on the pending list for a new one.

use super::batch::{Batch, ConnRef, EventEffects, PendingReset};
use super::core::{Core, ResetKind};
use super::far::{Far, FarFrame, FarPort, Ports};
use super::fast_path::BatchCounts;
use super::flows::{Flows, MAX_PENDING, MAX_RESETS};
use super::forward::Task;
use super::link_cache::{LinkCache, LinkEntry};
use super::port::Port;
use crate::observe::{CoreCounters, DropReason};
use crate::table::Slot;
use crate::tcp::{self, State, TcbFlags, Time, Timer};
use crate::wire::ethernet::{swap_addresses, write_link};
use crate::wire::tcp::write_segment;
use crate::wire::{Flags, LinkHeader, PacketKey, TxSegment};

/// Milliseconds until a connection without a frame retries: a flush or two.
const TX_RETRY_MS: u32 = 1;

/// The context of a received segment: the core, and the port that it came in on.
pub(super) struct ReplyContext<'a, P: Port> {
    pub core: &'a mut Core,
    pub port: &'a mut P,
    /// The port's index on this core.
    pub port_index: u8,
}

impl<P: Port> ReplyContext<'_, P> {
    /// Replies in the received frame; RSTs within their limit.
    #[inline]
    pub(super) fn reply<K: PacketKey>(&mut self, frame: P::Frame, link_len: u8, key: &K, emit: &TxSegment) {
        if emit.flags.has(Flags::RST) && !self.may_reset(key, emit) {
            return self.drop_frame(frame, DropReason::RstLimited);
        }
        self.reply_unlimited(frame, link_len, key, emit);
    }

    #[cold]
    fn may_reset<K: PacketKey>(&mut self, key: &K, reset: &TxSegment) -> bool {
        let (sender, now) = (key.remote().ip(), self.core.tcp.now);
        self.core.rst_limit.take(ResetKind::of(reset) as usize, sender, now)
    }

    /// As [`ReplyContext::reply`], without the limit.
    #[inline(never)]
    pub(super) fn reply_unlimited<K: PacketKey>(
        &mut self,
        frame: P::Frame,
        link_len: u8,
        key: &K,
        emit: &TxSegment,
    ) {
        if emit.flags.has(Flags::RST) {
            self.core.counters.resets_sent.bump();
        }
        self.reply_syn_ack(frame, link_len, key, emit);
    }

    /// As [`ReplyContext::reply_unlimited`], no RST, and inlined with all below it: for SYN-ACKs.
    #[inline(always)]
    pub(super) fn reply_syn_ack<K: PacketKey>(
        &mut self,
        frame: P::Frame,
        link_len: u8,
        key: &K,
        emit: &TxSegment,
    ) {
        reply_in_place(&self.core.counters, self.port, frame, link_len, key, (emit, &[]));
    }

    /// Counted under its name; the frame is free.
    #[inline]
    pub(super) fn drop_frame(&mut self, frame: P::Frame, reason: DropReason) {
        self.core.counters.dropped(reason);
        self.port.release(frame);
    }

    /// Forwards a segment to the core that owns its connection.
    #[cold]
    pub(super) fn forward(&mut self, frame: P::Frame, owner: usize) {
        forward_frame(self.core, self.port, self.port_index, frame, owner);
    }
}

/// Sends a segment in the received frame, back to its sender.
#[inline(always)]
pub(super) fn reply_in_place<K: PacketKey, P: Port>(
    counters: &CoreCounters,
    port: &mut P,
    mut frame: P::Frame,
    link_len: u8,
    key: &K,
    (emit, payload): (&TxSegment, &[u8]),
) {
    let room = port.bytes_mut(&mut frame);
    swap_addresses(room);
    let len = write_segment(room, usize::from(link_len), key, emit, payload);
    send(counters, port, frame, len);
}

/// Forwards a frame to another core.
#[cold]
pub(super) fn forward_frame<P: Port>(
    core: &Core,
    port: &mut P,
    port_index: u8,
    frame: P::Frame,
    owner: usize,
) {
    let forwarded = match core.shared.forward_queues.get(owner) {
        Some(queue) => queue.push(port.bytes(&frame), core.device_of(port_index), Task::Receive),
        None => false,
    };
    if forwarded {
        core.counters.forwarded_out.bump();
        core.wake_owner(owner);
    } else {
        core.counters.dropped(DropReason::ForwardQueueFull);
    }
    port.release(frame);
}

/// A frame to send one segment in, and its link header.
pub(super) struct TxFrame<'a, P: Port> {
    place: FramePlace<'a, P>,
    link: TxLink,
}

enum FramePlace<'a, P: Port> {
    Own(&'a mut P, P::Frame),
    Far(&'a mut FarPort, FarFrame),
}

enum TxLink {
    /// That of the received frame, of this many bytes, back to its sender.
    Reply(u8),
    New(LinkHeader),
}

/// A frame for the link of connection `number`.
///
/// # Errors
/// `NoHop`, `NoFrame`.
#[inline]
pub(super) fn alloc_tx<'a, P: Port>(
    link_cache: &LinkCache,
    ports: &'a mut Ports<P>,
    link: u16,
    number: u32,
) -> Result<TxFrame<'a, P>, DropReason> {
    alloc_tx_at(link_cache.get(link, number).ok_or(DropReason::NoHop)?, ports)
}

/// As [`alloc_tx`], for a link that was looked up before.
#[inline]
fn alloc_tx_at<P: Port>(entry: LinkEntry, ports: &mut Ports<P>) -> Result<TxFrame<'_, P>, DropReason> {
    let (index, own) = (usize::from(entry.port), ports.own.len());
    let place = match ports.own.get_mut(index) {
        Some(port) => port.allocate().map(|frame| FramePlace::Own(port, frame)),
        None => far_place(&mut ports.far, index - own)?,
    };
    Ok(TxFrame { place: place.ok_or(DropReason::NoFrame)?, link: TxLink::New(entry.link) })
}

#[cold]
fn far_place<P: Port>(far: &mut [Far], index: usize) -> Result<Option<FramePlace<'_, P>>, DropReason> {
    let port = &mut far.get_mut(index).ok_or(DropReason::NoHop)?.port;
    Ok(port.allocate().map(|frame| FramePlace::Far(port, frame)))
}

impl<P: Port> TxFrame<'_, P> {
    #[inline(always)]
    pub(super) fn send<K: PacketKey>(
        self,
        counters: &CoreCounters,
        key: &K,
        emit: &TxSegment,
        payload: &[u8],
    ) {
        if emit.flags.has(Flags::RST) {
            counters.resets_sent.bump();
        }
        match (self.place, self.link) {
            (FramePlace::Own(port, frame), TxLink::Reply(link_len)) => {
                reply_in_place(counters, port, frame, link_len, key, (emit, payload));
            }
            (FramePlace::Own(port, frame), TxLink::New(link)) => {
                write(counters, port, frame, &link, key, (emit, payload));
            }
            (FramePlace::Far(port, frame), TxLink::New(link)) => {
                write(counters, port, frame, &link, key, (emit, payload));
            }
            // No such frame is made.
            (FramePlace::Far(port, frame), TxLink::Reply(_)) => port.release(frame),
        }
    }

    /// There is nothing to send.
    #[inline(always)]
    pub(super) fn release(self) {
        match self.place {
            FramePlace::Own(port, frame) => port.release(frame),
            FramePlace::Far(port, frame) => port.release(frame),
        }
    }
}

/// The frame of a pending segment.
enum TxSource<'a, P: Port> {
    Received(TxFrame<'a, P>),
    New(&'a mut Ports<P>),
}

impl<K: PacketKey> Flows<K> {
    /// Adds a connection that was just marked as QUEUED to the pending list.
    #[inline]
    pub(super) fn queue_tx(&mut self, now: Time, conn: ConnRef<K>) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(conn);
        } else {
            self.retry_tx_later(now, conn.slot);
        }
    }

    /// Lists a connection that has more output: its retry timer has expired, or one segment was sent.
    pub(super) fn requeue_tx(&mut self, now: Time, conn: ConnRef<K>) {
        let Some(tcb) = self.shard.value_mut(conn.slot) else { return };
        if !tcb.has(TcbFlags::QUEUED) {
            tcb.set(TcbFlags::QUEUED);
            self.queue_tx(now, conn);
        }
    }

    /// Queues a RST for the end of the poll.
    pub(super) fn queue_reset(&mut self, core: &Core, reset: PendingReset<K>) {
        if self.resets.len() < MAX_RESETS {
            self.resets.push(reset);
        } else {
            core.counters.dropped(DropReason::NoFrame);
        }
    }

    /// Sends all pending output in new frames. Returns the number of connections on the list.
    #[inline]
    pub(super) fn transmit_pending<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        let count = self.pending.len();
        for index in 0..count {
            let conn = self.pending[index];
            self.transmit(core, &conn, TxSource::New(ports));
        }
        // Connections with more output were added after them.
        self.pending.drain(..count);
        count
    }

    /// Sends the queued RSTs.
    #[inline]
    pub(super) fn transmit_resets<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) {
        for PendingReset { key, link, reset } in self.resets.drain(..) {
            match link.ok_or(DropReason::NoHop).and_then(|link| alloc_tx_at(link, ports)) {
                Ok(frame) => frame.send(&core.counters, &key, &reset, &[]),
                Err(reason) => core.counters.dropped(reason),
            }
        }
    }

    /// Phase 5: sends the output of a batch's connections, each in the received frame.
    #[inline(never)]
    pub(super) fn transmit_replies<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        batch: &mut Batch<K, P::Frame>,
    ) {
        let mut counts = BatchCounts::default();
        for (conn, frame, link_len) in batch.replies.iter() {
            let Some(frame) = self.fast_reply(ctx, conn, frame, link_len, &mut counts) else { continue };
            let frame = TxFrame { place: FramePlace::Own(ctx.port, frame), link: TxLink::Reply(link_len) };
            self.transmit(ctx.core, conn, TxSource::Received(frame));
        }
        batch.replies.clear();
        counts.add_to(&ctx.core.counters);
    }

    /// Sends the pending segment of one connection.
    #[inline(always)]
    fn transmit<P: Port>(&mut self, core: &mut Core, conn: &ConnRef<K>, source: TxSource<'_, P>) {
        let number = self.number(conn.slot);
        // The connection may have ended since it was listed, and its slot be in use again.
        let same = self.shard.is_at(conn.slot, &conn.key);
        let tcb = self.shard.value_mut(conn.slot).filter(|tcb| same && tcb.state != State::Closed);
        let Some(tcb) = tcb.filter(|tcb| tcb.has(TcbFlags::QUEUED)) else {
            if let TxSource::Received(frame) = source {
                frame.release();
            }
            return;
        };
        let frame = match source {
            TxSource::Received(frame) => Ok(frame),
            TxSource::New(ports) => alloc_tx(&core.link_cache, ports, tcb.next_hop, number),
        };
        // In SYN-SENT a silent end or the SYN again is pending; the SYN timer sends that too.
        if matches!(frame, Err(DropReason::NoFrame)) && tcb.state != State::SynSent {
            return self.retry_tx_later(core.tcp.now, conn.slot);
        }
        // As `Flows::event`, without the closure: that is a call, and copies what it returns.
        tcb.clear(TcbFlags::QUEUED);
        let (before, listener) = (tcb.state, tcb.listener);
        let mut cx = core.tcp.context(&conn.key, Some(conn.prf), number);
        let out = tcp::poll_output(tcb, &mut cx);
        let effects = EventEffects { before, listener, state: tcb.state, timer: cx.timer, ended: cx.ended };
        self.apply_event(core, conn, effects);
        match (frame, out) {
            (Ok(frame), Some(out)) => {
                let payload = core.tcp.buffers.payload(out.payload);
                frame.send(&core.counters, &conn.key, &out.segment, payload);
                if out.more {
                    self.requeue_tx(core.tcp.now, *conn);
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
    fn retry_tx_later(&mut self, now: Time, slot: Slot) {
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        tcb.clear(TcbFlags::QUEUED);
        if tcb.timer == Timer::None || tcb.has(TcbFlags::ABORT) {
            self.timers.start(&mut self.shard, slot, Timer::Frame, TX_RETRY_MS, now);
        }
    }
}

#[inline]
fn write<K: PacketKey, P: Port>(
    counters: &CoreCounters,
    port: &mut P,
    mut frame: P::Frame,
    link: &LinkHeader,
    key: &K,
    (emit, payload): (&TxSegment, &[u8]),
) {
    let room = port.bytes_mut(&mut frame);
    let len = write_link(room, link.as_bytes())
        .and_then(|link_len| write_segment(room, link_len, key, emit, payload));
    send(counters, port, frame, len);
}

#[inline(always)]
pub(super) fn send<P: Port>(counters: &CoreCounters, port: &mut P, frame: P::Frame, len: Option<usize>) {
    match len {
        Some(len) => {
            counters.frames_out.bump();
            port.transmit(frame, len);
        }
        // Longer than a frame: no MSS that we accept makes one.
        None => {
            counters.dropped(DropReason::NoFrame);
            port.release(frame);
        }
    }
}
