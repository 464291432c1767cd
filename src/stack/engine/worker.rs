use super::active_open::CoreOpenContext;
use super::arp_icmp;
use super::batch::{Batch, queue, queue_common};
use super::core::Core;
use super::errors::icmp_error;
use super::far::{Far, Ports};
use super::flows::Flows;
use super::link_cache::{LinkEntry, NO_NEXT_HOP};
use super::listener_registry::CoreUpdate;
use super::port::{BATCH, Port};
use super::reply::ReplyContext;
use super::stopwatch::Stopwatch;
use crate::observe::Stage;
use crate::table::Shard;
use crate::tcp::{IdleClock, Tcb, Time};
use crate::wire::{FlowKey4, FlowKey6, LinkHeader, Mac, Packet, PacketKey, ParseConfig, parse};

mod identity;

/// One core: its ports and its connections.
pub struct Worker<P: Port> {
    pub(super) core: Core,
    pub(super) ports: Ports<P>,
    /// By own port.
    pub(super) devices: Vec<Device>,
    /// By own port: frames received and not parsed yet.
    pub(super) rx_frames: Vec<Vec<P::Frame>>,
    pub(super) v4: Flows<FlowKey4>,
    pub(super) v6: Flows<FlowKey6>,
    batch4: Batch<FlowKey4, P::Frame>,
    batch6: Batch<FlowKey6, P::Frame>,
    watch: Stopwatch,
}

/// The device a port belongs to.
pub(super) struct Device {
    pub(super) number: usize,
    mac: [u8; 6],
    policy: ParseConfig,
}

/// The result of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Frames taken and timers served: 0 means there was nothing to do.
    pub work: usize,
    /// A device is gone.
    pub gone: bool,
}

impl<P: Port> Worker<P> {
    /// `ports`: each with its device, an index into [`super::Shared::policies`].
    pub fn new(
        mut core: Core,
        ports: Vec<(P, usize)>,
        v4: Shard<FlowKey4, Tcb>,
        v6: Shard<FlowKey6, Tcb>,
        now: Time,
    ) -> Worker<P> {
        core.now = now;
        core.idle = IdleClock::new(now);
        let device = |number: usize| {
            let policy = core.shared.policies.get(number).cloned().unwrap_or_default();
            Device { number, mac: policy.mac.unwrap_or_default(), policy }
        };
        let devices: Vec<_> = ports.iter().map(|(_, number)| device(*number)).collect();
        core.devices = devices.iter().map(|device| device.number).collect();
        let far = Far::all(&mut core);
        core.link_cache.reserve(v4.capacity() + v6.capacity());
        for (port, device) in core.devices.iter().enumerate() {
            core.link_cache
                .set_mac(port as u8, core.shared.policies.get(*device).and_then(|policy| policy.mac));
        }
        let mut v4 = Flows::new(v4, 0, now);
        let mut v6 = Flows::new(v6, v4.shard.capacity() as u32, now);
        if let (Some(gateway), Some(device)) = (core.gateway, devices.first()) {
            v4.gateway = next_hop_link::<FlowKey4>(&mut core, gateway, device);
            v6.gateway = next_hop_link::<FlowKey6>(&mut core, gateway, device);
        }
        Worker {
            rx_frames: ports.iter().map(|_| Vec::with_capacity(2 * BATCH)).collect(),
            devices,
            ports: Ports { own: ports.into_iter().map(|(port, _)| port).collect(), far },
            v4,
            v6,
            batch4: Batch::new(),
            batch6: Batch::new(),
            watch: Stopwatch::new(core.shared.core.account_stages),
            core,
        }
    }

    /// One iteration of the loop: received frames, expired timers, pending output, one flush per port.
    /// Never blocks. `now` holds for all of it.
    pub fn poll(&mut self, now: Time) -> Polled {
        self.core.now = now;
        let idle_ms = self.core.idle.turn(now);
        (self.v4.timers.idle_ms, self.v6.timers.idle_ms) = (idle_ms, idle_ms);
        self.watch.start();
        let mut work = if self.core.buffers.pressed() { self.relieve() } else { 0 };
        if self.core.short.is_some() {
            self.after_shortage();
        }
        work += self.drain_forwarded();
        for number in 0..self.ports.own.len() {
            work += self.poll_port(number);
        }
        work += self.v4.expire(&mut self.core, &mut self.ports);
        work += self.v6.expire(&mut self.core, &mut self.ports);
        work += self.v4.sweep(&mut self.core, &mut self.ports);
        work += self.v6.sweep(&mut self.core, &mut self.ports);
        self.watch.lap(Stage::Timers);
        work += self.run_active();
        self.watch.lap(Stage::ActiveOpen);
        // Every port, also behind one that is gone.
        let gone = self.ports.own.iter_mut().filter_map(|port| (!port.flush()).then_some(())).count() > 0;
        self.watch.lap(Stage::Flush);
        self.update_gauges(work);
        Polled { work, gone }
    }

