//! Injected faults.

/// Faults injected into handshakes, for tests of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultInjection {
    /// Share of SYNs not answered, 0 to 1.
    pub drop: f64,
    /// Share of SYNs answered with a RST, 0 to 1.
    pub reset: f64,
    /// How late every other SYN is answered, milliseconds.
    pub delay_ms: u32,
}

/// xorshift64: picks the SYNs that get a fault; nothing secret depends on it.
pub(super) struct FaultRng(pub u64);

impl FaultRng {
    /// Uniform in 0 to 1.
    pub(super) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
