use super::active_open::CoreOpenContext;
use super::batch::Batch;
use super::core::Core;
use super::far::{Far, Ports};
use super::fast_path::FastPath;
use super::flows::Flows;
use super::known_flows::FilterSearch;
use super::link_cache::{LinkEntry, NO_NEXT_HOP};
use super::listener_registry::CoreUpdate;
use super::port::{BATCH, Port};
use super::stopwatch::Stopwatch;
use super::syn_load::{LOOK_MS, SynLoad};
use super::tx::ReplyContext;
use crate::observe::Stage;
use crate::table::Shard;
use crate::tcp::{IdleClock, Tcb, Time};
use crate::wire::{FlowKey4, FlowKey6, FrameFilter, LinkHeader, Mac, PacketKey, ParseConfig};

mod identity;

/// One core: its ports and its connections.
pub struct Worker<P: Port> {
    pub(super) core: Core,
    pub(super) ports: Ports<P>,
    /// By own port.
    pub(super) devices: Vec<CoreDevice>,
    /// By own port: frames received and not parsed yet.
    pub(super) rx_frames: Vec<Vec<P::Frame>>,
    pub(super) v4: Flows<FlowKey4>,
    pub(super) v6: Flows<FlowKey6>,
    pub(super) batch4: Batch<FlowKey4, P::Frame>,
    pub(super) batch6: Batch<FlowKey6, P::Frame>,
    /// The filter of known flows is being filled.
    pub(super) search: Option<FilterSearch>,
    watch: Stopwatch,
}

/// The device a port belongs to.
pub(super) struct CoreDevice {
    /// The device's index, not the port's.
    pub(super) index: usize,
    pub(super) mac: [u8; 6],
    pub(super) policy: ParseConfig,
    /// The checks of `policy` on usual frames.
    pub(super) filter: FrameFilter,
}

