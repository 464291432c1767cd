//! Where a batch is worked off: a core, the port the batch came from, and the ways out of it. Every
//! frame ends in exactly one of them.

use super::core::{Core, ResetKind};
use super::far::{Far, FarFrame, FarPort, Ports};
use super::forward::Task;
use super::link_cache::{LinkCache, LinkEntry};
use super::port::Port;
use crate::observe::{CoreCounters, DropReason};
use crate::wire::ethernet::{swap_addresses, write_link};
use crate::wire::tcp::write_segment;
use crate::wire::{Flags, LinkHeader, PacketKey, TxSegment};

pub(super) struct ReplyContext<'a, P: Port> {
    pub core: &'a mut Core,
    pub port: &'a mut P,
    /// The port's number on this core.
    pub number: u8,
}

impl<P: Port> ReplyContext<'_, P> {
    /// An answer in the frame that asked; RSTs within their limit.
    #[inline]
    pub(super) fn reply<K: PacketKey>(&mut self, frame: P::Frame, link_len: u8, key: &K, emit: &TxSegment) {
        if emit.flags.has(Flags::RST) && !self.may_reset(key, emit) {
            return self.drop_frame(frame, DropReason::RstLimited);
        }
        self.reply_unlimited(frame, link_len, key, emit);
    }

    #[cold]
    fn may_reset<K: PacketKey>(&mut self, key: &K, reset: &TxSegment) -> bool {
        let (sender, now) = (key.remote().ip(), self.core.now);
        self.core.rst_limit.take(ResetKind::of(reset) as usize, sender, now)
    }

    /// A segment without data in the frame that asked for it.
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

    /// Hands a segment to the core that owns its connection.
    #[cold]
    pub(super) fn forward(&mut self, frame: P::Frame, owner: usize) {
        forward_frame(self.core, self.port, self.number, frame, owner);
    }
}

/// Sends a segment in the frame that came, back where it came from.
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

/// Posts a frame to the core that it concerns. `number` is the port's.
#[cold]
pub(super) fn forward_frame<P: Port>(core: &Core, port: &mut P, number: u8, frame: P::Frame, owner: usize) {
    let forwarded = match core.shared.forward_queues.get(owner) {
        Some(queue) => queue.push(port.bytes(&frame), core.device_of(number), Task::Receive),
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

/// A segment that nothing asked for just now: in a fresh frame, the way its connection is known
/// to be reached.
pub(super) fn send_new<K: PacketKey, P: Port>(
    counters: &CoreCounters,
    link_cache: &LinkCache,
    ports: &mut Ports<P>,
    (link, of): (u16, u32),
    key: &K,
    (emit, payload): (&TxSegment, &[u8]),
) {
    match alloc_tx(link_cache, ports, link, of) {
        Ok(frame) => frame.send(counters, key, emit, payload),
        Err(reason) => counters.dropped(reason),
    }
}

/// A free frame on the port behind which a way begins, and the header of that way.
pub(super) struct TxFrame<'a, P: Port> {
    place: Place<'a, P>,
    link: LinkHeader,
}

enum Place<'a, P: Port> {
    Own(&'a mut P, P::Frame),
    Far(&'a mut FarPort, FarFrame),
}

/// A frame for the way with this number, of connection `of`.
///
/// # Errors
/// `NoHop`, `NoFrame`.
#[inline]
pub(super) fn alloc_tx<'a, P: Port>(
    link_cache: &LinkCache,
    ports: &'a mut Ports<P>,
    link: u16,
    of: u32,
) -> Result<TxFrame<'a, P>, DropReason> {
    alloc_tx_at(link_cache.get(link, of).ok_or(DropReason::NoHop)?, ports)
}

/// As [`alloc_tx`], for a way that was looked up before.
#[inline]
pub(super) fn alloc_tx_at<P: Port>(
    link: LinkEntry,
    ports: &mut Ports<P>,
) -> Result<TxFrame<'_, P>, DropReason> {
    let (number, own) = (usize::from(link.port), ports.own.len());
    let place = match ports.own.get_mut(number) {
        Some(port) => port.allocate().map(|frame| Place::Own(port, frame)),
        None => far_place(&mut ports.far, number - own)?,
    };
    Ok(TxFrame { place: place.ok_or(DropReason::NoFrame)?, link: link.link })
}

#[cold]
fn far_place<P: Port>(far: &mut [Far], number: usize) -> Result<Option<Place<'_, P>>, DropReason> {
    let port = &mut far.get_mut(number).ok_or(DropReason::NoHop)?.port;
    Ok(port.allocate().map(|frame| Place::Far(port, frame)))
}

impl<P: Port> TxFrame<'_, P> {
    #[inline]
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
        match self.place {
            Place::Own(port, frame) => write(counters, port, frame, &self.link, key, (emit, payload)),
            Place::Far(port, frame) => write(counters, port, frame, &self.link, key, (emit, payload)),
        }
    }

    /// There is nothing to send.
    pub(super) fn release(self) {
        match self.place {
            Place::Own(port, frame) => port.release(frame),
            Place::Far(port, frame) => port.release(frame),
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
