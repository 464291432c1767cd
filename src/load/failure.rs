use strum::{EnumCount, IntoStaticStr, VariantArray};

use handfast_stack::observe::Closed;

/// Why a connection failed. Every measured connection is completed, in flight at the end, or failed for
/// exactly one of these reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[repr(u8)]
pub enum Failure {
    /// The SYN was answered with a RST.
    Refused,
    /// A RST after the handshake.
    Reset,
    /// The SYN was never answered, or not in time.
    ConnectTimeout,
    /// The only answer to the SYN was an ICMP error.
    Unreachable,
    /// Established, and not complete in time.
    Timeout,
    /// Closed by the peer before its response had arrived, or before this side closed.
    ClosedEarly,
    /// The data is not a response to the request.
    WrongResponse,
    /// An HTTP status other than 2xx and 3xx.
    HttpStatus,
    /// A held connection without a reply to its probes.
    ProbeLost,
    /// No 4-tuple was free: sources are too few for the rate.
    NoTuple,
    /// The table had no room.
    NoSlot,
    /// No frame for the SYN was free in time.
    NoFrame,
    /// There was no send buffer for the request.
    NoBuffer,
    /// This side was too slow to open the connection in time.
    ClientLate,
}

impl Failure {
    /// Every failure, in the order of their numbers.
    pub const ALL: &'static [Failure] = Failure::VARIANTS;

    /// The name in reports, as in `connect-timeout`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The failure of a handshake with this end. `icmp_error`: one arrived meanwhile.
    pub(super) fn of_handshake(how: Closed, icmp_error: bool) -> Failure {
        match how {
            Closed::ConnectRefused | Closed::HandshakeReset | Closed::ResetByPeer | Closed::FaultReset => {
                Failure::Refused
            }
            Closed::Unreachable => Failure::Unreachable,
            _ if icmp_error => Failure::Unreachable,
            _ => Failure::ConnectTimeout,
        }
    }

    /// The failure of an established connection with this end, before it was complete.
    pub(super) fn of_connection(how: Closed) -> Failure {
        match how {
            Closed::ResetByPeer | Closed::HandshakeReset | Closed::FaultReset => Failure::Reset,
            Closed::Unreachable => Failure::Unreachable,
            Closed::DataAfterClose => Failure::WrongResponse,
            Closed::Passive | Closed::Active | Closed::Simultaneous => Failure::ClosedEarly,
            _ => Failure::Timeout,
        }
    }
}

/// Whether both directions were closed by FINs that were acknowledged.
pub(super) fn is_orderly(how: Closed) -> bool {
    matches!(how, Closed::Passive | Closed::Active | Closed::Simultaneous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::observe::CLOSED;

    #[test]
    fn every_end_has_its_reason() {
        for how in CLOSED {
            let name = how.name();
            let handshake = Failure::of_handshake(how, false);
            let expected = match name {
                "connect_refused" | "reset_by_peer" | "handshake_reset" | "fault_reset" => Failure::Refused,
                "unreachable" => Failure::Unreachable,
                _ => Failure::ConnectTimeout,
            };
            assert_eq!(handshake, expected, "{name}");
            let after_icmp = Failure::of_handshake(how, true);
            assert!(after_icmp == Failure::Unreachable || after_icmp == Failure::Refused, "{name}");
        }
        assert_eq!(Failure::of_connection(Closed::ResetByPeer), Failure::Reset);
        assert_eq!(Failure::of_connection(Closed::RetransmitTimeout), Failure::Timeout);
        assert_eq!(Failure::of_connection(Closed::FinWait2Timeout), Failure::Timeout);
        assert_eq!(Failure::of_connection(Closed::Passive), Failure::ClosedEarly);
    }
}
