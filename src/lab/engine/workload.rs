use std::fmt;
use std::str::FromStr;

/// The steps of each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineWorkload {
    /// SYN and SYN-ACK, with a slot in the table.
    SynAck,
    /// SYN and SYN-ACK, by cookie.
    Cookie,
    /// SYN, SYN-ACK, ACK; the connection stays established.
    Handshake,
    /// The same, and a RST removes the oldest connection for each one added.
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
            format!("unknown workload `{text}`: use {}", names.join(", "))
        })
    }
}
