//! The send buffers in use, by listener and source prefix, each list ordered by last progress.
//!
//! Sources are hashed under a secret into a fixed number of shares (stochastic fairness queueing), so
//! memory is bounded and a peer cannot choose its share. A share may grow while it is small compared
//! to what is free (a dynamic threshold): one source can hold two thirds of all buffers, one listener
//! eight ninths, and a connection of another one still finds some.

use std::net::IpAddr;

use crate::wire::source_prefix;

/// Listeners are distinguished modulo this.
const LISTENERS: usize = 16;
/// Shares of each listener.
const SOURCES: usize = 256;
/// A source holds at most this many times what is free.
const SOURCE_FACTOR: usize = 2;
/// A listener holds at most this many times what is free.
const LISTENER_FACTOR: usize = 8;

/// No buffer.
const NONE: u32 = u32::MAX;

/// A listener's connections from one source prefix, and those that hash to the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share(u16);

impl Share {
    fn listener(self) -> usize {
        usize::from(self.0) / SOURCES
    }
}

/// A share's buffers, the one longest without progress first.
#[derive(Clone, Copy)]
struct EntryList {
    head: u32,
    tail: u32,
    /// When the head last made progress, milliseconds modulo 2^32.
    oldest_ms: u32,
    count: u32,
}

/// A buffer's place in its list.
#[derive(Clone, Copy)]
struct EntryPlace {
    prev: u32,
    next: u32,
    progress_ms: u32,
    share: Share,
}

pub(super) struct Shares {
    secret: [u64; 2],
    lists: Box<[EntryList]>,
    by_listener: [u32; LISTENERS],
    /// By buffer.
    places: Vec<EntryPlace>,
}

impl Shares {
    /// For `count` buffers.
    pub(super) fn new(count: usize, secret: [u64; 2]) -> Shares {
        let empty = EntryList { head: NONE, tail: NONE, oldest_ms: 0, count: 0 };
        let place = EntryPlace { prev: NONE, next: NONE, progress_ms: 0, share: Share(0) };
        Shares {
            secret: [secret[0] | 1, secret[1] | 1],
            lists: vec![empty; LISTENERS * SOURCES].into(),
            by_listener: [0; LISTENERS],
            places: vec![place; count],
        }
    }

