//! Who is told what happens to a connection.

use super::caller::Caller;
use super::core::Core;
use crate::observe::Closed;
use crate::tcp::{Ended, User};

/// Who is told what happens to a listener's connections, or to the caller's.
#[inline]
pub(super) fn user_of<'a>(
    users: &'a mut [Box<dyn User>],
    caller: &'a mut Option<Box<dyn Caller>>,
    listener: u16,
) -> Option<&'a mut dyn User> {
    match users.get_mut(usize::from(listener)) {
        Some(user) => Some(&mut **user),
        None => caller.as_deref_mut().map(|caller| caller as &mut dyn User),
    }
}

/// The end of a connection.
pub(super) fn tell(core: &mut Core, listener: u16, ended: &Ended<'_>, how: Closed) {
    if let Some(user) = user_of(&mut core.users, &mut core.caller, listener) {
        user.closed(ended, how);
    }
}
