use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The steps of each connection after the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientScript {
    /// Waits for the peer's FIN, then closes.
    PeerCloses,
    /// Closes, then waits for the peer's FIN.
    CloseFirst,
    /// Sends this, expects the same back, then closes.
    Echo(Vec<u8>),
    /// Sends `request`, reads until the peer closes, and expects a response with this prefix.
    Request { request: Vec<u8>, response_prefix: Vec<u8> },
    /// Sends this, then closes.
    Send(Vec<u8>),
    /// Waits for the peer's RST.
    PeerResets,
    /// Resets as soon as it is established.
    Reset,
}

/// A load: a number of connections, or as many as possible in a time.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Used in turn.
    pub targets: Vec<SocketAddr>,
    /// Local addresses, used in turn. Empty: the kernel chooses.
    pub sources: Vec<IpAddr>,
    pub script: ClientScript,
    /// Total connections. `None`: as many as possible in the duration.
    pub count: Option<u64>,
    /// No connection is opened after this time. `None`: until the count is reached.
    pub duration: Option<Duration>,
    /// Connections in flight at a time, over all threads.
    pub parallel: usize,
    pub threads: usize,
    /// Timeout of a whole connection.
    pub timeout: Duration,
}

impl Plan {
    /// `count` connections one after another to `target`; the peer closes.
    pub fn sequential(target: SocketAddr, count: u64) -> Plan {
        Plan {
            targets: vec![target],
            sources: Vec::new(),
            script: ClientScript::PeerCloses,
            count: Some(count),
            duration: None,
            parallel: 1,
            threads: 1,
            timeout: Duration::from_secs(10),
        }
    }

    /// `count` connections to `target`, `parallel` at a time; the peer closes.
    pub fn parallel(target: SocketAddr, count: u64, parallel: usize) -> Plan {
        Plan { parallel, threads: 2, ..Plan::sequential(target, count) }
    }

    pub fn script(self, script: ClientScript) -> Plan {
        Plan { script, ..self }
    }

    pub fn sources(self, sources: impl IntoIterator<Item = IpAddr>) -> Plan {
        Plan { sources: sources.into_iter().collect(), ..self }
    }
}

/// Observes a run from another thread, and can stop it.
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

    /// Stops opening connections.
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
