//! The service of a connection, and how it learns of the end.

use super::core::Core;
use super::opener::Opener;
use crate::observe::Closed;
use crate::tcp::{ClosedConnection, ConnectionHandler};

/// The service of a listener's connections; the active opener for those that it opened.
#[inline]
pub(super) fn service_of<'a>(
    users: &'a mut [Box<dyn ConnectionHandler>],
    opener: &'a mut Option<Box<dyn Opener>>,
    listener: u16,
) -> Option<&'a mut dyn ConnectionHandler> {
    match users.get_mut(usize::from(listener)) {
        Some(user) => Some(&mut **user),
        None => opener.as_deref_mut().map(|opener| opener as &mut dyn ConnectionHandler),
    }
}

/// Reports the end of a connection to its service.
pub(super) fn notify_closed(core: &mut Core, listener: u16, ended: &ClosedConnection<'_>, how: Closed) {
    if let Some(user) = service_of(&mut core.users, &mut core.opener, listener) {
        user.on_closed(ended, how);
    }
}
