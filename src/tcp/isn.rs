use siphasher::sip::SipHasher24;
use zerocopy::IntoBytes;

use super::Now;
use crate::wire::{FlowKey, Seq};

/// The secret of the ISN's pseudo-random part, drawn at start (MUST-9).
#[derive(Clone, Copy)]
pub struct IsnSecret(pub u64, pub u64);

impl IsnSecret {
    /// ISN = M + F(4-tuple, secret) (RFC 6528 3): M a 4 µs clock, F SipHash-2-4. An outsider
    /// who sees the ISNs of its own connections learns nothing of another 4-tuple's.
    #[inline]
    pub fn isn<K: FlowKey>(&self, key: &K, now: Now) -> Seq {
        Seq(now.isn_tick()) + keyed(self.0, self.1, key, 0) as u32
    }
}

/// Words of the longest 4-tuple.
const LONGEST: usize = 9;

/// SipHash-2-4 of a 4-tuple and one more word, in one go: a hasher fed word by word buffers each.
#[inline]
pub(super) fn keyed<K: FlowKey>(k0: u64, k1: u64, key: &K, extra: u32) -> u64 {
    let mut words = [extra; LONGEST + 1];
    let key = key.to_words();
    let len = key.as_ref().len().min(LONGEST);
    words[1..=len].copy_from_slice(&key.as_ref()[..len]);
    SipHasher24::new_with_keys(k0, k1).hash(words[..=len].as_bytes())
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
        let first = secret.isn(&key(1000), Now::from_millis(5));
        let later = secret.isn(&key(1000), Now::from_millis(6));
        assert_eq!(later.since(first), 250, "1 ms is 250 ticks of 4 us");
    }

    #[test]
    fn tuples_and_secrets_are_unrelated() {
        let now = Now::from_millis(5);
        let base = IsnSecret(1, 2).isn(&key(1000), now);
        assert_ne!(base, IsnSecret(1, 2).isn(&key(1001), now));
        assert_ne!(base, IsnSecret(1, 3).isn(&key(1000), now));
    }
}
