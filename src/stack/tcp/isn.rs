use super::Time;
use crate::wire::{Seq, TuplePrf};

/// The initial sequence number of a connection that begins now: ISN = M + F(4-tuple, secret), M a 4 µs
/// clock (RFC 6528 3, MUST-8, MUST-9).
#[inline]
pub fn isn(prf: TuplePrf, now: Time) -> Seq {
    Seq(now.isn_tick()) + prf.isn_offset
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{FlowKey4, TupleSecret};

    fn prf(remote_port: u16, seed: u64) -> TuplePrf {
        let key = FlowKey4 { remote: [10, 0, 0, 1], local: [10, 0, 0, 2], remote_port, local_port: 80 };
        TupleSecret::fixed(seed).prf(&key)
    }

    #[test]
    fn one_tuple_advances_by_the_clock() {
        let prf = prf(1000, 1);
        let (first, later) = (isn(prf, Time::from_millis(5)), isn(prf, Time::from_millis(6)));
        assert_eq!(later.since(first), 250, "1 ms is 250 ticks of 4 us");
    }

    #[test]
    fn tuples_and_secrets_are_unrelated() {
        let base = isn(prf(1000, 1), Time::default());
        for other in [prf(1001, 1), prf(1000, 2)] {
            assert_ne!(base, isn(other, Time::default()));
        }
    }
}
