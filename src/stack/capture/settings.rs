use std::num::NonZeroU32;

/// What to capture, and at what cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of each frame; `None`: all of them.
    pub snaplen: Option<NonZeroU32>,
    /// One connection of so many, with all its segments; 1: all.
    pub sample: NonZeroU32,
    /// Segments from or to this port alone.
    pub port: Option<u16>,
    /// Of each core's time, what copying may take.
    pub share_percent: u8,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { snaplen: None, sample: NonZeroU32::MIN, port: None, share_percent: 10 }
    }
}

impl Settings {
    /// As a filter of libpcap, for the file's own description of itself.
    pub(super) fn filter(&self) -> Option<String> {
        self.port.map(|port| format!("tcp port {port}"))
    }

    /// Everything that makes the file less than what was on the wire.
    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(bytes) = self.snaplen {
            parts.push(format!("the first {bytes} bytes of each frame"));
        }
        if let Some(port) = self.port {
            parts.push(format!("port {port} alone"));
        }
        if self.sample.get() > 1 {
            parts.push(format!("1 connection in {}", self.sample));
        }
        parts.push(format!("at most {} % of each core's time", self.share_percent));
        parts.join(", ")
    }
}
