//! The state of listeners that cores and the cookie tier share, in atomic words.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::core::Waker;

/// Listeners on the board: those with smaller numbers.
const BOARD: usize = 1024;

/// The load of listeners as the cores report it, and the decisions of the cookie tier. Any thread reads it.
pub struct SynBoard {
    listeners: Box<[BoardEntry]>,
    /// Wakes the thread of the tier.
    tier: OnceLock<Waker>,
}

#[derive(Default)]
struct BoardEntry {
    sent: AtomicU64,
    proven: AtomicU64,
    /// Cores that answer by cookie.
    cores: AtomicU32,
    /// The first window of new connections, bytes.
    window: AtomicU32,
    /// The eBPF program answers.
    tier: AtomicBool,
}

/// The load of a listener that answers by cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PostedLoad {
    /// Cores that answer by cookie.
    pub cores: u32,
    /// Cookies sent and proven, of all cores, since the start.
    pub sent: u64,
    pub proven: u64,
    pub window: u16,
}

impl Default for SynBoard {
    fn default() -> SynBoard {
        SynBoard { listeners: (0..BOARD).map(|_| BoardEntry::default()).collect(), tier: OnceLock::new() }
    }
}

impl SynBoard {
    fn entry(&self, listener: u16) -> Option<&BoardEntry> {
        self.listeners.get(usize::from(listener))
    }

    pub(super) fn begun(&self, listener: u16) {
        if let Some(entry) = self.entry(listener) {
            entry.cores.fetch_add(1, Relaxed);
        }
        if let Some(wake) = self.tier.get() {
            wake();
        }
    }

    pub(super) fn ended(&self, listener: u16) {
        if let Some(entry) = self.entry(listener) {
            entry.cores.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn post(&self, listener: u16, sent: u32, proven: u32) {
        if let Some(entry) = self.entry(listener) {
            entry.sent.fetch_add(u64::from(sent), Relaxed);
            entry.proven.fetch_add(u64::from(proven), Relaxed);
        }
    }

    pub(super) fn has_tier(&self, listener: u16) -> bool {
        self.entry(listener).is_some_and(|entry| entry.tier.load(Relaxed))
    }

    /// The first window that a listener's service gives.
    pub(super) fn set_window(&self, listener: u16, window: u16) {
        if let Some(entry) = self.entry(listener) {
            entry.window.store(u32::from(window), Relaxed);
        }
    }

    /// Whether the eBPF program answers a listener's SYNs.
    pub(super) fn set_tier(&self, listener: u16, on: bool) {
        if let Some(entry) = self.entry(listener) {
            entry.tier.store(on, Relaxed);
        }
    }

    /// Whom to wake when a listener begins to answer by cookie. Once.
    pub(super) fn set_waker(&self, waker: Waker) {
        let _ = self.tier.set(waker);
    }

    /// Whether there is a tier that takes listeners.
    pub(super) fn is_watched(&self) -> bool {
        self.tier.get().is_some()
    }

    pub(super) fn load(&self, listener: u16) -> PostedLoad {
        let Some(entry) = self.entry(listener) else { return PostedLoad::default() };
        PostedLoad {
            cores: entry.cores.load(Relaxed),
            sent: entry.sent.load(Relaxed),
            proven: entry.proven.load(Relaxed),
            window: entry.window.load(Relaxed) as u16,
        }
    }
}
