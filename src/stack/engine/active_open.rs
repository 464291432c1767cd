//! An opener's line into the tables of its core, for one poll.

use std::net::SocketAddr;

use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, context};
use super::opener::{FourTuple, OpenContext, OpenError};
use super::pending::PendingTx;
use super::port::{BATCH, Port};
use super::reply::alloc_tx;
use crate::table::{InsertError, Slot};
use crate::tcp::{self, Connection, State, Tcb, TcbFlags, Time};
use crate::wire::{FlowKey4, FlowKey6, PacketKey};

/// Connections that one poll opens at most, so that an opener in a hurry does not starve the queues.
const OPENS: usize = 2 * BATCH;

pub(super) struct CoreOpenContext<'a, P: Port> {
    core: &'a mut Core,
    ports: &'a mut Ports<P>,
    v4: &'a mut Flows<FlowKey4>,
    v6: &'a mut Flows<FlowKey6>,
    /// The opener's: the credit that its SYNs announce.
    window: u16,
    opened: usize,
    acted: usize,
}

impl<'a, P: Port> CoreOpenContext<'a, P> {
    pub(super) fn new(
        core: &'a mut Core,
        ports: &'a mut Ports<P>,
        v4: &'a mut Flows<FlowKey4>,
        v6: &'a mut Flows<FlowKey6>,
        window: u16,
    ) -> CoreOpenContext<'a, P> {
        CoreOpenContext { core, ports, v4, v6, window, opened: 0, acted: 0 }
    }

    /// How much the opener has done.
    pub(super) fn done(&self) -> usize {
        self.opened + self.acted
    }
}

impl<P: Port> OpenContext for CoreOpenContext<'_, P> {
    fn now(&self) -> Time {
        self.core.now
    }

    fn open(&mut self, tuple: FourTuple) -> Result<u32, OpenError> {
        if self.opened == OPENS {
            return Err(OpenError::NoFrame);
        }
        let CoreOpenContext { core, ports, v4, v6, window, .. } = self;
        let number = match key(tuple)? {
            Key::V4(key) => v4.open(core, ports, key, *window),
            Key::V6(key) => v6.open(core, ports, key, *window),
        }?;
        self.opened += 1;
        Ok(number)
    }

    fn send_stateless_syn(&mut self, tuple: FourTuple) -> Result<(), OpenError> {
        if self.opened == OPENS {
            return Err(OpenError::NoFrame);
        }
        let CoreOpenContext { core, ports, v4, v6, window, .. } = self;
        match key(tuple)? {
            Key::V4(key) => v4.send_stateless_syn(core, ports, key, *window),
            Key::V6(key) => v6.send_stateless_syn(core, ports, key, *window),
        }?;
        self.opened += 1;
        Ok(())
    }

    fn with_connection(&mut self, number: u32, act: &mut dyn FnMut(&mut Connection<'_>)) -> bool {
        let of_v6 = number as usize >= self.v4.shard.capacity();
        let found = match of_v6 {
            false => self.v4.with(self.core, number, act),
            true => self.v6.with(self.core, number, act),
        };
        self.acted += usize::from(found);
        found
    }

    fn capacity(&self) -> u32 {
        (self.v4.shard.capacity() + self.v6.shard.capacity()) as u32
    }
}

/// A connection's key, of either family.
enum Key {
    V4(FlowKey4),
    V6(FlowKey6),
}

#[inline]
fn key(tuple: FourTuple) -> Result<Key, OpenError> {
    let (remote_port, local_port) = (tuple.remote.port(), tuple.local.port());
    match (tuple.local, tuple.remote) {
        (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
            let (remote, local) = (remote.ip().octets(), local.ip().octets());
            Ok(Key::V4(FlowKey4 { remote, local, remote_port, local_port }))
        }
        (SocketAddr::V6(local), SocketAddr::V6(remote)) => {
            let (remote, local) = (remote.ip().octets(), local.ip().octets());
            Ok(Key::V6(FlowKey6 { remote, local, remote_port, local_port }))
        }
        _ => Err(OpenError::Family),
    }
}

