use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What each connection does once it is established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialogue {
    /// Waits for the peer's FIN, then closes.
    PeerCloses,
    /// Closes first, and waits for the peer's FIN.
    CloseFirst,
    /// Sends this, wants the same back, then closes first.
    Echo(Vec<u8>),
    /// Sends `request`, reads until the peer closes, and wants an answer that starts so.
    Request { request: Vec<u8>, answer_starts: Vec<u8> },
    /// Sends this, wants no answer, closes first.
    Send(Vec<u8>),
    /// Waits for the peer's RST.
    PeerResets,
    /// Resets as soon as it is established.
    Reset,
}

/// A number of connections, or a time full of them.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Taken in turn.
    pub targets: Vec<SocketAddr>,
    /// Local addresses, taken in turn. Empty: the kernel's choice.
    pub sources: Vec<IpAddr>,
    pub dialogue: Dialogue,
    /// Connections in all. `None`: as many as the duration allows.
    pub count: Option<u64>,
    /// No connection is begun after this. `None`: until the count is reached.
    pub duration: Option<Duration>,
    /// Connections in flight at a time, over all threads.
    pub parallel: usize,
    pub threads: usize,
    /// A connection that takes longer, whole, has failed.
    pub timeout: Duration,
}

impl Plan {
    /// `count` connections one after another to `target`; the peer closes.
    pub fn sequential(target: SocketAddr, count: u64) -> Plan {
        Plan {
            targets: vec![target],
            sources: Vec::new(),
            dialogue: Dialogue::PeerCloses,
            count: Some(count),
            duration: None,
            parallel: 1,
            threads: 1,
            timeout: Duration::from_secs(10),
        }
    }

    /// `count` connections to `target`, so many of them at a time; the peer closes.
    pub fn parallel(target: SocketAddr, count: u64, parallel: usize) -> Plan {
        Plan { parallel, threads: 2, ..Plan::sequential(target, count) }
    }

    pub fn dialogue(self, dialogue: Dialogue) -> Plan {
        Plan { dialogue, ..self }
    }

    pub fn sources(self, sources: impl IntoIterator<Item = IpAddr>) -> Plan {
        Plan { sources: sources.into_iter().collect(), ..self }
    }
}

/// Watches a run from another thread, and stops it.
#[derive(Debug, Default)]
pub struct Progress {
    completed: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Connections completed so far.
    pub fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    /// No connection is begun from now on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, completed: u64) {
        self.completed.fetch_add(completed, Ordering::Relaxed);
    }
}
