//! Phases 1 to 3: received frames are parsed, hashed and looked up.

use super::arp_icmp;
use super::batch::{Batch, NO_SLOT};
use super::errors::icmp_error;
use super::flows::Flows;
use super::link_cache::{BatchLink, OTHER_LINK};
use super::port::Port;
use super::worker::{CoreDevice, Worker};
use crate::wire::ethernet::is_tagged;
use crate::wire::{Flags, FrameFilter, Packet, PacketKey, TupleBlocks, TuplePrf, TupleSecret, parse};

impl<P: Port> Worker<P> {
    /// Phase 1: every frame becomes a record of its address family, or is answered if it is not TCP.
    #[inline(never)]
    pub(super) fn parse(&mut self, port_index: usize) {
        // The vector is moved out and back: `parse_other` borrows the whole worker.
        let mut rx_frames = std::mem::take(&mut self.rx_frames[port_index]);
        self.core.counters.frames_in.add(rx_frames.len() as u64);
        while !rx_frames.is_empty() {
            let Worker { ports, devices, batch4, batch6, .. } = self;
            let (port, filter) = (&ports.own[port_index], &devices[port_index].filter);
            if batch4.parse(port, &mut rx_frames, filter) + batch6.parse(port, &mut rx_frames, filter) == 0 {
                // A tagged frame is not usual, and most often one of many.
                let tagged = rx_frames.iter().take_while(|frame| is_tagged(port.bytes(frame))).count();
                for other in rx_frames.drain(..tagged.max(1)) {
                    self.parse_other(port_index, other);
                }
            }
        }
        self.rx_frames[port_index] = rx_frames;
    }

    /// Any frame but a usual segment: parsed in full.
    #[inline(never)]
    fn parse_other(&mut self, port_index: usize, frame: P::Frame) {
        let Worker { core, ports, devices, v4, v6, batch4, batch6, .. } = self;
        let (port, CoreDevice { mac, policy, .. }) = (&mut ports.own[port_index], &devices[port_index]);
        match parse(port.bytes(&frame), policy) {
            Ok(Packet::Tcp4(segment)) => batch4.queue(core, port, frame, &segment),
            Ok(Packet::Tcp6(segment)) => batch6.queue(core, port, frame, &segment),
            Ok(Packet::Arp(request)) => arp_icmp::arp(core, port, frame, *mac, &request),
            Ok(Packet::Neighbour(request)) => arp_icmp::neighbour(core, port, frame, *mac, &request),
            Ok(Packet::Echo(request)) => arp_icmp::echo(core, port, frame, &request),
            Ok(Packet::Undeliverable(packet)) => arp_icmp::refuse(core, port, frame, &packet),
            Ok(Packet::Error4(error)) => icmp_error(core, v4, port, port_index as u8, frame, &error),
            Ok(Packet::Error6(error)) => icmp_error(core, v6, port, port_index as u8, frame, &error),
            Err(reason) => {
                core.counters.dropped(reason);
                port.release(frame);
            }
        }
    }
}

impl<K: PacketKey, F> Batch<K, F> {
    /// Adds the segments of the usual frames at the start of `frames`, up to the first other frame. Returns
    /// their number.
    #[inline(never)]
    pub(super) fn parse<P: Port<Frame = F>>(
        &mut self,
        port: &P,
        frames: &mut Vec<F>,
        filter: &FrameFilter,
    ) -> usize {
        let Some(records) = self.records.get_mut(self.len..) else { return 0 };
        let BatchLink { received, index } = self.link;
        let mut usual = 0;
        for (record, frame) in records.iter_mut().zip(frames.iter()) {
            let Some(expected) = record.header.parse(port.bytes(frame), filter, &received) else { break };
            record.link = if expected { index } else { OTHER_LINK };
            usual += 1;
        }
        self.len += usual;
        if usual == frames.len() && self.frames.is_empty() {
            std::mem::swap(&mut self.frames, frames);
        } else {
            self.frames.extend(frames.drain(..usual));
        }
        usual
    }

    /// Computes the keyed function of every record's 4-tuple, all blocks together, and calls `each` with the
    /// value.
    #[inline(always)]
    pub(super) fn hash(&mut self, secret: &TupleSecret, each: impl Fn(TuplePrf)) {
        let Batch { records, len, blocks, .. } = self;
        let (Some(records), Some(blocks)) = (records.get_mut(..*len), blocks.get_mut(..*len)) else { return };
        for (record, blocks) in records.iter().zip(blocks.iter_mut()) {
            *blocks = record.header.key.to_blocks();
        }
        secret.prf_batch::<K>(blocks);
        for (record, blocks) in records.iter_mut().zip(blocks) {
            record.prf = blocks.value();
            record.candidate = NO_SLOT;
            each(record.prf);
        }
    }
}

impl<K: PacketKey> Flows<K> {
    /// Phase 2: computes the keyed function of every 4-tuple, and prefetches the home buckets.
    #[inline(always)]
    pub(super) fn hash<F>(&self, secret: &TupleSecret, batch: &mut Batch<K, F>) {
        batch.hash(secret, |prf| self.shard.prefetch(prf.hash));
    }

    /// Phase 3: reads the buckets, and prefetches the slots that they name. Phase 4 compares the keys, whose
    /// lines have arrived by then.
    #[inline(always)]
    pub(super) fn look_up<F>(&self, batch: &mut Batch<K, F>) {
        for rx in batch.records() {
            // Most SYNs match no connection, and an earlier one of this batch may have the same 4-tuple:
            // the insertion looks them up.
            if rx.header.flags != Flags::SYN
                && let Some(slot) = self.shard.candidate(rx.prf.hash)
            {
                rx.candidate = slot;
                self.shard.prefetch_slot(slot);
            }
        }
    }
}
