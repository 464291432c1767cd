//! Active open: what an opener may do with the connections of its core, during one poll.

use std::net::SocketAddr;

use super::batch::ConnRef;
use super::core::Core;
use super::far::Ports;
use super::flows::Flows;
use super::opener::{FourTuple, OpenContext, OpenError};
use super::port::{BATCH, Port};
use super::tx::alloc_tx;
use crate::table::{InsertError, Slot};
use crate::tcp::{self, Connection, State, Tcb, TcbFlags, Time, TimerOp};
use crate::wire::{FlowKey4, FlowKey6, PacketKey, TuplePrf, TxSegment};

/// Connections that one poll opens at most, so that an eager opener does not starve the queues.
const MAX_OPENS: usize = 2 * BATCH;

pub(super) struct CoreOpenContext<'a, P: Port> {
    core: &'a mut Core,
    ports: &'a mut Ports<P>,
    v4: &'a mut Flows<FlowKey4>,
    v6: &'a mut Flows<FlowKey6>,
    /// The window that the opener's SYNs announce.
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
        self.core.tcp.now
    }

    fn open(&mut self, tuple: FourTuple) -> Result<u32, OpenError> {
        if self.opened == MAX_OPENS {
            return Err(OpenError::NoFrame);
        }
        let CoreOpenContext { core, ports, v4, v6, window, .. } = self;
        let number = match key(tuple)? {
            TupleKey::V4(key) => v4.open(core, ports, key, *window),
            TupleKey::V6(key) => v6.open(core, ports, key, *window),
        }?;
        self.opened += 1;
        Ok(number)
    }

    fn send_stateless_syn(&mut self, tuple: FourTuple) -> Result<(), OpenError> {
        if self.opened == MAX_OPENS {
            return Err(OpenError::NoFrame);
        }
        let CoreOpenContext { core, ports, v4, v6, window, .. } = self;
        match key(tuple)? {
            TupleKey::V4(key) => v4.send_stateless_syn(core, ports, key, *window),
            TupleKey::V6(key) => v6.send_stateless_syn(core, ports, key, *window),
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
enum TupleKey {
    V4(FlowKey4),
    V6(FlowKey6),
}

#[inline]
fn key(tuple: FourTuple) -> Result<TupleKey, OpenError> {
    let (remote_port, local_port) = (tuple.remote.port(), tuple.local.port());
    match (tuple.local, tuple.remote) {
        (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
            let (remote, local) = (remote.ip().octets(), local.ip().octets());
            Ok(TupleKey::V4(FlowKey4 { remote, local, remote_port, local_port }))
        }
        (SocketAddr::V6(local), SocketAddr::V6(remote)) => {
            let (remote, local) = (remote.ip().octets(), local.ip().octets());
            Ok(TupleKey::V6(FlowKey6 { remote, local, remote_port, local_port }))
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
        let frame = alloc_tx(&core.link_cache, ports, self.next_hop, 0).map_err(|_| OpenError::NoFrame)?;
        let prf = core.shared.secrets.tuple.prf(&key);
        let mut tcb = tcp::open(tcp::isn(prf, core.tcp.now), window, &core.tcp.context(&key, Some(prf), 0));
        tcb.next_hop = self.next_hop;
        let slot = match self.insert_active(core, key, prf.hash, tcb) {
            Ok(slot) => slot,
            Err(error) => {
                frame.release();
                return Err(error);
            }
        };
        core.link_cache.acquire(self.next_hop);
        let (syn, timer) = first_syn(core, &key, &tcb, prf);
        self.apply_state(core, slot, prf.hash, (State::SynSent, State::SynSent), timer);
        frame.send(&core.counters, &key, &syn, &[]);
        Ok(self.number(slot))
    }

    /// A SYN of which nothing is kept.
    fn send_stateless_syn<P: Port>(
        &mut self,
        core: &mut Core,
        ports: &mut Ports<P>,
        key: K,
        window: u16,
    ) -> Result<(), OpenError> {
        let frame = alloc_tx(&core.link_cache, ports, self.next_hop, 0).map_err(|_| OpenError::NoFrame)?;
        let prf = core.shared.secrets.tuple.prf(&key);
        let tcb = tcp::open(tcp::isn(prf, core.tcp.now), window, &core.tcp.context(&key, Some(prf), 0));
        let (syn, _) = first_syn(core, &key, &tcb, prf);
        frame.send(&core.counters, &key, &syn, &[]);
        Ok(())
    }

    /// Where no slot is free, the oldest TIME-WAIT makes room, as it does for a received SYN.
    fn insert_active(&mut self, core: &mut Core, key: K, hash: u32, tcb: Tcb) -> Result<Slot, OpenError> {
        let mut inserted = self.shard.insert(key, hash, tcb);
        if matches!(inserted, Err(InsertError::SlotsFull)) && self.evict_time_wait(core) {
            inserted = self.shard.insert(key, hash, tcb);
        }
        if let Ok(slot) = inserted {
            self.note_known(core, slot, &key);
        }
        inserted.map_err(|error| match error {
            InsertError::Exists(_) | InsertError::Raced => OpenError::InUse,
            InsertError::TableFull | InsertError::SlotsFull => OpenError::Full,
        })
    }

    /// False: no such connection of the opener's, or only its TIME-WAIT.
    fn with(&mut self, core: &mut Core, number: u32, act: &mut dyn FnMut(&mut Connection<'_>)) -> bool {
        let slot = self.slot(number);
        let Some(tcb) = self.shard.value(slot) else { return false };
        if !tcb.is_active() || matches!(tcb.state, State::Closed | State::TimeWait) {
            return false;
        }
        self.act(core, slot, act);
        true
    }

    /// Lets `act` change a connection, and queues what it then has to send.
    pub(super) fn act(&mut self, core: &mut Core, slot: Slot, act: &mut dyn FnMut(&mut Connection<'_>)) {
        let number = self.number(slot);
        let Some(key) = self.shard.key(slot) else { return };
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        let mut cx = core.tcp.context(&key, None, number);
        if tcp::with_connection(tcb, &mut cx, act) && !tcb.has(TcbFlags::QUEUED) {
            tcb.set(TcbFlags::QUEUED);
            let prf = core.shared.secrets.tuple.prf(&key);
            self.queue_tx(core.tcp.now, ConnRef { slot, key, prf });
        }
    }
}

/// The SYN of a connection in SYN-SENT, and its timer.
fn first_syn<K: PacketKey>(core: &mut Core, key: &K, tcb: &Tcb, prf: TuplePrf) -> (TxSegment, TimerOp) {
    let mut cx = core.tcp.context(key, Some(prf), 0);
    let syn = tcp::first_syn(tcb, &mut cx);
    (syn, cx.timer)
}
