use crate::observe::DropReason;
use crate::tcp::{Accept, Handle, SendBuffers, User};

/// Sends back what it gets (RFC 862).
///
/// The window it offers is the room of one send buffer, and opens only as what was echoed is
/// acknowledged: whatever arrives within the window fits.
pub(super) struct Echo;

impl User for Echo {
    fn window(&self) -> u16 {
        SendBuffers::CAPACITY as u16
    }

    fn data(&mut self, connection: &mut Handle<'_>, data: &[u8]) -> Accept {
        if connection.send(data) { Accept::Taken } else { Accept::Refused(DropReason::NoSendBuffer) }
    }

    fn acknowledged(&mut self, connection: &mut Handle<'_>, octets: usize) {
        connection.read(octets);
    }

    fn peer_closed(&mut self, connection: &mut Handle<'_>) {
        // What is queued still goes out before the FIN.
        connection.shutdown();
    }
}
