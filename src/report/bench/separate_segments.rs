//! Detects servers that send as several segments what would fit one.

use super::results::Results;

/// Packets received per request: with one separate segment, and more than separate segments explain.
const ONE_APART: f64 = 3.8;
const TOO_MANY: f64 = 5.5;
/// Retransmissions per request below which they are not the cause.
const FEW_AGAIN: f64 = 0.1;

impl Results {
    /// Why a request takes more packets than necessary: many servers send three segments that would fit one.
    /// `None` if retransmissions may be the cause.
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