    /// The share of a listener's connections from this address: from its /24, or its /64.
    pub(super) fn of(&self, listener: u16, source: IpAddr) -> Share {
        let prefix = source_prefix(source);
        let [low, high] = [prefix & 0xffff_ffff, prefix >> 32];
        // Multilinear hashing, as of the table's keys: the upper half is universal.
        let sum = low.wrapping_mul(self.secret[0]).wrapping_add(high.wrapping_mul(self.secret[1]));
        let source = (sum.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % SOURCES;
        Share(((usize::from(listener) % LISTENERS) * SOURCES + source) as u16)
    }

    /// How many more buffers the share may take while `free` are free, at most `free`.
    pub(super) fn room(&self, share: Share, free: usize) -> usize {
        let source = self.lists[usize::from(share.0)].count as usize;
        let listener = self.by_listener[share.listener()] as usize;
        let below = |factor: usize, held: usize| (factor * free + 1).saturating_sub(held);
        free.min(below(SOURCE_FACTOR, source)).min(below(LISTENER_FACTOR, listener))
    }

    /// Adds a buffer at the end of its share's list: it makes progress now.
    pub(super) fn add(&mut self, buffer: usize, share: Share, now_ms: u32) {
        let list = &mut self.lists[usize::from(share.0)];
        let prev = std::mem::replace(&mut list.tail, buffer as u32);
        list.count += 1;
        self.by_listener[share.listener()] += 1;
        self.places[buffer] = EntryPlace { prev, next: NONE, progress_ms: now_ms, share };
        match self.places.get_mut(prev as usize) {
            Some(place) => place.next = buffer as u32,
            None => {
                list.head = buffer as u32;
                list.oldest_ms = now_ms;
            }
        }
    }

    /// Removes a buffer.
    pub(super) fn remove(&mut self, buffer: usize) -> Share {
        let EntryPlace { prev, next, share, .. } = self.places[buffer];
        let list = &mut self.lists[usize::from(share.0)];
        list.count -= 1;
        self.by_listener[share.listener()] -= 1;
        match self.places.get_mut(next as usize) {
            Some(place) => place.prev = prev,
            None => list.tail = prev,
        }
        match self.places.get_mut(prev as usize) {
            Some(place) => place.next = next,
            None => {
                list.head = next;
                list.oldest_ms = self.places.get(next as usize).map_or(0, |place| place.progress_ms);
            }
        }
        share
    }

    /// When the buffer's connection last made progress.
    pub(super) fn progress_ms(&self, buffer: usize) -> u32 {
        self.places[buffer].progress_ms
    }

    /// The buffer of this share that is longest without progress.
    pub(super) fn oldest(&self, share: Share) -> Option<usize> {
        let head = self.lists[usize::from(share.0)].head;
        (head != NONE).then_some(head as usize)
    }

    /// Of the shares that hold a buffer without progress for `age_ms`, the one with the most buffers
    /// at the listener with the most.
    pub(super) fn fullest(&self, now_ms: u32, age_ms: u32) -> Option<Share> {
        let mut listeners: [usize; LISTENERS] = std::array::from_fn(|listener| listener);
        listeners.sort_unstable_by_key(|listener| std::cmp::Reverse(self.by_listener[*listener]));
        listeners.into_iter().filter(|listener| self.by_listener[*listener] > 0).find_map(|listener| {
            let first = listener * SOURCES;
            let lists = self.lists[first..first + SOURCES].iter().enumerate();
            let stalled = |(_, list): &(usize, &EntryList)| {
                list.count > 0 && now_ms.wrapping_sub(list.oldest_ms) >= age_ms
            };
            let (source, _) = lists.filter(stalled).max_by_key(|(_, list)| list.count)?;
            Some(Share((first + source) as u16))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        Shares::new(64, [3, 5])
    }

    #[test]
    fn the_longest_without_progress_comes_first() {
        let mut shares = shares();
        let share = shares.of(0, [192, 0, 2, 1].into());
        (0..4).for_each(|buffer| shares.add(buffer, share, 10 * buffer as u32));
        assert_eq!(shares.oldest(share), Some(0));
        shares.remove(0);
        shares.add(0, share, 50);
        assert_eq!((shares.oldest(share), shares.progress_ms(0)), (Some(1), 50));
        for (removed, oldest) in [(2, Some(1)), (1, Some(3)), (3, Some(0)), (0, None)] {
            shares.remove(removed);
            assert_eq!(shares.oldest(share), oldest);
        }
        assert_eq!(shares.fullest(1_000_000, 0), None);
    }

    #[test]
    fn one_source_leaves_a_third_and_one_listener_a_ninth() {
        let one = |sources: u8| {
            let mut shares = Shares::new(900, [3, 5]);
            let mut free = 900;
            loop {
                let before = free;
                for source in 0..sources {
                    let share = shares.of(0, [192, 0, source, 1].into());
                    if shares.room(share, free) > 0 {
                        shares.add(900 - free, share, 0);
                        free -= 1;
                    }
                }
                if before == free {
                    return free;
                }
            }
        };
        assert!((290..=300).contains(&one(1)), "{} free beside one source", one(1));
        assert!((90..=100).contains(&one(200)), "{} free beside one listener", one(200));
    }

    #[test]
    fn the_fullest_is_the_fullest_of_those_that_stall() {
        let mut shares = shares();
        let [busy, stalled, few] =
            [1, 2, 3].map(|net| shares.of(u16::from(net == 3), [198, 51, net, 1].into()));
        assert!(busy != stalled);
        (0..9).for_each(|buffer| shares.add(buffer, busy, 1000));
        (9..14).for_each(|buffer| shares.add(buffer, stalled, 100));
        (14..16).for_each(|buffer| shares.add(buffer, few, 0));
        assert_eq!(shares.fullest(1100, 500), Some(stalled));
        assert_eq!(shares.fullest(1100, 1050), Some(few));
        assert_eq!(shares.fullest(1100, 50), Some(busy));
        assert_eq!(shares.fullest(1100, 2000), None);
    }

    /// A /24 and a /64 are one source each, and prefixes that count up spread.
    #[test]
    fn sources_are_prefixes() {
        let shares = shares();
        assert_eq!(shares.of(1, [10, 0, 0, 1].into()), shares.of(1, [10, 0, 0, 254].into()));
        assert_ne!(shares.of(1, [10, 0, 0, 1].into()), shares.of(2, [10, 0, 0, 1].into()));
        let v6 = |text: &str| shares.of(1, text.parse::<std::net::Ipv6Addr>().unwrap().into());
        assert_eq!(v6("2001:db8:0:1::1"), v6("2001:db8:0:1:ffff::2"));
        let used: std::collections::BTreeSet<u16> =
            (0..=255).map(|net| shares.of(0, [10, 0, net, 1].into()).0).collect();
        assert!(used.len() > 120, "{} of 256 prefixes have a share of their own", used.len());
    }
}