    /// Takes what a port has, and while that is worked off what comes meanwhile, up to a batch: a
    /// wake-up costs as much as several segments, so none is spent on a few while more arrive.
    fn poll_port(&mut self, number: usize) -> usize {
        let mut taken = 0;
        loop {
            let arrived = self.ports.own[number].receive(&mut self.rx_frames[number], BATCH - taken);
            taken += arrived;
            self.watch.lap(Stage::Receive);
            if self.rx_frames[number].is_empty() {
                return taken;
            }
            self.parse(number);
            self.watch.lap(Stage::Parse);
            self.v4.look_up(&mut self.batch4);
            self.v6.look_up(&mut self.batch6);
            self.watch.lap(Stage::LookUp);
            self.process(number);
            self.watch.lap(Stage::Tcp);
            self.flush_replies(number);
            self.watch.lap(Stage::Replies);
            if arrived == 0 || taken == BATCH {
                return taken;
            }
        }
    }

    /// Milliseconds until a timer may expire or the opener has something to do, at most `most`.
    pub fn idle_ms(&self, most: u32) -> u32 {
        let now = self.core.now;
        let due = self.core.opener.as_ref().map_or(most, |opener| opener.next_deadline_ms(now, most));
        let v4 = self.v4.timers.next_ms(&self.v4.shard, now, most);
        let timers = v4.min(self.v6.timers.next_ms(&self.v6.shard, now, most)).min(due);
        let round = self.core.sweep_ms;
        timers.min(self.v4.sweep_due_ms(round, most)).min(self.v6.sweep_due_ms(round, most))
    }

    /// Counts time in which there was nothing to do.
    pub(super) fn add_idle(&self, time: std::time::Duration) {
        self.core.counters.idle_ns.add(time.as_nanos() as u64);
    }

    /// Other rules: between two polls, so that every segment of a batch meets the same ones. What
    /// they replace is in `change` then.
    pub fn apply(&mut self, change: &mut CoreUpdate) {
        self.core.apply(change);
        (self.v4.listener_cache, self.v6.listener_cache) = (None, None);
    }

    /// The ports, for whoever waits on them or owns their other end.
    pub fn ports(&self) -> &[P] {
        &self.ports.own
    }

