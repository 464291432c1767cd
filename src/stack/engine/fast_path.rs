//! The fast path: the segments of handshakes, of data in order and of closes. Its effects equal those of the
//! general path in the same state; `tests/engine/fast_path.rs` compares both, byte for byte.
//!
//! - Here: the loops over ACKs and over FINs, and the choice of a function by the connection's state. A
//!   function that does not take a segment returns its frame before anything has changed; the general path
//!   takes it then.
//! - `open`: the loop over SYNs, SYN, cookie, and the ACK that ends a handshake; `data`: the next data, and
//!   ACKs of nothing new; `close`: FINs, and the ACK of our FIN.
//! - `replies`: their replies, from templates; the counts of a batch.

mod close;
mod data;
mod open;
mod replies;

use super::batch::{Replies, RxRecord, Segments};
use super::core::Core;
use super::flows::Flows;
use super::input::{ACK, FIN_ACK, PSH_ACK};
use super::port::Port;
use super::tx::ReplyContext;
use crate::tcp::{self, State, Tcb};
use crate::wire::PacketKey;

pub(super) use replies::{BatchCounts, FastPath};

impl<K: PacketKey> Flows<K> {
    /// As [`Flows::fast_syns`], for ACKs with and without data.
    #[inline(never)]
    pub(super) fn fast_acks<'a, P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        segments: &mut Segments<'a, K, P::Frame>,
        replies: &mut Replies<K, P::Frame>,
        counts: &mut BatchCounts,
    ) -> Option<(&'a RxRecord<K>, P::Frame)> {
        while let Some((rx, frame)) = segments.next_if(|flags| flags == ACK || flags == PSH_ACK) {
            if let Some(frame) = self.fast_ack(ctx, rx, frame, replies, counts) {
                return Some((rx, frame));
            }
        }
        None
    }

    /// As [`Flows::fast_syns`], for FINs.
    #[inline(never)]
    pub(super) fn fast_fins<'a, P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        segments: &mut Segments<'a, K, P::Frame>,
        replies: &mut Replies<K, P::Frame>,
    ) -> Option<(&'a RxRecord<K>, P::Frame)> {
        while let Some((rx, frame)) = segments.next_if(|flags| flags == FIN_ACK) {
            if let Some(frame) = self.fast_fin(ctx, rx, frame, replies) {
                return Some((rx, frame));
            }
        }
        None
    }

    /// An ACK, with or without data: the end of a handshake or of a close, or the next segment of a
    /// connection.
    #[inline(always)]
    fn fast_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let Some(tcb) = self.shard.value_at(rx.candidate, &rx.header.key) else { return Some(frame) };
        if !tcp::fast_path::is_next(tcb, &rx.header) {
            return Some(frame);
        }
        let empty = rx.header.payload_len == 0;
        match tcb.state {
            State::SynReceived if empty => self.fast_establish(ctx, rx, frame, replies, counts),
            State::LastAck if empty => self.fast_last_ack(ctx, rx, frame, counts),
            State::Established => self.fast_data(ctx, rx, frame, replies),
            _ => Some(frame),
        }
    }

    /// A FIN without data, in ESTABLISHED or FIN-WAIT-1.
    #[inline(always)]
    fn fast_fin<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
    ) -> Option<P::Frame> {
        let Some(tcb) = self.shard.value_at(rx.candidate, &rx.header.key) else { return Some(frame) };
        if !tcp::fast_path::is_next(tcb, &rx.header) || rx.header.payload_len > 0 {
            return Some(frame);
        }
        match tcb.state {
            State::Established if tcb.snd_una == tcb.snd_nxt => self.fast_close_wait(ctx, rx, frame, replies),
            State::FinWait1 => self.fast_time_wait(ctx, rx, frame, replies),
            _ => Some(frame),
        }
    }
}

/// Later segments of the connection go where this one came from. `number`: the connection's.
#[inline(always)]
fn follow_link<'a, K>(
    core: &mut Core,
    tcb: &mut Tcb,
    rx: &RxRecord<K>,
    port_index: u8,
    number: u32,
    frame: impl FnOnce() -> &'a [u8],
) {
    if tcb.next_hop != rx.link {
        tcb.next_hop = core.link_cache.update(frame(), rx.header.link_len, port_index, tcb.next_hop, number);
    }
}
