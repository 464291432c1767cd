use super::controller::Controller;

/// Two segments in flight, one after a time-out: for tests of what stop-and-wait does not do.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::tcp) struct TwoSegments {
    slow: bool,
}

impl Controller for TwoSegments {
    fn window(&self, _in_flight: u32, mss: u32) -> u32 {
        if self.slow { mss } else { 2 * mss }
    }

    fn on_ack(&mut self, _acked: u32, _mss: u32) {
        self.slow = false;
    }

    fn on_timeout(&mut self, _in_flight: u32, _mss: u32) {
        self.slow = true;
    }
}
