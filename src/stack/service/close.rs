use crate::tcp::{Handle, User};

/// Closes first, right after the handshake.
pub(super) struct Close;

impl User for Close {
    fn opened(&mut self, connection: &mut Handle<'_>) {
        connection.close();
    }
}
