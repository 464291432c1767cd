use crate::observe::Closed;
use crate::tcp::{ClosedConnection, Connection, ConnectionHandler, DataResult, IcmpError, IdleLimits};

/// A service whose connections may be silent for a time of their own.
struct Limited {
    user: Box<dyn ConnectionHandler>,
    limits: IdleLimits,
}

/// `user`, with these limits.
pub fn limited(user: Box<dyn ConnectionHandler>, limits: IdleLimits) -> Box<dyn ConnectionHandler> {
    Box::new(Limited { user, limits })
}

impl ConnectionHandler for Limited {
    fn idle_limits(&self) -> Option<IdleLimits> {
        Some(self.limits)
    }

    fn window(&self) -> u16 {
        self.user.window()
    }

    fn on_established(&mut self, connection: &mut Connection<'_>) {
        self.user.on_established(connection);
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        self.user.on_data(connection, data)
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        self.user.on_acked(connection, bytes);
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        self.user.on_fin(connection);
    }

    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        self.user.on_alive(connection);
    }

    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, error: IcmpError) {
        self.user.on_icmp_error(connection, error);
    }

    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        self.user.on_closed(ended, how);
    }
}
