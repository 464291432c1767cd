//! SYN cookies (RFC 4987 3.6): the SYN-ACK's sequence number and timestamp hold the state of the half-open
//! connection, which takes no slot.
//!
//! The sequence number is the sum of two numbers: SipHash-2-4 of the 4-tuple under the period's key, whose
//! low 3 bits are combined by exclusive or with an index into a table of MSS values (29 bits of proof remain);
//! and the client's ISN times an odd constant, so that similar ISNs have distant cookies. The ISN needs no
//! hash: a client that knows a cookie of a 4-tuple has received a packet at its address.
//!
//! Each period has its own key, derived from one secret, so that all cores have the same keys without
//! communication; the current one and the one before it are valid. Window scale and SACK are stored in the
//! low bits of the timestamp if the client offers one; without a timestamp they are not negotiated.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use siphasher::sip::SipHasher24;

use super::negotiate::{MAX_SHIFT, MIN_MSS};
use super::{SynOptions, Time};
use crate::wire::siphash::siphash24;
use crate::wire::{FlowKey, SegmentInfo, Seq, TcpOptions};

/// A period, seconds. A cookie is valid for one to two of them.
const PERIOD_S: u64 = 64;
const PERIOD_MICROS: u64 = PERIOD_S * 1_000_000;
/// Bytes; the largest not above the client's is kept. Common paths: IPv6 minimum, PPPoE,
/// Ethernet, jumbo frames.
const MSS_TABLE: [u16; 8] = [MIN_MSS, 536, 1220, 1360, 1440, 1452, 1460, 8940];
const INDEX_MASK: u32 = 7;

/// The low bits of a cookie's timestamp that carry options: 4 of shift, 1 of SACK.
pub const SYN_TIMESTAMP_MASK: u32 = 0x1f;
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 0x10;

/// One core's cookies; all cores share a secret, since an ACK may arrive on another core than its SYN.
#[derive(Clone)]
pub struct Cookies {
    secret: (u64, u64),
    /// The last period in which any core issued a cookie, plus one; 0: never.
    issued: Arc<AtomicU64>,
    current: PeriodKey,
    previous: PeriodKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct PeriodKey {
    period: u64,
    key: (u64, u64),
}

impl Cookies {
    /// `secret` must be drawn from the system's randomness; clones share it.
    pub fn new(secret: (u64, u64)) -> Cookies {
        let first = PeriodKey::derive(secret, 0);
        Cookies { secret, issued: Arc::new(AtomicU64::new(0)), current: first, previous: first }
    }

    /// The SYN-ACK's sequence number for a SYN.
    #[inline(always)]
    pub fn issue<K: FlowKey>(&mut self, key: &K, irs: Seq, mss: u16, now: Time) -> Seq {
        self.rotate(now);
        self.note_issued_in(self.current.period);
        let index = MSS_TABLE.iter().rposition(|entry| *entry <= mss).unwrap_or(0) as u32;
        Seq(self.current.mac(key) ^ index) + spread(irs)
    }

    /// Takes note of cookies that the eBPF program issues now.
    pub fn note_issued(&self, now: Time) {
        self.note_issued_in(Cookies::period(now));
    }

    #[inline(always)]
    fn note_issued_in(&self, period: u64) {
        let mark = period + 1;
        // Written once a period, not once a SYN: the line stays shared between cores. Only upwards: a
        // core whose batch began in the period before may be late.
        if self.issued.load(Relaxed) < mark {
            self.issued.fetch_max(mark, Relaxed);
        }
    }

    /// The number of the period of this time.
    pub fn period(now: Time) -> u64 {
        now.seconds() / PERIOD_S
    }

    /// The key of the cookies of a period, as the eBPF program needs it.
    pub fn key_of(&self, period: u64) -> (u64, u64) {
        PeriodKey::derive(self.secret, period).key
    }

