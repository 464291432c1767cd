//! The listeners of recent segments, by local port: most SYNs need no look-up in the rules.

use crate::wire::PacketKey;

/// A power of two. Listeners on consecutive ports do not displace one another.
const PLACES: usize = 8;

#[derive(Clone, Copy)]
struct Place<K> {
    /// A 4-tuple whose local end is the listener's. In an empty place, the local address is unspecified: no
    /// segment is sent to it.
    local: K,
    listener: CachedListener,
}

#[derive(Clone, Copy, Default)]
pub(super) struct CachedListener {
    /// The listener's number.
    pub id: u16,
    /// The first receive window of its connections, bytes.
    pub window: u16,
}

pub(super) struct ListenerCache<K> {
    places: [Place<K>; PLACES],
    /// A bit for each place that holds a listener.
    used: u8,
}

const _: () = assert!(PLACES == u8::BITS as usize);

impl<K: PacketKey> ListenerCache<K> {
    pub(super) fn new() -> ListenerCache<K> {
        let empty = Place { local: K::default(), listener: CachedListener::default() };
        ListenerCache { places: [empty; PLACES], used: 0 }
    }

    /// The listener of this key's local end, if it is cached.
    #[inline(always)]
    pub(super) fn get(&self, key: &K) -> Option<CachedListener> {
        let place = &self.places[place(key)];
        place.local.same_local(key).then_some(place.listener)
    }

    pub(super) fn insert(&mut self, key: &K, listener: CachedListener) {
        let place = place(key);
        self.places[place] = Place { local: *key, listener };
        self.used |= 1 << place;
    }

    /// Asks for the windows again, once a batch: a service may give another one at any time, and a call for
    /// each SYN costs 23 instructions.
    #[inline(always)]
    pub(super) fn refresh(&mut self, window: impl Fn(u16) -> u16) {
        let mut left = self.used;
        while left != 0 {
            let listener = &mut self.places[left.trailing_zeros() as usize % PLACES].listener;
            listener.window = window(listener.id);
            left &= left - 1;
        }
    }

    /// Forgets all: the core has other rules.
    pub(super) fn clear(&mut self) {
        *self = ListenerCache::new();
    }
}

#[inline(always)]
fn place<K: PacketKey>(key: &K) -> usize {
    usize::from(key.ports().1) % PLACES
}
