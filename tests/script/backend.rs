//! How frames reach the device under test, and whose clock counts.

use std::time::Duration;

/// One Ethernet link to the device. Time is the backend's: real on a veth pair, made up elsewhere.
pub trait Backend {
    /// Puts one frame on the wire.
    fn send(&mut self, frame: &[u8]);

    /// The next frame from the device, or `None` once `timeout` has passed. A frame that is already
    /// there is returned even when `timeout` is zero. A backend with a virtual clock moves it to
    /// the moment of the frame, or by `timeout`.
    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>>;

    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// When the frame that `receive` returned last was there, however late that was looked for.
    fn arrived(&self) -> Duration {
        self.now()
    }
}

impl<B: Backend + ?Sized> Backend for &mut B {
    fn send(&mut self, frame: &[u8]) {
        (**self).send(frame);
    }

    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        (**self).receive(timeout)
    }

    fn now(&self) -> Duration {
        (**self).now()
    }

    fn arrived(&self) -> Duration {
        (**self).arrived()
    }
}
