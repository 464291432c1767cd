/// One connection's congestion control. Counts are bytes; `mss` is the largest segment's.
pub(super) trait Controller: Copy + Default {
    /// Bytes that may be in flight, of which `in_flight` are. No data is sent unless the result is larger.
    fn window(&self, in_flight: u32, mss: u32) -> u32;

    /// An ACK covers `acked` bytes of data that none before it covered.
    fn on_ack(&mut self, acked: u32, mss: u32);

    /// The retransmission timer has expired with `in_flight` bytes unacknowledged (RFC 6298 5.4).
    fn on_timeout(&mut self, in_flight: u32, mss: u32);
}
