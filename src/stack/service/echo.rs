use crate::observe::DropReason;
use crate::tcp::{Connection, ConnectionHandler, DataResult, SendBuffers};

/// Sends back what it gets (RFC 862).
///
/// The window it offers is the room of one send buffer, and opens only as what was echoed is
/// acknowledged: whatever arrives within the window fits.
pub(super) struct Echo;

impl ConnectionHandler for Echo {
    fn window(&self) -> u16 {
        SendBuffers::CAPACITY as u16
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        if connection.send(data) { DataResult::Taken } else { DataResult::Refused(DropReason::NoSendBuffer) }
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        connection.consume(bytes);
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        // What is queued still goes out before the FIN.
        connection.shutdown();
    }
}
