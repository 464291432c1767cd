use super::{CongestionAlgorithm, OfferedOptions};

/// When SYNs are answered without keeping state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMode {
    /// When half-open connections exceed their bound, or no slot is free.
    Auto,
    /// At every SYN, except one that ends a TIME-WAIT.
    Always,
    /// At no SYN.
    Never,
}

/// The answer to a peer when no slot is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// A RST, at the ACK of a cookie, or at the SYN without cookies.
    Reset,
    /// None, from the SYN on: the peer retransmits it.
    Drop,
}

/// How long a connection opened by the peer may be idle; 0: without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleLimits {
    /// Milliseconds without a segment from the peer until keep-alives are sent (RFC 9293 3.8.4).
    pub keepalive_ms: u32,
    /// Milliseconds without data in either direction until the connection is reset.
    pub timeout_ms: u32,
}

/// The settings of the protocol, fixed while running.
#[derive(Clone, Debug)]
pub struct Config {
    /// The MSS announced, bytes: the largest IP payload we receive less 20, options not
    /// subtracted (MUST-67). One each for IPv4 and IPv6.
    pub mss4: u16,
    /// As `mss4`, for IPv6, bytes.
    pub mss6: u16,
    /// Maximum segment lifetime, milliseconds. TIME-WAIT lasts twice this (MUST-13).
    pub msl_ms: u32,
    /// SYN retransmissions before an active open fails; at most 15. With back-off from 1 s, 5 take
    /// 63 s.
    pub syn_retries: u8,
    /// Options that our SYNs offer in addition to the MSS.
    pub syn_offer: OfferedOptions,
    /// SYN-ACK retransmissions before a half-open connection is removed.
    pub syn_ack_retries: u8,
    /// Retransmissions of data or FIN before the connection is aborted (R2). With back-off from 1 s
    /// and a ceiling of 60 s, 7 take 123 s (SHLD-11 asks for at least 100 s).
    pub retries: u8,
    /// How long FIN-WAIT-2 waits for the peer's FIN, milliseconds. RFC 9293 has no limit, so
    /// the connection of a peer that is gone would stay without end.
    pub fin_wait_2_ms: u32,
    /// The minimum interval between challenge ACKs of one connection, milliseconds (RFC 5961 7).
    pub challenge_ms: u32,
    /// Congestion control of the connections (RFC 5681).
    pub congestion: CongestionAlgorithm,
    /// Which SYNs are answered without keeping state (RFC 4987 3.6).
    pub cookies: CookieMode,
    /// Whether a peer without a slot gets a RST.
    pub when_full: WhenFull,
    /// Drop segments without the negotiated timestamps (RFC 7323 3.2), except RSTs and SYNs.
    pub strict_timestamps: bool,
    /// Of connections whose handler sets no limits ([`super::ConnectionHandler::idle_limits`]).
    pub idle: IdleLimits,
    /// Keep-alives without an answer before the connection is aborted; at most 15 (MUST-29).
    pub keepalive_probes: u8,
    /// Milliseconds between two keep-alives.
    pub keepalive_interval_ms: u32,
    /// Milliseconds after which a connection opened by the peer ends because the peer's window lets no
    /// data go, even if the peer answers probes; 0: never (MUST-37).
    pub persist_timeout_ms: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            mss4: 1460,
            mss6: 1440,
            msl_ms: 30_000,
            syn_retries: 5,
            syn_offer: OfferedOptions::default(),
            syn_ack_retries: 2,
            retries: 7,
            fin_wait_2_ms: 60_000,
            challenge_ms: 500,
            congestion: CongestionAlgorithm::default(),
            cookies: CookieMode::Auto,
            when_full: WhenFull::Reset,
            strict_timestamps: false,
            // Off unless asked for (MUST-25).
            idle: IdleLimits::default(),
            keepalive_probes: 3,
            keepalive_interval_ms: 10_000,
            persist_timeout_ms: 0,
        }
    }
}
