//! The thin layer between [`Session`], which decides, and the engine, which does.

use std::any::Any;
use std::sync::Arc;

use super::control::{Control, Desk};
use super::live::Latencies;
use super::session::Session;
use super::turn::Wire;
use super::workload::{Act, Workload};
use handfast_stack::engine::{Caller, Ends, Line, OpenError};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::{Accept, Ended, Handle, IcmpError, Now, User};

/// One core's load generator. [`Control::generator`] makes it.
pub struct Generator {
    session: Session,
}

impl Generator {
    pub(super) fn new(control: Arc<Control>, desk: Arc<Desk>, share: (u32, u32)) -> Generator {
        Generator { session: Session::new(control, desk, share) }
    }

    #[inline]
    fn apply(&mut self, act: Act, connection: &mut Handle<'_>) {
        if act.send && !connection.send(self.session.workload().request()) {
            self.session.unsent(connection.number());
            connection.abort();
            return;
        }
        apply(act, connection);
    }
}

/// All but sending.
#[inline]
fn apply(act: Act, connection: &mut Handle<'_>) {
    if act.shutdown {
        connection.shutdown();
    }
    if act.close {
        connection.close();
    }
    if act.abort {
        connection.abort();
    }
    if act.probe {
        connection.probe();
    }
}

impl User for Generator {
    fn opened(&mut self, connection: &mut Handle<'_>) {
        let act = self.session.opened(connection.number(), connection.now());
        self.apply(act, connection);
    }

    fn data(&mut self, connection: &mut Handle<'_>, data: &[u8]) -> Accept {
        let act = self.session.data(connection.number(), connection.now(), data);
        connection.read(data.len());
        self.apply(act, connection);
        Accept::Taken
    }

    fn peer_closed(&mut self, connection: &mut Handle<'_>) {
        let act = self.session.peer_closed(connection.number(), connection.now());
        self.apply(act, connection);
    }

    fn heard(&mut self, connection: &mut Handle<'_>) {
        self.session.heard(connection.number(), connection.now());
    }

    /// Alone it ends nothing (RFC 9293 MUST-56); a time-out after it counts as unreachable.
    fn unreachable(&mut self, connection: &mut Handle<'_>, _: IcmpError) {
        self.session.unreachable(connection.number());
    }

    fn closed(&mut self, ended: &Ended<'_>, how: Closed) {
        self.session.closed(ended.number, ended.now, how);
    }
}

impl Caller for Generator {
    fn call(&mut self, line: &mut dyn Line) {
        self.session.turn(&mut OnLine(line));
    }

    fn due_ms(&self, now: Now, most: u32) -> u32 {
        self.session.due_ms(now, most)
    }

    fn floods(&self) -> bool {
        *self.session.workload() == Workload::Flood
    }

    /// [`Latencies`].
    fn fill_in(&self, form: &mut dyn Any) {
        if let (Some(form), Some(job)) = (form.downcast_mut::<Latencies>(), &self.session.job) {
            form.add(&job.tally);
        }
    }
}

/// The engine's line.
struct OnLine<'a>(&'a mut dyn Line);

impl Wire for OnLine<'_> {
    fn now(&self) -> Now {
        self.0.now()
    }

    fn open(&mut self, ends: Ends) -> Result<u32, OpenError> {
        self.0.open(ends)
    }

    fn syn(&mut self, ends: Ends) -> Result<(), OpenError> {
        self.0.syn(ends)
    }

    fn act(&mut self, number: u32, act: Act) -> bool {
        self.0.with(number, &mut |connection| apply(act, connection))
    }

    fn capacity(&self) -> u32 {
        self.0.capacity()
    }
}
