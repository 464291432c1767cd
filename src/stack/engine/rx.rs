//! Phases 1 to 3: received frames are parsed, hashed and looked up.

use super::arp_icmp;
use super::batch::{Batch, RxSegment};
use super::core::Core;
use super::errors::icmp_error;
use super::flows::Flows;
use super::port::Port;
use super::worker::{CoreDevice, Worker};
use crate::table::Shard;
use crate::tcp::Tcb;
use crate::wire::{FastParse, FlowKey4, Packet, PacketKey, ParseConfig, Segment, TupleSecret, parse};

impl<P: Port> Worker<P> {
    /// Phase 1 and 2: parse, answer what is not TCP, hash, and ask for the bucket.
    pub(super) fn parse(&mut self, port_index: usize) {
        // Taken out meanwhile, room and all: what else a frame may be wants the whole worker.
        let mut rx_frames = std::mem::take(&mut self.rx_frames[port_index]);
        self.core.counters.frames_in.add(rx_frames.len() as u64);
        for frame in rx_frames.drain(..) {
            let Worker { core, ports, devices, v4, batch4, .. } = self;
            let (bytes, policy) = (ports.own[port_index].bytes(&frame), &devices[port_index].policy);
            if queue_fast(bytes, policy, &core.shared.secrets.tuple, &v4.shard, &mut batch4.segments) {
                batch4.frames.push(frame);
            } else {
                self.parse_other(port_index, frame);
            }
        }
        self.rx_frames[port_index] = rx_frames;
    }

    /// What is not the common segment: parsed in full. Out of line, so that the loop above keeps
    /// its variables in registers.
    #[inline(never)]
    fn parse_other(&mut self, port_index: usize, frame: P::Frame) {
        let Worker { core, ports, devices, v4, v6, batch4, batch6, .. } = self;
        let (port, CoreDevice { mac, policy, .. }) = (&mut ports.own[port_index], &devices[port_index]);
        match parse(port.bytes(&frame), policy) {
            Ok(Packet::Tcp4(segment)) => queue(core, &v4.shard, batch4, frame, segment),
            Ok(Packet::Tcp6(segment)) => queue(core, &v6.shard, batch6, frame, segment),
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

impl<K: PacketKey> Flows<K> {
    /// Phase 3: look into the buckets that phase 2 prefetched, and prefetch the connections that they
    /// name. Keys are compared when their lines have come.
    #[inline]
    pub(super) fn look_up<F>(&self, batch: &mut Batch<K, F>) {
        // Most SYNs match no connection, and an earlier one of this batch may be the same: they are
        // looked up when it is their turn.
        for rx in batch.segments.iter_mut().filter(|rx| !rx.is_syn()) {
            rx.candidate = self.shard.candidate(rx.prf.hash);
            if let Some(slot) = rx.candidate {
                self.shard.prefetch_slot(slot);
            }
        }
    }
}

/// Parses and queues the common segment; false: it is another. Out of line, so that its numbers
/// stay in registers.
#[inline(never)]
pub(super) fn queue_fast(
    bytes: &[u8],
    policy: &ParseConfig,
    secret: &TupleSecret,
    shard: &Shard<FlowKey4, Tcb>,
    segments: &mut Vec<RxSegment<FlowKey4>>,
) -> bool {
    let Some(common) = FastParse::parse(bytes, policy) else { return false };
    let prf = secret.prf(common.key());
    shard.prefetch(prf.hash);
    segments.push(RxSegment { segment: common.without_options(), prf, candidate: None });
    if !segments.last_mut().is_some_and(|rx| common.parse_options(&mut rx.segment)) {
        segments.pop();
        return false;
    }
    true
}

/// Queues any other segment.
#[inline]
pub(super) fn queue<K: PacketKey, F>(
    core: &Core,
    shard: &Shard<K, Tcb>,
    batch: &mut Batch<K, F>,
    frame: F,
    segment: Segment<K>,
) {
    let prf = core.shared.secrets.tuple.prf(&segment.key);
    shard.prefetch(prf.hash);
    batch.segments.push(RxSegment { segment, prf, candidate: None });
    batch.frames.push(frame);
}
