//! Replies from templates: SYN-ACK, ACK, and FIN with ACK; and the counts of a batch.

use crate::engine::batch::ConnRef;
use crate::engine::core::CoreConfig;
use crate::engine::flows::Flows;
use crate::engine::port::Port;
use crate::engine::tx::ReplyContext;
use crate::observe::{Closed, CoreCounters, DropReason};
use crate::tcp::fast_path::PlainOutput;
use crate::tcp::{self, Config, Negotiated, TcbFlags, Timer};
use crate::wire::ethernet::swap_addresses;
use crate::wire::{Flags, OptionSet, PacketKey, ReplyNumbers, ReplyTemplate, RxHeader};

/// Events of one batch, added to the core's counters once.
#[derive(Default)]
pub(in crate::engine) struct BatchCounts {
    pub(super) syns: u64,
    pub(super) cookies: u64,
    pub(super) established: u64,
    pub(super) closed: u64,
    pub(super) frames_out: u64,
}

impl BatchCounts {
    pub(in crate::engine) fn add_to(&self, counters: &CoreCounters) {
        counters.syns.add(self.syns);
        counters.syn_acks.add(self.syns - self.cookies);
        counters.syn_acks_cookie.add(self.cookies);
        counters.established.add(self.established);
        counters.closed[Closed::Passive as usize].add(self.closed);
        counters.frames_out.add(self.frames_out);
    }

    /// Sends a reply that was written into its frame, of `len` bytes; `None`: the frame had no room for it.
    #[inline(always)]
    pub(super) fn send<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        frame: P::Frame,
        len: Option<usize>,
    ) {
        match len {
            Some(len) => {
                self.frames_out += 1;
                ctx.port.transmit(frame, len);
            }
            None => ctx.drop_frame(frame, DropReason::NoFrame),
        }
    }
}

/// The settings and templates of the fast path, made once per address family.
pub(in crate::engine) struct FastPath<K: PacketKey> {
    /// False: every segment takes the general path.
    pub(in crate::engine) enabled: bool,
    /// The largest MSS of our link, bytes.
    pub(super) max_mss: u16,
    syn_ack_mss: ReplyTemplate<K, 1>,
    syn_ack_all: ReplyTemplate<K, 5>,
    ack: ReplyTemplate<K, 0>,
    ack_timestamps: ReplyTemplate<K, 3>,
    fin: ReplyTemplate<K, 0>,
    fin_timestamps: ReplyTemplate<K, 3>,
}

impl<K: PacketKey> FastPath<K> {
    pub(in crate::engine) fn new(config: &Config, bounds: &CoreConfig) -> FastPath<K> {
        let our_mss = if K::IS_IPV6 { config.mss6 } else { config.mss4 };
        let mss = 0x0204_0000 | u32::from(our_mss);
        let (syn_ack, fin) = (Flags::SYN.with(Flags::ACK), Flags::ACK.with(Flags::FIN));
        // NOP, NOP, timestamps; SACK-permitted in place of the NOPs; NOP, window scale of 0.
        let (timestamps, sack, scale) = (0x0101_080a, 0x0402_080a, 0x0103_0300);
        FastPath {
            enabled: bounds.fast_path,
            max_mss: our_mss.max(tcp::MIN_MSS),
            syn_ack_mss: ReplyTemplate::new(syn_ack, [mss]),
            syn_ack_all: ReplyTemplate::new(syn_ack, [mss, sack, 0, 0, scale]),
            ack: ReplyTemplate::new(Flags::ACK, []),
            ack_timestamps: ReplyTemplate::new(Flags::ACK, [timestamps, 0, 0]),
            fin: ReplyTemplate::new(fin, []),
            fin_timestamps: ReplyTemplate::new(fin, [timestamps, 0, 0]),
        }
    }

    /// Writes a SYN-ACK over the SYN, with all options if the SYN has all, else with the MSS alone. Returns
    /// the frame's length, bytes. `timestamp` gives its TSval.
    #[inline(always)]
    pub(super) fn write_syn_ack(
        &self,
        frame: &mut [u8],
        syn: &RxHeader<K>,
        numbers: ReplyNumbers,
        timestamp: impl FnOnce() -> u32,
    ) -> Option<usize> {
        let to = (&syn.key, syn.link_len);
        if syn.options == OptionSet::ALL {
            self.syn_ack_all.write(frame, to, numbers, [(2, timestamp()), (3, syn.ts_value)])
        } else {
            self.syn_ack_mss.write(frame, to, numbers, [])
        }
    }
}

impl<K: PacketKey> Flows<K> {
    /// Sends a queued connection's ACK or FIN in the frame of the segment that it answers. Returns the frame
    /// if the connection has other output, or has ended.
    #[inline(always)]
    pub(in crate::engine) fn fast_reply<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        conn: &ConnRef<K>,
        mut frame: P::Frame,
        link_len: u8,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, .. } = ctx;
        let Some(tcb) = self.shard.value_at(conn.slot, &conn.key) else { return Some(frame) };
        let output =
            tcp::fast_path::plain_output(tcb).filter(|_| self.fast.enabled && tcb.has(TcbFlags::QUEUED));
        let (fin, (seq, timeout_ms)) = match output {
            Some(PlainOutput::Ack) => (false, (tcp::fast_path::send_ack(tcb), 0)),
            Some(PlainOutput::Fin) => (true, tcp::fast_path::send_fin(tcb)),
            None => return Some(frame),
        };
        let numbers = ReplyNumbers { seq, ack: tcb.rcv_nxt, window: tcb.window_field() };
        let timestamps = tcb.negotiated.has(Negotiated::TIMESTAMPS).then_some(tcb.ts_recent);
        if fin {
            if tcb.timer != Timer::None {
                self.timers.stop(&mut self.shard, conn.slot);
            }
            self.timers.start_idle(&mut self.shard, conn.slot, Timer::Retransmit, timeout_ms, core.tcp.now);
        }
        let (room, to) = (port.bytes_mut(&mut frame), (&conn.key, link_len));
        swap_addresses(room);
        let len = match (timestamps, fin) {
            (None, false) => self.fast.ack.write(room, to, numbers, []),
            (None, true) => self.fast.fin.write(room, to, numbers, []),
            (Some(echo), fin) => {
                let template = if fin { &self.fast.fin_timestamps } else { &self.fast.ack_timestamps };
                let value = core.tcp.millis.wrapping_add(core.tcp.timestamp_offset);
                template.write(room, to, numbers, [(1, value), (2, echo)])
            }
        };
        counts.send(ctx, frame, len);
        None
    }
}
