//! How connections are read while the cores go on. The keys of a table are walked without a lock;
//! each that passes the filter is put to the core that owns it, [`QUERY_BATCH`] at a time. Memory is
//! bounded by that, however many there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use super::Filter;
use super::ask::{Silent, ask};
use handfast_stack::engine::stack::Running;
use handfast_stack::engine::{ConnInfo, ConnQuery, QUERY_BATCH, Tables, Worker, state_name};
use handfast_stack::table::TableReader;
use handfast_stack::tcp::Tcb;
use handfast_stack::wire::{FlowKey4, FlowKey6, PacketKey};
use handfast_stack::xdp::Queue;

/// A connection, and what its core says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub core: usize,
    pub facts: ConnInfo,
}

/// Calls `each` for every connection that passes, until it has enough. What comes or goes meanwhile
/// is listed or not; what is listed was so at a moment of the listing.
pub(super) fn list(
    running: &Running,
    filter: &Filter,
    each: &mut dyn FnMut(&Seen) -> ControlFlow<()>,
) -> Result<(), Silent> {
    let Some(tables) = running.tables() else { return Ok(()) };
    let mut listing = Listing { running, filter, each, end: None };
    listing.family::<FlowKey4>(tables);
    listing.family::<FlowKey6>(tables);
    match listing.end {
        Some(End::Silent(silent)) => Err(silent),
        _ => Ok(()),
    }
}

/// Connections by state. Every one is looked at.
pub(super) fn count(running: &Running, filter: &Filter) -> Result<BTreeMap<String, u64>, Silent> {
    let mut states = BTreeMap::new();
    let listed = list(running, filter, &mut |seen| {
        *states.entry(state_name(seen.facts.state)).or_insert(0) += 1;
        ControlFlow::Continue(())
    });
    listed.map(|()| states.into_iter().map(|(name, count)| (name.to_owned(), count)).collect())
}

/// An address family: its table, and its part of a core.
trait Family: PacketKey {
    fn view(tables: &Tables) -> &TableReader<Self, Tcb>;
    fn describe(worker: &Worker<Queue>, asked: &mut [ConnQuery<Self>]);
}

impl Family for FlowKey4 {
    fn view(tables: &Tables) -> &TableReader<FlowKey4, Tcb> {
        &tables.v4
    }

    fn describe(worker: &Worker<Queue>, asked: &mut [ConnQuery<FlowKey4>]) {
        worker.inspect4(asked);
    }
}

impl Family for FlowKey6 {
    fn view(tables: &Tables) -> &TableReader<FlowKey6, Tcb> {
        &tables.v6
    }

    fn describe(worker: &Worker<Queue>, asked: &mut [ConnQuery<FlowKey6>]) {
        worker.inspect6(asked);
    }
}

/// Why a listing is over before its time.
enum End {
    Enough,
    Silent(Silent),
}

struct Listing<'a> {
    running: &'a Running,
    filter: &'a Filter,
    each: &'a mut dyn FnMut(&Seen) -> ControlFlow<()>,
    end: Option<End>,
}

impl Listing<'_> {
    fn family<K: Family>(&mut self, tables: &Tables) {
        let chunk = || Vec::<ConnQuery<K>>::with_capacity(QUERY_BATCH);
        let mut chunks: Vec<_> = (0..self.running.cores()).map(|_| chunk()).collect();
        K::view(tables).for_each_key(|key, found| {
            if self.end.is_some() || !self.filter.passes(key.local(), key.remote()) {
                return;
            }
            let Some(chunk) = chunks.get_mut(found.owner) else { return };
            chunk.push(ConnQuery { key, slot: found.slot, facts: None });
            if chunk.len() == QUERY_BATCH {
                self.put(found.owner, chunk);
            }
        });
        for (core, chunk) in chunks.iter_mut().enumerate() {
            if !chunk.is_empty() {
                self.put(core, chunk);
            }
        }
    }

    /// Puts the questions to the core, and passes its answers on.
    fn put<K: Family>(&mut self, core: usize, chunk: &mut Vec<ConnQuery<K>>) {
        if self.end.is_some() {
            return;
        }
        match ask(self.running, core, std::mem::take(chunk), |worker, asked| K::describe(worker, asked)) {
            Ok(answers) => *chunk = answers,
            Err(silent) => self.end = Some(End::Silent(silent)),
        }
        for ConnQuery { key, facts, .. } in chunk.drain(..) {
            let Some(facts) = facts.filter(|facts| self.filter.passes_state(facts.state)) else { continue };
            let seen = Seen { local: key.local(), peer: key.remote(), core, facts };
            if (self.each)(&seen).is_break() {
                self.end = Some(End::Enough);
                return;
            }
        }
    }
}
