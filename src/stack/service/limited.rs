use crate::observe::Closed;
use crate::tcp::{Accept, Ended, Handle, IcmpError, IdleLimits, User};

/// A service whose connections may be silent for a time of their own.
struct Limited {
    user: Box<dyn User>,
    limits: IdleLimits,
}

/// `user`, with these limits.
pub fn limited(user: Box<dyn User>, limits: IdleLimits) -> Box<dyn User> {
    Box::new(Limited { user, limits })
}

impl User for Limited {
    fn idle_limits(&self) -> Option<IdleLimits> {
        Some(self.limits)
    }

    fn window(&self) -> u16 {
        self.user.window()
    }

    fn opened(&mut self, connection: &mut Handle<'_>) {
        self.user.opened(connection);
    }

    fn data(&mut self, connection: &mut Handle<'_>, data: &[u8]) -> Accept {
        self.user.data(connection, data)
    }

    fn acknowledged(&mut self, connection: &mut Handle<'_>, octets: usize) {
        self.user.acknowledged(connection, octets);
    }

    fn peer_closed(&mut self, connection: &mut Handle<'_>) {
        self.user.peer_closed(connection);
    }

    fn heard(&mut self, connection: &mut Handle<'_>) {
        self.user.heard(connection);
    }

    fn unreachable(&mut self, connection: &mut Handle<'_>, error: IcmpError) {
        self.user.unreachable(connection, error);
    }

    fn closed(&mut self, ended: &Ended<'_>, how: Closed) {
        self.user.closed(ended, how);
    }
}
