use crate::tcp::{Connection, ConnectionHandler, DataResult};

/// Accepts and holds: what arrives is acknowledged and never read, so the window fills; nothing
/// is sent and nothing is closed.
pub(super) struct Hold;

impl ConnectionHandler for Hold {
    fn on_data(&mut self, _: &mut Connection<'_>, _: &[u8]) -> DataResult {
        // Taken without `read`: nobody will ever look at it, so it is not kept either.
        DataResult::Taken
    }

    fn on_fin(&mut self, _: &mut Connection<'_>) {
        // Half-closed for as long as the peer likes: CLOSE-WAIT.
    }
}