impl CoreDevice {
    pub(super) fn new(index: usize, policy: ParseConfig) -> CoreDevice {
        let (mac, filter) = (policy.mac.unwrap_or_default(), FrameFilter::new(&policy));
        CoreDevice { index, mac, policy, filter }
    }
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
        core.tcp.set_now(now);
        core.idle = IdleClock::new(now);
        let device = |index: usize| {
            let policy = core.shared.policies.get(index).cloned().unwrap_or_default();
            CoreDevice::new(index, policy)
        };
        let devices: Vec<_> = ports.iter().map(|(_, index)| device(*index)).collect();
        core.devices = devices.iter().map(|device| device.index).collect();
        let far = Far::all(&mut core);
        core.link_cache.reserve(v4.capacity() + v6.capacity());
        for (port, device) in core.devices.iter().enumerate() {
            core.link_cache
                .set_mac(port as u8, core.shared.policies.get(*device).and_then(|policy| policy.mac));
        }
        let (config, bounds) = (&core.shared.config, &core.shared.core);
        let listeners = core.services.handlers.len();
        let load = || SynLoad::new(config, bounds.half_open_bound, listeners, now);
        let mut v4 = Flows::new(v4, (FastPath::new(config, bounds), load()), 0, now);
        let first6 = v4.shard.capacity() as u32;
        let mut v6 = Flows::new(v6, (FastPath::new(config, bounds), load()), first6, now);
        if let (Some(next_hop), Some(device)) = (core.next_hop, devices.first()) {
            v4.next_hop = next_hop_link::<FlowKey4>(&mut core, next_hop, device);
            v6.next_hop = next_hop_link::<FlowKey6>(&mut core, next_hop, device);
        }
        Worker {
            rx_frames: ports.iter().map(|_| Vec::with_capacity(2 * BATCH)).collect(),
            devices,
            ports: Ports { own: ports.into_iter().map(|(port, _)| port).collect(), far },
            v4,
            v6,
            batch4: Batch::new(),
            batch6: Batch::new(),
            search: None,
            watch: Stopwatch::new(core.shared.core.account_stages),
            core,
        }
    }

    /// One iteration of the loop: received frames, expired timers, pending output, active open, one flush
    /// per port. Never blocks. `now` holds for all of it.
    pub fn poll(&mut self, now: Time) -> Polled {
        self.begin_poll(now);
        let mut work = self.relieve_pressure() + self.fill_filter() + self.drain_forwarded();
        for port_index in 0..self.ports.own.len() {
            work += self.poll_port(port_index);
        }
        work += self.poll_timers();
        self.watch.lap(Stage::Timers);
        work += self.transmit_pending() + self.poll_opener() + self.transmit_pending();
        self.watch.lap(Stage::ActiveOpen);
        let gone = !self.flush();
        self.watch.lap(Stage::Flush);
        self.update_gauges(work);
        Polled { work, gone }
    }

    /// Takes what a port has received, and what it receives while that is processed, up to a batch: a
    /// wake-up costs as much as several segments, so none is spent on a few while more arrive.
    fn poll_port(&mut self, port_index: usize) -> usize {
        let mut taken = 0;
        loop {
            let received = self.receive(port_index, BATCH - taken);
            taken += received;
            self.watch.lap(Stage::Receive);
            if self.rx_frames[port_index].is_empty() {
                return taken;
            }
            self.hold_links(port_index);
            self.parse(port_index);
            self.hash();
            self.watch.lap(Stage::Parse);
            self.look_up();
            self.watch.lap(Stage::LookUp);
            self.process(port_index);
            self.watch.lap(Stage::Tcp);
            self.transmit_replies(port_index);
            self.release_links();
            self.watch.lap(Stage::Replies);
            if received == 0 || taken == BATCH {
                return taken;
            }
        }
    }

    /// Milliseconds until a timer may expire or the opener has something to do, at most `most`.
    pub fn idle_ms(&self, most: u32) -> u32 {
        let now = self.core.tcp.now;
        let due =
            self.core.services.opener.as_ref().map_or(most, |opener| opener.next_deadline_ms(now, most));
        let v4 = self.v4.timers.next_ms(&self.v4.shard, now, most);
        let pressed = self.v4.syn_load.pressed || self.v6.syn_load.pressed;
        let due = if pressed { due.min(LOOK_MS) } else { due };
        let timers = v4.min(self.v6.timers.next_ms(&self.v6.shard, now, most)).min(due);
        let round = self.core.sweep_ms;
        timers.min(self.v4.sweep_due_ms(round, most)).min(self.v6.sweep_due_ms(round, most))
    }

    /// Counts time without work.
    pub(super) fn add_idle(&self, time: std::time::Duration) {
        self.core.counters.idle_ns.add(time.as_nanos() as u64);
    }

    /// Installs other listeners: between two polls, so that every segment of a batch meets the same ones.
    /// `change` holds those before afterwards.
    pub fn apply(&mut self, change: &mut CoreUpdate) {
        self.core.apply(change);
        let listeners = self.core.services.handlers.len();
        self.v4.syn_load.make_room(listeners);
        self.v6.syn_load.make_room(listeners);
        self.v4.listener_cache.clear();
        self.v6.listener_cache.clear();
    }

    /// The ports: to wait on them, or as the owner of their other end.
    pub fn ports(&self) -> &[P] {
        &self.ports.own
    }

    /// As [`Worker::ports`], to put frames in and take frames out.
    pub fn ports_mut(&mut self) -> &mut [P] {
        &mut self.ports.own
    }

    /// The core, its ports and its connections, borrowed apart.
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
        let next_hops =
            [self.v4.next_hop, self.v6.next_hop].iter().filter(|link| **link != NO_NEXT_HOP).count();
        self.core.link_cache.connections() - next_hops as u64
    }

    fn begin_poll(&mut self, now: Time) {
        self.core.tcp.set_now(now);
        let idle_ms = self.core.idle.advance(now);
        (self.v4.timers.idle_ms, self.v6.timers.idle_ms) = (idle_ms, idle_ms);
        self.watch.start();
    }

    fn receive(&mut self, port_index: usize, limit: usize) -> usize {
        self.ports.own[port_index].receive(&mut self.rx_frames[port_index], limit)
    }

    /// The frames of a batch are compared with the link header used last.
    fn hold_links(&mut self, port_index: usize) {
        let (port, filter) = (port_index as u8, &self.devices[port_index].filter);
        self.batch4.link = self.core.link_cache.hold_last(false, port, filter);
        self.batch6.link = self.core.link_cache.hold_last(true, port, filter);
    }

    fn release_links(&mut self) {
        self.core.link_cache.release(self.batch4.link.index);
        self.core.link_cache.release(self.batch6.link.index);
    }

    fn hash(&mut self) {
        let secret = &self.core.shared.secrets.tuple;
        self.v4.hash(secret, &mut self.batch4);
        self.v6.hash(secret, &mut self.batch6);
    }

    fn look_up(&mut self) {
        self.v4.look_up(&mut self.batch4);
        self.v6.look_up(&mut self.batch6);
    }

    fn process(&mut self, port_index: usize) {
        let Worker { core, ports, v4, v6, batch4, batch6, .. } = self;
        let port = &mut ports.own[port_index];
        let mut ctx = ReplyContext { core, port, port_index: port_index as u8 };
        v4.process(&mut ctx, batch4);
        v6.process(&mut ctx, batch6);
    }

    fn transmit_replies(&mut self, port_index: usize) {
        let Worker { core, ports, v4, v6, batch4, batch6, .. } = self;
        let port = &mut ports.own[port_index];
        let mut ctx = ReplyContext { core, port, port_index: port_index as u8 };
        v4.transmit_replies(&mut ctx, batch4);
        v6.transmit_replies(&mut ctx, batch6);
    }

    fn poll_timers(&mut self) -> usize {
        let Worker { core, ports, v4, v6, .. } = self;
        let expired = v4.expire(core, ports) + v6.expire(core, ports);
        expired + v4.sweep(core, ports) + v6.sweep(core, ports)
    }

    /// Sends pending output in new frames: before the opener, so that new connections do not take its
    /// frames, and after it.
    fn transmit_pending(&mut self) -> usize {
        let Worker { core, ports, v4, v6, .. } = self;
        v4.transmit_resets(core, ports);
        v6.transmit_resets(core, ports);
        v4.transmit_pending(core, ports) + v6.transmit_pending(core, ports)
    }

    fn poll_opener(&mut self) -> usize {
        if self.core.stopping {
            return 0;
        }
        // Out of its core meanwhile: nothing that it does is reported to it during its poll.
        let Some(mut opener) = self.core.services.opener.take() else { return 0 };
        let Worker { core, ports, v4, v6, .. } = self;
        let mut cx = CoreOpenContext::new(core, ports, v4, v6, opener.window());
        opener.poll_open(&mut cx);
        let work = cx.done();
        self.core.services.opener = Some(opener);
        work
    }

    /// Flushes every port, also after one whose device is gone. False: a device is gone.
    fn flush(&mut self) -> bool {
        self.ports.own.iter_mut().filter_map(|port| (!port.flush()).then_some(())).count() == 0
    }

    fn update_gauges(&mut self, work: usize) {
        let now = self.core.tcp.now;
        if self.v4.syn_load.is_due(now) || self.v6.syn_load.is_due(now) {
            self.look_at_syn_load();
        }
        if work == 0 {
            return;
        }
        let counters = &self.core.counters;
        self.watch.count(&counters.stages);
        counters.batches.bump();
        self.set_gauges();
    }

    /// Begins and ends the cookies of listeners.
    #[cold]
    fn look_at_syn_load(&mut self) {
        let Worker { core, v4, v6, .. } = self;
        v4.look_at_syn_load(core);
        v6.look_at_syn_load(core);
        core.post_windows();
        let switched = v4.syn_load.switched() + v6.syn_load.switched();
        core.counters.cookie_listeners.set(switched as u64);
    }

    /// Sets the gauges to what there is now.
    pub(super) fn set_gauges(&self) {
        let counters = &self.core.counters;
        counters.half_open.set(u64::from(self.v4.syn_load.half_open + self.v6.syn_load.half_open));
        counters.time_wait.set(u64::from(self.v4.time_wait + self.v6.time_wait));
        counters.connections.set((self.v4.shard.len() + self.v6.shard.len()) as u64);
        let buffers = self.core.tcp.buffers.in_use() as u64;
        counters.send_buffers.set(buffers);
        if buffers > counters.send_buffers_max.value() {
            counters.send_buffers_max.set(buffers);
        }
        counters.frames_lost.set(self.ports.lost());
    }
}

/// The link of our own SYNs.
fn next_hop_link<K: PacketKey>(core: &mut Core, next_hop: Mac, device: &CoreDevice) -> u16 {
    core.link_cache
        .insert(LinkEntry { link: LinkHeader::untagged(next_hop, device.mac, K::ETHERTYPE), port: 0 })
}
