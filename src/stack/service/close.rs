use crate::tcp::{Connection, ConnectionHandler};

/// Closes first, right after the handshake.
pub(super) struct Close;

impl ConnectionHandler for Close {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        connection.close();
    }
}
