/// TSval and TSecr (RFC 7323 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Timestamps {
    pub value: u32,
    pub echo: u32,
}

/// The TCP options this stack reads and writes. Unknown ones are skipped (RFC 9293 MUST-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// Octets; from a SYN only.
    pub mss: Option<u16>,
    /// Shift count as received (the TCP layer clamps to 14); from a SYN only.
    pub window_scale: Option<u8>,
    /// From a SYN only.
    pub sack_permitted: bool,
    pub timestamps: Option<Timestamps>,
}
