use crate::observe::DropReason;
use crate::tcp::{Connection, ConnectionHandler, DataResult};

/// Answers any request with 200 and a fixed body, then closes.
///
/// The first data of a connection is the request, whatever it says: one segment is all this
/// looks at. What comes after is read and thrown away, so that a client that sends more sees
/// the answer rather than a RST.
pub(super) struct Http;

/// One segment, also over IPv6 with timestamps.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Server: handfast\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 22\r\n\
    Connection: close\r\n\
    \r\n\
    Hello from userspace.\n";

impl ConnectionHandler for Http {
    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        if connection.is_sending_closed() {
            connection.consume(data.len());
            return DataResult::Taken;
        }
        if !connection.send(ANSWER) {
            return DataResult::Refused(DropReason::NoSendBuffer);
        }
        connection.consume(data.len());
        connection.shutdown();
        DataResult::Taken
    }
}

#[cfg(test)]
mod tests {
    use super::ANSWER;

    #[test]
    fn the_length_announced_is_the_body_s() {
        let text = std::str::from_utf8(ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
    }
}
