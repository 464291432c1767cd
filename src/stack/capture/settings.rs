use std::num::NonZeroU32;

/// What to capture, and the limit of its cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of each frame; `None`: all.
    pub snaplen: Option<NonZeroU32>,
    /// One connection in this many, with all its segments; 1: all.
    pub sample: NonZeroU32,
    /// Only segments from or to this port.
    pub port: Option<u16>,
    /// Limit for the CPU time that copying may take on each core, in percent.
    pub cpu_percent: u8,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { snaplen: None, sample: NonZeroU32::MIN, port: None, cpu_percent: 10 }
    }
}

impl Settings {
    /// The filter in the syntax of libpcap, for the header of the file.
    pub(super) fn filter(&self) -> Option<String> {
        self.port.map(|port| format!("tcp port {port}"))
    }

    /// The settings that reduce the content of the file.
    pub(super) fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(bytes) = self.snaplen {
            parts.push(format!("the first {bytes} bytes of each frame"));
        }
        if let Some(port) = self.port {
            parts.push(format!("port {port} only"));
        }
        if self.sample.get() > 1 {
            parts.push(format!("1 connection in {}", self.sample));
        }
        parts.push(format!("at most {} % of each core's time", self.cpu_percent));
        parts.join(", ")
    }
}
