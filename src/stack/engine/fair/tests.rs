//! A second of requests by senders of several kinds, and who is answered.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const KEY: [u64; 2] = [1, 2];
const RATE: u32 = 10_000;
/// Senders that ask once a second, each at a moment of its own.
const HONEST: u32 = 200;
/// Of the flood, a second.
const FLOOD: u32 = 200_000;
const SECONDS: u64 = 4;
const ACK: usize = 0;
const SYN: usize = 1;

fn honest(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + (number << 8)))
}

/// A number that looks random: the same in each run.
fn scattered(number: u64) -> u32 {
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^= state >> 32;
    state = state.wrapping_mul(0xd6e8_feb8_6659_fd93);
    (state >> 32) as u32
}

/// Percent of the honest requests that are answered, and the answers a second to all.
fn beside(
    flood: impl Fn(u64) -> IpAddr,
    kind: usize,
    mut take: impl FnMut(usize, IpAddr, Time) -> bool,
) -> (f64, f64) {
    let (mut heard, mut answered) = (0, 0u64);
    let every = FLOOD / HONEST;
    // The first second empties what a quiet time has left.
    for number in 0..u64::from(FLOOD) * (SECONDS + 1) {
        let now = Time { micros: 1_000_000_000 + number * 1_000_000 / u64::from(FLOOD) };
        let counts = number >= u64::from(FLOOD);
        let round = number / u64::from(every);
        // At any moment between two refills.
        if number % u64::from(every) == u64::from(scattered(round) % every) {
            let passes = take(kind, honest((round % u64::from(HONEST)) as u32), now);
            (heard, answered) = (heard + u32::from(passes && counts), answered + u64::from(passes && counts));
        }
        answered += u64::from(take(ACK, flood(number), now) && counts);
    }
    let asked = f64::from(HONEST) * SECONDS as f64;
    (f64::from(heard) * 100.0 / asked, answered as f64 / SECONDS as f64)
}

fn one_prefix(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | number as u32 & 0xff))
}

fn thousand_prefixes(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | (scattered(number) % 1000) << 8))
}

fn random_sources(number: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(scattered(number)))
}

/// Decision 0024 has these figures.
#[test]
fn honest_requests_beside_a_flood() {
    type Source = fn(u64) -> IpAddr;
    let floods: [(&str, Source, f64, f64); 3] = [
        ("one prefix", one_prefix, 100.0, 100.0),
        ("1,000 prefixes", thousand_prefixes, 90.0, 100.0),
        // 5,000 to 10,000 answers for 200,000 requests, regardless of the sender.
        ("random sources", random_sources, 2.5, 100.0),
    ];
    for (what, flood, least_ack, least_syn) in floods {
        for (kind, name, least) in [(ACK, "ACK", least_ack), (SYN, "SYN", least_syn)] {
            let mut bucket = TokenBucket::new(RATE);
            let (before, _) = beside(flood, kind, |_, _, now| bucket.take(now));
            let mut limit = FairLimit::<2>::new(RATE, KEY);
            let (after, a_second) = beside(flood, kind, |kind, sender, now| limit.take(kind, sender, now));
            println!(
                "{what}, honest {name}: {before:.1} % before, {after:.1} % now, {a_second:.0} answers a second"
            );
            assert!(before < 10.0, "one bucket for all, {what}: {before}");
            assert!(after >= least, "{what}, honest {name}: {after} %");
            assert!(a_second <= f64::from(RATE) * 1.05, "{what}: {a_second} a second");
            // The rate is there to be used: RSTs end the half of what a flood asks about, too.
            assert!(a_second >= f64::from(RATE) * 0.45, "{what}: {a_second} a second");
        }
    }
}

/// What a sender gets that is alone, first at once and then in each second.
fn alone(rate: u32, kinds_asked: &[usize]) -> Vec<usize> {
    let mut limit = FairLimit::<2>::new(rate, KEY);
    let mut second = |from: u64| {
        let asks = (0..1000u64).flat_map(|ms| kinds_asked.iter().map(move |kind| (*kind, ms)));
        asks.filter(|(kind, ms)| limit.take(*kind, honest(1), Time::from_millis(from + ms))).count()
    };
    (1..=6).map(|number| second(number * 10_000)).collect()
}

#[test]
fn a_sender_that_is_alone_gets_most_of_the_rate_and_never_more() {
    for rate in [10, 100, 400] {
        let got = alone(rate, &[ACK]);
        let most = rate as usize * 2;
        assert!(got.iter().all(|got| (rate as usize / 2..=most).contains(got)), "{rate}: {got:?}");
        let both = alone(rate, &[ACK, SYN]);
        assert!(both.iter().all(|got| *got <= most), "{rate}: {both:?}");
    }
}

#[test]
fn nothing_passes_at_a_rate_of_zero_and_little_at_one() {
    assert_eq!(alone(0, &[ACK, SYN]), [0; 6]);
    let got = alone(1, &[ACK, SYN]);
    assert!(got.iter().all(|got| (1..=3).contains(got)), "{got:?}");
}

/// One host's neighbours share its fate, others do not; of IPv6 the same by /64.
#[test]
fn senders_are_distinguished_by_their_prefix() {
    let six = |top: u128, low: u128| IpAddr::V6(Ipv6Addr::from_bits(top << 64 | low));
    let rows = [
        ("neighbour", honest(1), IpAddr::V4(Ipv4Addr::from_bits(0xc000_0309)), false),
        ("other /24", honest(1), honest(2), true),
        ("same /64", six(0x2001_0db8_0000_0001, 1), six(0x2001_0db8_0000_0001, u128::from(u64::MAX)), false),
        ("other /64", six(0x2001_0db8_0000_0001, 1), six(0x2001_0db8_0000_0002, 1), true),
    ];
    for (what, greedy, other, passes) in rows {
        let mut limit = FairLimit::<1>::new(100, KEY);
        let now = Time::from_millis(10_000);
        let spent = (0..1000).filter(|_| limit.take(0, greedy, now)).count();
        assert!(spent < 100, "{what}: {spent}");
        assert_eq!(limit.take(0, other, now), passes, "{what}");
    }
}

/// The window's number comes round after 18 hours: a cell that was not asked for since delays no sender.
#[test]
fn windows_end() {
    let mut limit = FairLimit::<1>::new(100, KEY);
    for hours in 0..40 {
        let now = Time::from_millis(10_000 + hours * 3_600_000);
        let got = (0..1000).filter(|_| limit.take(0, honest(1), now)).count();
        assert!((40..=100).contains(&got), "after {hours} hours: {got}");
    }
}
