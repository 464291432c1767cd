//! The opening of a connection: SYN, SYN-ACK, ACK.

use super::{BatchCounts, follow_link};
use crate::engine::batch::{Replies, RxRecord, Segments};
use crate::engine::flows::Flows;
use crate::engine::input::SYN;
use crate::engine::link_cache::OTHER_LINK;
use crate::engine::listener_cache::CachedListener;
use crate::engine::port::Port;
use crate::engine::transition::Effects;
use crate::engine::tx::ReplyContext;
use crate::tcp::fast_path::HalfOpen;
use crate::tcp::{self, State, TcbFlags};
use crate::wire::ethernet::swap_addresses;
use crate::wire::{OptionSet, PacketKey, ReplyNumbers, RxHeader, Seq};

impl<K: PacketKey> Flows<K> {
    /// Takes SYNs, up to one that it does not take, which it returns, or up to a segment of another kind. One
    /// loop for each kind keeps its variables in registers. `PRESSED`: some listeners answer by cookie, see
    /// [`SynLoad`](crate::engine::syn_load::SynLoad).
    #[inline(never)]
    pub(in crate::engine) fn fast_syns<'a, P: Port, const PRESSED: bool>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        segments: &mut Segments<'a, K, P::Frame>,
        counts: &mut BatchCounts,
    ) -> Option<(&'a RxRecord<K>, P::Frame)> {
        while let Some((rx, frame)) = segments.next_if(|flags| flags == SYN) {
            if let Some(frame) = self.fast_syn_or_cookie::<P, PRESSED>(ctx, rx, frame, counts) {
                return Some((rx, frame));
            }
        }
        None
    }

    /// A SYN: state is kept, or a cookie is sent.
    #[inline(always)]
    fn fast_syn_or_cookie<P: Port, const PRESSED: bool>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        if !PRESSED {
            return match self.syn_load.half_open >= self.syn_load.cookies_from {
                true => self.fast_cookie(ctx, rx, frame, counts),
                false => self.fast_syn(ctx, rx, frame, counts),
            };
        }
        let Some(listener) = self.listener_cache.get(&rx.header.key) else { return Some(frame) };
        if !self.syn_load.wants_cookie(listener.id) {
            return self.fast_syn(ctx, rx, frame, counts);
        }
        let left = self.fast_cookie(ctx, rx, frame, counts);
        if left.is_none() {
            self.syn_load.cookie_sent(listener.id);
        }
        left
    }

    /// A SYN: a half-open connection and its SYN-ACK.
    #[inline(always)]
    fn fast_syn<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        mut frame: P::Frame,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, .. } = ctx;
        let syn = &rx.header;
        if !has_usual_options(syn) || core.general_syns {
            return Some(frame);
        }
        let Some(listener) = self.listener_cache.get(&syn.key) else { return Some(frame) };
        let Some(link_entry) = core.link_cache.held(rx.link) else { return Some(frame) };
        let Ok((slot, tcb)) = self.shard.find_or_insert(&syn.key, rx.prf.hash) else { return Some(frame) };
        let (room, link) = (port.bytes_mut(&mut frame), rx.link);
        link_entry.take(room);
        let CachedListener { id: listener, window } = listener;
        let iss = Seq(core.tcp.isn_tick) + rx.prf.isn_offset;
        let (max_mss, timer_links) = (self.fast.max_mss, self.timers.links_of_syn_ack());
        let deadline_ms = core.tcp.millis.wrapping_add(tcp::fast_path::SYN_ACK_MS);
        let open = HalfOpen { iss, listener, window, link, max_mss, deadline_ms, timer_links };
        tcp::fast_path::open(tcb, syn, open, core.tcp.now);
        self.timers.joined(&mut self.shard, timer_links, slot);
        self.syn_load.half_open += 1;
        let numbers = ReplyNumbers { seq: iss, ack: syn.seq + 1, window };
        let timestamp = || core.tcp.millis.wrapping_add(core.tcp.timestamp_offset);
        let len = self.fast.write_syn_ack(room, syn, numbers, timestamp);
        counts.syns += 1;
        counts.send(ctx, frame, len);
        None
    }

    /// A SYN that [`Flows::fast_syn`] or [`Flows::fast_cookie`] has not taken, perhaps only because its listener or its
    /// link header is not the last one: looks these up, and tries again.
    #[inline(never)]
    pub(in crate::engine) fn fast_syn_looked_up<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let cached = self.listener_cache.get(&rx.header.key).is_some();
        if cached && rx.link != OTHER_LINK || self.cached_listener(ctx.core, &rx.header.key).is_none() {
            return Some(frame);
        }
        let link = match rx.link {
            OTHER_LINK => {
                ctx.core.link_cache.find_or_add(ctx.port.bytes(&frame), rx.header.link_len, ctx.port_index)
            }
            link => link,
        };
        let rx = &RxRecord { link, ..*rx };
        match self.syn_load.pressed {
            true => self.fast_syn_or_cookie::<P, true>(ctx, rx, frame, counts),
            false => self.fast_syn_or_cookie::<P, false>(ctx, rx, frame, counts),
        }
    }

    /// A SYN that is answered by a cookie: no state is kept.
    #[inline(always)]
    fn fast_cookie<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        mut frame: P::Frame,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, .. } = ctx;
        let syn = &rx.header;
        let Some(listener) = self.listener_cache.get(&syn.key) else { return Some(frame) };
        // A connection may have this key; a full table may have to drop the SYN.
        if !has_usual_options(syn)
            || core.general_syns
            || self.is_full()
            || self.shard.candidate(rx.prf.hash).is_some()
        {
            return Some(frame);
        }
        let mss = tcp::fast_path::peer_mss(syn);
        let iss = core.cookies.issue(&syn.key, syn.seq, mss, core.tcp.now);
        let numbers = ReplyNumbers { seq: iss, ack: syn.seq + 1, window: listener.window };
        let timestamp = || {
            tcp::cookie_timestamp(syn.window_scale, core.tcp.millis).wrapping_add(core.tcp.timestamp_offset)
        };
        let room = port.bytes_mut(&mut frame);
        swap_addresses(room);
        let len = self.fast.write_syn_ack(room, syn, numbers, timestamp);
        counts.syns += 1;
        counts.cookies += 1;
        counts.send(ctx, frame, len);
        None
    }

    /// In SYN-RECEIVED, the ACK of our SYN: ESTABLISHED.
    #[inline(always)]
    pub(super) fn fast_establish<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, port_index } = ctx;
        let RxRecord { header, candidate: slot, .. } = rx;
        let number = self.number(*slot);
        let Some(tcb) = self.shard.value_mut(*slot) else { return Some(frame) };
        let Some(service) = core.services.of(tcb.listener) else { return Some(frame) };
        let now_ms = core.tcp.millis;
        let mut cx = core.tcp.context(&header.key, Some(rx.prf), number);
        tcp::fast_path::establish(tcb, header, now_ms, &mut cx, service);
        let quiet = tcp::has_no_output(tcb);
        follow_link(core, tcb, rx, *port_index, number, || port.bytes(&frame));
        let links = self.timers.clear(tcb);
        self.timers.unlink(&mut self.shard, links);
        self.syn_load.half_open -= 1;
        counts.established += 1;
        if quiet {
            port.release(frame);
        } else {
            self.finish(ctx, rx, frame, State::Established, replies);
        }
        None
    }

    /// The service has output at once, or aborts: queues the connection, or sends the RST as the general path
    /// does.
    #[inline(never)]
    pub(super) fn finish<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        before: State,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let number = self.number(rx.candidate);
        let Some(tcb) = self.shard.value_mut(rx.candidate) else { return ctx.port.release(frame) };
        if !tcb.has(TcbFlags::ABORT) {
            tcb.set(TcbFlags::QUEUED);
            return replies.push(rx.conn(), frame, rx.header.link_len);
        }
        let mut cx = ctx.core.tcp.context(&rx.header.key, Some(rx.prf), number);
        let action = tcp::finish_input(tcb, &mut cx);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, &rx.segment(), frame, rx.candidate, effects, replies);
    }
}

/// No options, the MSS alone, or the four options of Linux.
#[inline(always)]
fn has_usual_options<K>(syn: &RxHeader<K>) -> bool {
    syn.options <= OptionSet::MSS || syn.options == OptionSet::ALL
}
