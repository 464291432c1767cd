//! Reads connections while the cores run. The keys of a table are read without locks; the core that
//! owns a key is queried about those that pass the filter, [`QUERY_BATCH`] at a time, which bounds the
//! memory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use super::Filter;
use super::core_query::{CoreTimeout, query};
use handfast_stack::engine::stack::Running;
use handfast_stack::engine::{ConnInfo, ConnQuery, QUERY_BATCH, Tables, Worker, state_name};
use handfast_stack::table::TableReader;
use handfast_stack::tcp::Tcb;
use handfast_stack::wire::{FlowKey4, FlowKey6, PacketKey};
use handfast_stack::xdp::Queue;

/// A connection, and what its core reports about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListingEntry {
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub core: usize,
    pub facts: ConnInfo,
}

/// Calls `each` for every connection that passes, until it breaks. Connections that open or close
/// during the listing may or may not appear.
pub(super) fn list(
    running: &Running,
    filter: &Filter,
    each: &mut dyn FnMut(&ListingEntry) -> ControlFlow<()>,
) -> Result<(), CoreTimeout> {
    let Some(tables) = running.tables() else { return Ok(()) };
    let mut listing = TableListing { running, filter, each, end: None };
    listing.family::<FlowKey4>(tables);
    listing.family::<FlowKey6>(tables);
    match listing.end {
        Some(ListingEnd::Timeout(timeout)) => Err(timeout),
        _ => Ok(()),
    }
}

/// Counts connections by state. It reads every connection.
pub(super) fn count(running: &Running, filter: &Filter) -> Result<BTreeMap<String, u64>, CoreTimeout> {
    let mut states = BTreeMap::new();
    let listed = list(running, filter, &mut |entry| {
        *states.entry(state_name(entry.facts.state)).or_insert(0) += 1;
        ControlFlow::Continue(())
    });
    listed.map(|()| states.into_iter().map(|(name, count)| (name.to_owned(), count)).collect())
}

/// An address family: its table, and its queries to a core.
trait Family: PacketKey {
    fn view(tables: &Tables) -> &TableReader<Self, Tcb>;
    fn describe(worker: &Worker<Queue>, questions: &mut [ConnQuery<Self>]);
}

impl Family for FlowKey4 {
    fn view(tables: &Tables) -> &TableReader<FlowKey4, Tcb> {
        &tables.v4
    }

    fn describe(worker: &Worker<Queue>, questions: &mut [ConnQuery<FlowKey4>]) {
        worker.inspect4(questions);
    }
}

impl Family for FlowKey6 {
    fn view(tables: &Tables) -> &TableReader<FlowKey6, Tcb> {
        &tables.v6
    }

    fn describe(worker: &Worker<Queue>, questions: &mut [ConnQuery<FlowKey6>]) {
        worker.inspect6(questions);
    }
}

/// Why a listing ends early.
enum ListingEnd {
    Enough,
    Timeout(CoreTimeout),
}

struct TableListing<'a> {
    running: &'a Running,
    filter: &'a Filter,
    each: &'a mut dyn FnMut(&ListingEntry) -> ControlFlow<()>,
    end: Option<ListingEnd>,
}

impl TableListing<'_> {
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
                self.query_chunk(found.owner, chunk);
            }
        });
        for (core, chunk) in chunks.iter_mut().enumerate() {
            if !chunk.is_empty() {
                self.query_chunk(core, chunk);
            }
        }
    }

    /// Queries the core about a chunk, and passes its answers on.
    fn query_chunk<K: Family>(&mut self, core: usize, chunk: &mut Vec<ConnQuery<K>>) {
        if self.end.is_some() {
            return;
        }
        match query(self.running, core, std::mem::take(chunk), |worker, questions| {
            K::describe(worker, questions)
        }) {
            Ok(answers) => *chunk = answers,
            Err(timeout) => self.end = Some(ListingEnd::Timeout(timeout)),
        }
        for ConnQuery { key, facts, .. } in chunk.drain(..) {
            let Some(facts) = facts.filter(|facts| self.filter.passes_state(facts.state)) else { continue };
            let entry = ListingEntry { local: key.local(), peer: key.remote(), core, facts };
            if (self.each)(&entry).is_break() {
                self.end = Some(ListingEnd::Enough);
                return;
            }
        }
    }
}
