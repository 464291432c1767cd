use super::Time;
use super::siphash::siphash24;
use crate::wire::{FlowKey, Seq};

/// The secret of the ISN's pseudo-random part, drawn at start (MUST-9).
#[derive(Clone, Copy)]
pub struct IsnSecret(pub u64, pub u64);

impl IsnSecret {
    /// SipHash-2-4 of the 4-tuple: a pseudo-random function, whose values for some 4-tuples reveal nothing of
    /// those for others.
    #[inline(always)]
    pub fn prf<K: FlowKey>(&self, key: &K) -> TuplePrf {
        TuplePrf(siphash24((self.0, self.1), key.to_words().as_ref()))
    }
}

/// Keyed hash of a 4-tuple: offsets the ISN clock (RFC 6528) and the timestamp clock (RFC 7323 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TuplePrf(u64);

impl TuplePrf {
    /// ISN = M + F(4-tuple, secret) (RFC 6528 3): M a 4 µs clock.
    #[inline]
    pub fn isn(self, now: Time) -> Seq {
        Seq(now.isn_tick()) + self.0 as u32
    }

    /// Added to the timestamp clock (RFC 7323 5.4): the other half, independent of the ISN's.
    #[inline]
    pub fn timestamp_offset(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Words of the longest 4-tuple.
const MAX_KEY_WORDS: usize = 9;

/// SipHash-2-4 of a 4-tuple and one more word.
#[inline(always)]
pub(super) fn keyed<K: FlowKey>(k0: u64, k1: u64, key: &K, extra: u32) -> u64 {
    let mut words = [extra; MAX_KEY_WORDS + 1];
    let key = key.to_words();
    let len = key.as_ref().len().min(MAX_KEY_WORDS);
    words[1..=len].copy_from_slice(&key.as_ref()[..len]);
    siphash24((k0, k1), &words[..=len])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FlowKey4;

    fn key(remote_port: u16) -> FlowKey4 {
        FlowKey4 { remote: [10, 0, 0, 1], local: [10, 0, 0, 2], remote_port, local_port: 80 }
    }

    #[test]
    fn one_tuple_advances_by_the_clock() {
        let secret = IsnSecret(1, 2);
        let prf = secret.prf(&key(1000));
        let (first, later) = (prf.isn(Time::from_millis(5)), prf.isn(Time::from_millis(6)));
        assert_eq!(later.since(first), 250, "1 ms is 250 ticks of 4 us");
    }

    #[test]
    fn tuples_and_secrets_are_unrelated() {
        let base = IsnSecret(1, 2).prf(&key(1000));
        for other in [IsnSecret(1, 2).prf(&key(1001)), IsnSecret(1, 3).prf(&key(1000))] {
            assert_ne!(base.isn(Time::default()), other.isn(Time::default()));
            assert_ne!(base.timestamp_offset(), other.timestamp_offset());
        }
    }
}
