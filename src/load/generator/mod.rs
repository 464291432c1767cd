//! One core's load generator: the adapter between [`GeneratorCore`] and the engine.
//!
//! - `run_state` with `probing` and `timeout_scan`: the state of a step; `record`: the state of a
//!   connection; `engine_api`: what is needed of the engine. Data, which all other files here use.
//! - `state`: [`GeneratorCore`] and its event handlers.
//! - `phases`: the phases of a step, run in each poll; `opens`, `aborts`, `probes`: its parts.

mod aborts;
mod engine_api;
mod opens;
mod phases;
mod probes;
mod probing;
mod record;
mod run_state;
#[cfg(test)]
mod script;
mod state;
#[cfg(test)]
mod tests;
mod timeout_scan;

use std::any::Any;
use std::sync::Arc;

use super::control::Control;
use super::live::LatencyQuery;
use super::workload::{Actions, Workload};
use engine_api::EngineApi;
use handfast_stack::engine::{FourTuple, OpenContext, OpenError, Opener};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::{ClosedConnection, Connection, ConnectionHandler, DataResult, IcmpError, Time};
use state::GeneratorCore;

/// One core's load generator, created by [`Control::generator`].
pub struct Generator {
    core: GeneratorCore,
}

impl Control {
    /// Creates the generator of core `core` of `cores`, for [`handfast_stack::engine::OpenerFactory`].
    pub fn generator(self: &Arc<Control>, core: usize, cores: usize) -> Generator {
        let share = (core as u32, cores.max(1) as u32);
        Generator { core: GeneratorCore::new(self.clone(), self.slot_of(core, cores), share) }
    }
}

impl Generator {
    #[inline]
    fn apply(&mut self, actions: Actions, connection: &mut Connection<'_>) {
        if actions.send && !connection.send(self.core.workload().request()) {
            self.core.on_no_buffer(connection.id());
            connection.abort();
            return;
        }
        apply(actions, connection);
    }
}

/// Everything but sending.
#[inline]
fn apply(actions: Actions, connection: &mut Connection<'_>) {
    if actions.shutdown {
        connection.shutdown();
    }
    if actions.close {
        connection.close();
    }
    if actions.abort {
        connection.abort();
    }
    if actions.probe {
        connection.probe();
    }
}

impl ConnectionHandler for Generator {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        let actions = self.core.on_established(connection.id(), connection.now());
        self.apply(actions, connection);
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        let actions = self.core.on_data(connection.id(), connection.now(), data);
        connection.consume(data.len());
        self.apply(actions, connection);
        DataResult::Taken
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        let actions = self.core.on_fin(connection.id(), connection.now());
        self.apply(actions, connection);
    }

    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        self.core.on_alive(connection.id(), connection.now());
    }

    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, _: IcmpError) {
        self.core.on_icmp_error(connection.id());
    }

    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        self.core.on_closed(ended.id, ended.now, how);
    }
}

impl Opener for Generator {
    fn poll_open(&mut self, line: &mut dyn OpenContext) {
        self.core.poll(&mut EngineLink(line));
    }

    fn next_deadline_ms(&self, now: Time, most: u32) -> u32 {
        self.core.next_deadline_ms(now, most)
    }

    fn is_flood(&self) -> bool {
        *self.core.workload() == Workload::Flood
    }

    /// Supports [`LatencyQuery`].
    fn report_into(&self, form: &mut dyn Any) {
        if let (Some(form), Some(job)) = (form.downcast_mut::<LatencyQuery>(), &self.core.job) {
            form.add(&job.tally);
        }
    }
}

/// An engine's [`OpenContext`].
struct EngineLink<'a>(&'a mut dyn OpenContext);

impl EngineApi for EngineLink<'_> {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn open(&mut self, ends: FourTuple) -> Result<u32, OpenError> {
        self.0.open(ends)
    }

    fn syn(&mut self, ends: FourTuple) -> Result<(), OpenError> {
        self.0.send_stateless_syn(ends)
    }

    fn apply(&mut self, number: u32, actions: Actions) -> bool {
        self.0.with_connection(number, &mut |connection| apply(actions, connection))
    }

    fn capacity(&self) -> u32 {
        self.0.capacity()
    }
}
