use super::{CongestionAlgorithm, OfferedOptions};

/// When SYNs are answered without keeping state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMode {
    /// When half-open connections pass their bound, or no slot is free.
    Auto,
    Always,
    Never,
}

/// What a peer gets that there is no slot for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// A RST, at the ACK of a cookie, or at the SYN without cookies.
    Reset,
    /// Nothing, from the SYN on: the peer sends it again.
    Drop,
}

/// How long a connection that was opened by the peer may be silent; 0: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdleLimits {
    /// The peer is not heard for so long: keep-alives go out (RFC 9293 3.8.4), milliseconds.
    pub keepalive_ms: u32,
    /// No data goes either way for so long: the connection is reset, milliseconds.
    pub timeout_ms: u32,
}

/// What the protocol needs to know, fixed while running.
#[derive(Clone, Debug)]
pub struct Config {
    /// The MSS announced, bytes: the largest IP payload we receive less 20, options not
    /// subtracted (MUST-67). One each for IPv4 and IPv6.
    pub mss4: u16,
    pub mss6: u16,
    /// Maximum segment lifetime, milliseconds. TIME-WAIT lasts twice this (MUST-13).
    pub msl_ms: u32,
    /// SYN retransmissions before a connection that we open is given up; at most 15. With back-off
    /// from 1 s, 5 make 63 s.
    pub syn_retries: u8,
    /// What a SYN of ours offers beside its MSS.
    pub syn_offer: OfferedOptions,
    /// SYN-ACK retransmissions before a half-open connection is forgotten.
    pub syn_ack_retries: u8,
    /// Retransmissions of data or FIN before the connection is given up (R2). With back-off
    /// from 1 s and a ceiling of 60 s, 7 make 123 s (SHLD-11 asks for at least 100 s).
    pub retries: u8,
    /// How long FIN-WAIT-2 waits for the peer's FIN, milliseconds. RFC 9293 has no limit; a
    /// peer that vanished would stay for ever.
    pub fin_wait_2_ms: u32,
    /// The least interval between challenge ACKs of one connection, milliseconds (RFC 5961 7).
    pub challenge_ms: u32,
    pub congestion: CongestionAlgorithm,
    pub cookies: CookieMode,
    pub when_full: WhenFull,
    /// Drop segments without the timestamps that were agreed on (RFC 7323 3.2), RSTs and SYNs excepted.
    pub strict_timestamps: bool,
    /// Of connections whose user says nothing else ([`super::ConnectionHandler::idle_limits`]).
    pub idle: IdleLimits,
    /// Keep-alives without an answer before the connection is given up; at most 15 (MUST-29).
    pub keepalive_probes: u8,
    /// Between two of them, milliseconds.
    pub keepalive_interval_ms: u32,
    /// A connection that was opened by the peer ends when its window has held data back for so long
    /// without any progress, also if it answers probes, milliseconds; 0: never (MUST-37).
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
