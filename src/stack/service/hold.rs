use crate::tcp::{Accept, Handle, User};

/// Accepts and holds: what arrives is acknowledged and never read, so the window fills; nothing
/// is sent and nothing is closed.
pub(super) struct Hold;

impl User for Hold {
    fn data(&mut self, _: &mut Handle<'_>, _: &[u8]) -> Accept {
        // Taken without `read`: nobody will ever look at it, so it is not kept either.
        Accept::Taken
    }

    fn peer_closed(&mut self, _: &mut Handle<'_>) {
        // Half-closed for as long as the peer likes: CLOSE-WAIT.
    }
}
