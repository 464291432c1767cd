//! Segments that could have been one.

use super::results::Results;

/// Packets received for each request: with one that could have gone with another, and so many that no
/// server's habits explain them.
const ONE_APART: f64 = 3.8;
const TOO_MANY: f64 = 5.5;
/// Segments sent again for each request, below which they explain nothing.
const FEW_AGAIN: f64 = 0.1;

impl Results {
    /// Why a request takes more packets than it could: most servers send what could be one segment as
    /// three. Only where next to nothing was sent again, which would be the reason.
    pub(super) fn separate_segments(&self) -> Option<String> {
        let completed = self.connections.completed;
        let per = |packets: u64| packets as f64 / completed.max(1) as f64;
        let again = per(self.retransmissions.saturating_add(self.target_retransmissions));
        let apart = per(self.packets.received) >= ONE_APART && per(self.packets.received) < TOO_MANY;
        (self.workload == "request" && completed > 0 && again < FEW_AGAIN && apart).then(|| {
            format!(
                "of these {:.1} received: SYN-ACK, answer and last ACK are three; this server sends the ACK of \
                 the request or its FIN apart from the answer",
                per(self.packets.received)
            )
        })
    }
}
