use std::fmt;
use std::str::FromStr;

/// What each connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineWorkload {
    /// SYN to SYN-ACK from a slot.
    SynAck,
    /// SYN to SYN-ACK by cookie.
    Cookie,
    /// SYN, SYN-ACK, ACK: it stays established.
    Handshake,
    /// The same, and for each one added the oldest one goes, by a RST.
    Replace,
    /// Three-way handshake and four-way close, the peer closing first.
    Lifecycle,
}

pub(super) const NAMES: [(EngineWorkload, &str); 5] = [
    (EngineWorkload::SynAck, "synack"),
    (EngineWorkload::Cookie, "cookie"),
    (EngineWorkload::Handshake, "handshake"),
    (EngineWorkload::Replace, "replace"),
    (EngineWorkload::Lifecycle, "lifecycle"),
];

impl fmt::Display for EngineWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(workload, _)| workload == self).map_or("?", |(_, name)| name))
    }
}

impl FromStr for EngineWorkload {
    type Err = String;

    fn from_str(text: &str) -> Result<EngineWorkload, String> {
        let found = NAMES.iter().find(|(_, name)| *name == text).map(|(workload, _)| *workload);
        found.ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("there is no workload `{text}`; there are {}", names.join(", "))
        })
    }
}
