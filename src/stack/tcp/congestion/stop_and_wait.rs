use super::controller::Controller;

/// One segment in flight: the next one follows when all of it is acknowledged.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::tcp) struct StopAndWait;

impl Controller for StopAndWait {
    #[inline]
    fn window(&self, in_flight: u32, mss: u32) -> u32 {
        if in_flight == 0 { mss } else { in_flight }
    }

    fn on_ack(&mut self, _acked: u32, _mss: u32) {}

    fn on_timeout(&mut self, _in_flight: u32, _mss: u32) {}
}