    /// As [`Worker::ports`], to put frames in and take frames out.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.ports.own
    }

    /// What sends, and what is to be sent of.
    pub(super) fn parts(&mut self) -> (&mut Core, &mut Ports<P>, &mut Flows<FlowKey4>, &mut Flows<FlowKey6>) {
        (&mut self.core, &mut self.ports, &mut self.v4, &mut self.v6)
    }

    /// Connections held, IPv4 and IPv6.
    pub fn connections(&self) -> (usize, usize) {
        (self.v4.shard.len(), self.v6.shard.len())
    }

    /// Frames of all ports that nothing holds: must be 0 between polls.
    pub fn lost_frames(&self) -> u64 {
        self.ports.lost()
    }

    /// Connections that share an entry in the table of link headers: as many as there are, but for
    /// those that keep their own.
    pub fn link_users(&self) -> u64 {
        let gateways = [self.v4.gateway, self.v6.gateway].iter().filter(|link| **link != NO_NEXT_HOP).count();
        self.core.link_cache.connections() - gateways as u64
    }

    /// Phase 1 and 2: parse, answer what is not TCP, hash, and ask for the bucket.
    fn parse(&mut self, number: usize) {
        // Taken out meanwhile, room and all: what else a frame may be wants the whole worker.
        let mut rx_frames = std::mem::take(&mut self.rx_frames[number]);
        self.core.counters.frames_in.add(rx_frames.len() as u64);
        for frame in rx_frames.drain(..) {
            let Worker { core, ports, devices, v4, batch4, .. } = self;
            let (bytes, policy) = (ports.own[number].bytes(&frame), &devices[number].policy);
            if queue_common(bytes, policy, &core.shared.secrets.hash, &v4.shard, &mut batch4.segments) {
                batch4.frames.push(frame);
            } else {
                self.parse_other(number, frame);
            }
        }
        self.rx_frames[number] = rx_frames;
    }

    /// What is not the common segment: parsed in full. Out of line, so that the loop above keeps
    /// its variables in registers.
    #[inline(never)]
    fn parse_other(&mut self, number: usize, frame: P::Frame) {
        let Worker { core, ports, devices, v4, v6, batch4, batch6, .. } = self;
        let (port, Device { mac, policy, .. }) = (&mut ports.own[number], &devices[number]);
        match parse(port.bytes(&frame), policy) {
            Ok(Packet::Tcp4(segment)) => queue(core, v4, batch4, frame, segment),
            Ok(Packet::Tcp6(segment)) => queue(core, v6, batch6, frame, segment),
            Ok(Packet::Arp(ask)) => arp_icmp::arp(core, port, frame, *mac, &ask),
            Ok(Packet::Neighbour(ask)) => arp_icmp::neighbour(core, port, frame, *mac, &ask),
            Ok(Packet::Echo(ask)) => arp_icmp::echo(core, port, frame, &ask),
            Ok(Packet::Undeliverable(packet)) => arp_icmp::refuse(core, port, frame, &packet),
            Ok(Packet::Error4(error)) => icmp_error(core, v4, port, number as u8, frame, &error),
            Ok(Packet::Error6(error)) => icmp_error(core, v6, port, number as u8, frame, &error),
            Err(reason) => {
                core.counters.dropped(reason);
                port.release(frame);
            }
        }
    }

    /// Phase 4: every segment of the batch through TCP.
    fn process(&mut self, number: usize) {
        let Worker { core, ports, v4, v6, batch4, batch6, .. } = self;
        let mut ctx = ReplyContext { core, port: &mut ports.own[number], number: number as u8 };
        v4.segments(&mut ctx, batch4);
        v6.segments(&mut ctx, batch6);
    }

    /// Phase 5: what the batch left owing.
    fn flush_replies(&mut self, number: usize) {
        let Worker { core, ports, v4, v6, batch4, batch6, .. } = self;
        let mut ctx = ReplyContext { core, port: &mut ports.own[number], number: number as u8 };
        for pending in batch4.replies.drain(..) {
            v4.flush_reply(&mut ctx, pending);
        }
        for pending in batch6.replies.drain(..) {
            v6.flush_reply(&mut ctx, pending);
        }
    }

    /// Phase 6: pending output first, so that new connections do not take its frames; then the active
    /// opener.
    fn run_active(&mut self) -> usize {
        let mut work = self.transmit_pending();
        if self.core.stopping {
            return work;
        }
        let Some(mut opener) = self.core.opener.take() else { return work };
        // Away from its core meanwhile: nothing that happens in a call tells it anything.
        let Worker { core, ports, v4, v6, .. } = self;
        let mut cx = CoreOpenContext::new(core, ports, v4, v6, opener.window());
        opener.poll_open(&mut cx);
        work += cx.done();
        self.core.opener = Some(opener);
        work + self.transmit_pending()
    }

    fn transmit_pending(&mut self) -> usize {
        let Worker { core, ports, v4, v6, .. } = self;
        v4.send_resets(core, ports);
        v6.send_resets(core, ports);
        v4.transmit_pending(core, ports) + v6.transmit_pending(core, ports)
    }

    fn update_gauges(&self, work: usize) {
        if work == 0 {
            return;
        }
        let counters = &self.core.counters;
        self.watch.count(&counters.stages);
        counters.batches.bump();
        self.gauges();
    }

    /// What there is now, for those who read the counters.
    pub(super) fn gauges(&self) {
        let counters = &self.core.counters;
        counters.half_open.set(u64::from(self.v4.half_open + self.v6.half_open));
        counters.time_wait.set(u64::from(self.v4.time_wait + self.v6.time_wait));
        counters.connections.set((self.v4.shard.len() + self.v6.shard.len()) as u64);
        let buffers = self.core.buffers.in_use() as u64;
        counters.send_buffers.set(buffers);
        if buffers > counters.send_buffers_max.value() {
            counters.send_buffers_max.set(buffers);
        }
        counters.frames_lost.set(self.ports.lost());
    }
}

/// The way to the next hop of our own SYNs.
fn next_hop_link<K: PacketKey>(core: &mut Core, gateway: Mac, device: &Device) -> u16 {
    core.link_cache
        .insert(LinkEntry { link: LinkHeader::untagged(gateway, device.mac, K::ETHERTYPE), port: 0 })
}
