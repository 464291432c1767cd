use crate::tcp::{Handle, User};

/// Aborts right after the handshake.
pub(super) struct Reset;

impl User for Reset {
    fn opened(&mut self, connection: &mut Handle<'_>) {
        connection.abort();
    }
}
