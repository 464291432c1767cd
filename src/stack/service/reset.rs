use crate::tcp::{Connection, ConnectionHandler};

/// Aborts right after the handshake.
pub(super) struct Reset;

impl ConnectionHandler for Reset {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        connection.abort();
    }
}