    /// Returns the options of the SYN, from the ACK that answers its cookie; `None` if the cookie is
    /// invalid or too old, or none was issued recently. `timestamp_offset` is what was added to our TSval.
    pub fn verify<K: FlowKey>(
        &mut self,
        key: &K,
        segment: &SegmentInfo,
        timestamp_offset: u32,
        now: Time,
    ) -> Option<SynOptions> {
        if !self.recently_issued(now) {
            return None;
        }
        self.rotate(now);
        let (irs, cookie) = (segment.seq - 1, (segment.ack - 1).0);
        let index = [self.current, self.previous]
            .iter()
            .map(|period| cookie.wrapping_sub(spread(irs)) ^ period.mac(key))
            .find(|index| *index <= INDEX_MASK)?;
        let kept = segment.options.timestamps.map(|ts| (ts.value, ts.echo.wrapping_sub(timestamp_offset)));
        Some(SynOptions {
            window_scale: kept
                .map(|(_, bits)| bits & NO_SCALE)
                .filter(|shift| *shift != NO_SCALE)
                .map(|shift| shift as u8),
            sack: kept.is_some_and(|(_, bits)| bits & SACK_BIT != 0),
            timestamp: kept.map(|(value, _)| value),
            ..SynOptions::mss_only(MSS_TABLE[index as usize])
        })
    }

    /// Whether a cookie may still be valid.
    pub fn recently_issued(&self, now: Time) -> bool {
        let issued = self.issued.load(Relaxed);
        // Last issued in period `issued - 1`: this one or the one before.
        issued != 0 && now.seconds() / PERIOD_S <= issued
    }

    #[inline(always)]
    fn rotate(&mut self, now: Time) {
        // One comparison instead of divisions, for each SYN.
        if now.micros.wrapping_sub(self.current.period * PERIOD_MICROS) < PERIOD_MICROS {
            return;
        }
        self.derive(now);
    }

    #[cold]
    fn derive(&mut self, now: Time) {
        let period = Cookies::period(now);
        if period != self.current.period {
            self.previous = PeriodKey::derive(self.secret, period.saturating_sub(1));
            self.current = PeriodKey::derive(self.secret, period);
        }
    }
}

/// The ISN's part of a cookie. The constant is odd, so different ISNs have different parts, and close to 2^32
/// divided by the golden ratio, so similar ISNs have distant ones.
#[inline(always)]
fn spread(irs: Seq) -> u32 {
    irs.0.wrapping_mul(0x9e37_79b1)
}

impl PeriodKey {
    fn derive(secret: (u64, u64), period: u64) -> PeriodKey {
        let half = |which: u64| {
            let mut hasher = SipHasher24::new_with_keys(secret.0, secret.1);
            hasher.write_u64(period);
            hasher.write_u64(which);
            hasher.finish()
        };
        PeriodKey { period, key: (half(0), half(1)) }
    }

    /// The MAC of a 4-tuple: 32 bits that cannot be computed without the key.
    #[inline(always)]
    fn mac<K: FlowKey>(&self, key: &K) -> u32 {
        siphash24(self.key, key.to_words().as_ref()) as u32
    }
}

/// The options of a SYN-ACK whose sequence number is a cookie. The timestamp carries window scale and SACK,
/// so without one they are not accepted.
#[inline(always)]
pub(super) fn syn_ack_options(offer: &SynOptions, our_mss: u16, millis: u32, offset: u32) -> TcpOptions {
    let carried = match offer.timestamp {
        Some(_) => *offer,
        None => SynOptions::mss_only(offer.mss),
    };
    carried.syn_ack(our_mss, || timestamp_with(offer, millis).wrapping_add(offset))
}

fn timestamp_with(offer: &SynOptions, millis: u32) -> u32 {
    let shift = offer.window_scale.map_or(NO_SCALE, u32::from);
    clock_with(shift | if offer.sack { SACK_BIT } else { 0 }, millis)
}

/// The timestamp, without its offset, of the SYN-ACK to a SYN with all options. `window_scale`: the shift as
/// received.
#[inline(always)]
pub fn cookie_timestamp(window_scale: u8, millis: u32) -> u32 {
    clock_with(u32::from(window_scale.min(MAX_SHIFT)) | SACK_BIT, millis)
}

/// The clock with these low bits, never ahead of the clock itself.
#[inline(always)]
fn clock_with(bits: u32, millis: u32) -> u32 {
    let stamp = millis & !SYN_TIMESTAMP_MASK | bits;
    // "Ahead" modulo 2^32.
    if (stamp.wrapping_sub(millis) as i32) > 0 { stamp.wrapping_sub(SYN_TIMESTAMP_MASK + 1) } else { stamp }
}