impl<K: PacketKey> Flows<K> {
    /// OPEN, active: SYN-SENT, and the SYN in a frame of its own.
    fn open<P: Port>(
        &mut self,
        core: &mut Core,
        ports: &mut Ports<P>,
        key: K,
        window: u16,
    ) -> Result<u32, OpenError> {
        let hash = key.hash(&core.shared.secrets.hash);
        let frame = alloc_tx(&core.link_cache, ports, self.gateway, 0).map_err(|_| OpenError::NoFrame)?;
        let prf = core.shared.secrets.isn.prf(&key);
        let iss = prf.isn(core.now);
        let made = context(&core.shared, &core.counters, &mut core.buffers, &key, Some(prf), core.now);
        let mut tcb = tcp::open(iss, window, &made);
        tcb.next_hop = self.gateway;
        let slot = match self.insert_active(core, key, hash, tcb) {
            Ok(slot) => slot,
            Err(error) => {
                frame.release();
                return Err(error);
            }
        };
        core.link_cache.acquire(self.gateway);
        let mut made = context(&core.shared, &core.counters, &mut core.buffers, &key, Some(prf), core.now);
        let emit = tcp::first_syn(&tcb, &mut made);
        let timer = made.timer;
        self.apply_state(core, slot, hash, (State::SynSent, State::SynSent), timer);
        frame.send(&core.counters, &key, &emit, &[]);
        Ok(self.number(slot))
    }

    /// The SYN of a connection that there will never be.
    fn send_stateless_syn<P: Port>(
        &mut self,
        core: &mut Core,
        ports: &mut Ports<P>,
        key: K,
        window: u16,
    ) -> Result<(), OpenError> {
        let frame = alloc_tx(&core.link_cache, ports, self.gateway, 0).map_err(|_| OpenError::NoFrame)?;
        let prf = core.shared.secrets.isn.prf(&key);
        let iss = prf.isn(core.now);
        let mut made = context(&core.shared, &core.counters, &mut core.buffers, &key, Some(prf), core.now);
        let tcb = tcp::open(iss, window, &made);
        let emit = tcp::first_syn(&tcb, &mut made);
        frame.send(&core.counters, &key, &emit, &[]);
        Ok(())
    }

    /// Where no slot is free, the oldest TIME-WAIT makes room, as it does for a SYN from outside.
    fn insert_active(&mut self, core: &mut Core, key: K, hash: u32, tcb: Tcb) -> Result<Slot, OpenError> {
        let mut placed = self.shard.insert(key, hash, tcb);
        if matches!(placed, Err(InsertError::SlotsFull)) && self.evict_time_wait(core) {
            placed = self.shard.insert(key, hash, tcb);
        }
        placed.map_err(|error| match error {
            InsertError::Exists(_) | InsertError::Raced => OpenError::InUse,
            InsertError::TableFull | InsertError::SlotsFull => OpenError::Full,
        })
    }

    /// False: no such connection of the opener's, or only its TIME-WAIT.
    fn with(&mut self, core: &mut Core, number: u32, act: &mut dyn FnMut(&mut Connection<'_>)) -> bool {
        let slot = Slot(number.wrapping_sub(self.id_offset));
        let Some(key) = self.shard.key(slot) else { return false };
        let Some(tcb) = self.shard.value_mut(slot) else { return false };
        if !tcb.is_active() || matches!(tcb.state, State::Closed | State::TimeWait) {
            return false;
        }
        let hash = key.hash(&core.shared.secrets.hash);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        cx.number = number;
        if tcp::with_connection(tcb, &mut cx, act) && !tcb.has(TcbFlags::QUEUED) {
            tcb.set(TcbFlags::QUEUED);
            self.queue_tx(core.now, PendingTx { slot, key, hash });
        }
        true
    }
}
