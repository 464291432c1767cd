//! Clients on a schedule: connections begin at equal distances, whether or not earlier ones have ended, and
//! each is timed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::connection::{AdvanceResult, Connection};
use super::tcp_info::retransmitted;
use super::worker::allow_descriptors;
use super::{ClientScript, Failure, Progress};

/// Linux retransmits a SYN after this time.
const FIRST_RETRANSMISSION: Duration = Duration::from_secs(1);
/// Maximum interval between checks of timeouts and of the stop.
const TICK: Duration = Duration::from_millis(50);

/// Connections at equal distances, in one thread.
#[derive(Clone, Debug)]
pub struct PacedPlan {
    pub target: SocketAddr,
    /// Local addresses, used in turn.
    pub sources: Vec<IpAddr>,
    pub script: ClientScript,
    pub count: u64,
    /// From the first to the last beginning.
    pub duration: Duration,
    /// Timeout of a whole connection.
    pub timeout: Duration,
}

/// Results of [`PacedPlan::run`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacedTally {
    pub begun: u64,
    /// Completed handshakes.
    pub established: u64,
    /// Completed scripts: the peer knows of the connection.
    pub completed: u64,
    /// Connections whose SYN was sent more than once.
    pub syn_retransmitted: u64,
    /// Failed connections, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Time from `connect` to its end, of each completed handshake, microseconds, sorted.
    pub connect_us: Vec<u64>,
    /// The most that a connection was begun too late.
    pub late: Duration,
}

impl PacedTally {
    /// Returns a percentile of the connect time, microseconds. `None`: no connection.
    pub fn connect_percentile(&self, share: f64) -> Option<u64> {
        let rank = (share * self.connect_us.len() as f64).ceil() as usize;
        self.connect_us.get(rank.saturating_sub(1).min(self.connect_us.len().saturating_sub(1))).copied()
    }
}

impl PacedPlan {
    /// Runs the plan in the calling thread's network namespace, and returns after the last connection has
    /// ended.
    ///
    /// # Errors
    /// No epoll descriptor. Failed connections are counted, not errors.
    pub fn run(&self, progress: &Progress) -> Result<PacedTally, Errno> {
        allow_descriptors(self.count + 64);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let state = PacedRun {
            plan: self,
            epoll,
            open: BTreeMap::new(),
            tally: PacedTally::default(),
            start: Instant::now(),
        };
        state.run(progress)
    }
}

struct PacedRun<'a> {
    plan: &'a PacedPlan,
    epoll: Epoll,
    /// By number, which is in the order of their beginnings.
    open: BTreeMap<u64, Timed>,
    tally: PacedTally,
    start: Instant,
}

struct Timed {
    connection: Connection,
    begun: Instant,
    waits_for: EpollFlags,
}

impl PacedRun<'_> {
    fn run(mut self, progress: &Progress) -> Result<PacedTally, Errno> {
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            let mut wait = TICK;
            while !progress.stopped() && self.tally.begun < self.plan.count {
                match self.due(self.tally.begun).checked_duration_since(Instant::now()) {
                    Some(left) if !left.is_zero() => {
                        wait = wait.min(left);
                        break;
                    }
                    _ => self.begin(),
                }
            }
            if self.open.is_empty() && (progress.stopped() || self.tally.begun == self.plan.count) {
                self.tally.connect_us.sort_unstable();
                return Ok(self.tally);
            }
            // To the next millisecond: it would spin otherwise.
            let wait = EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::ZERO);
            let ready = match self.epoll.wait(&mut events, wait) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            events[..ready].iter().for_each(|event| self.advance(event.data(), progress));
            self.expire();
        }
    }

    fn due(&self, number: u64) -> Instant {
        self.start + self.plan.duration.mul_f64(number as f64 / self.plan.count.max(1) as f64)
    }

    fn begin(&mut self) {
        let number = self.tally.begun;
        let begun = Instant::now();
        self.tally.late = self.tally.late.max(begun.duration_since(self.due(number)));
        self.tally.begun += 1;
        let sources = &self.plan.sources;
        let source = sources.get(number as usize % sources.len().max(1)).copied();
        let waits_for = EpollFlags::EPOLLOUT;
        let added = Connection::open(self.plan.target, source).and_then(|connection| {
            let event = EpollEvent::new(waits_for, number);
            self.epoll
                .add(&connection, event)
                .map_err(|errno| Failure::Errno(connection.step(), errno))
                .map(|()| connection)
        });
        match added {
            Ok(connection) => drop(self.open.insert(number, Timed { connection, begun, waits_for })),
            Err(failure) => self.fail(failure),
        }
    }

    fn advance(&mut self, number: u64, progress: &Progress) {
        let Some(timed) = self.open.get_mut(&number) else { return };
        let was_established = timed.connection.is_established();
        let now = Instant::now();
        let outcome = timed.connection.advance(&self.plan.script);
        if !was_established && timed.connection.is_established() {
            let took = now.duration_since(timed.begun);
            let again = took >= FIRST_RETRANSMISSION
                || retransmitted(&timed.connection).is_ok_and(|segments| segments > 0);
            self.tally.established += 1;
            self.tally.syn_retransmitted += u64::from(again);
            self.tally.connect_us.push(took.as_micros() as u64);
        }
        let waits_for = match outcome {
            Ok(AdvanceResult::NeedsRead) => EpollFlags::EPOLLIN,
            Ok(AdvanceResult::NeedsWrite) => EpollFlags::EPOLLOUT,
            Ok(AdvanceResult::Done) => {
                self.close(number);
                self.tally.completed += 1;
                return progress.add(1);
            }
            Err(failure) => {
                self.close(number);
                return self.fail(failure);
            }
        };
        if waits_for != timed.waits_for {
            timed.waits_for = waits_for;
            let mut event = EpollEvent::new(waits_for, number);
            if let Err(errno) = self.epoll.modify(&timed.connection, &mut event) {
                let failure = Failure::Errno(timed.connection.step(), errno);
                self.close(number);
                self.fail(failure);
            }
        }
    }

    /// Ends the connections that have timed out.
    fn expire(&mut self) {
        while let Some((&number, timed)) = self.open.first_key_value() {
            let age = timed.begun.elapsed();
            if age < self.plan.timeout {
                return;
            }
            let connecting = !timed.connection.is_established();
            let failure = Failure::Timeout(timed.connection.step());
            self.tally.syn_retransmitted += u64::from(connecting && age >= FIRST_RETRANSMISSION);
            self.close(number);
            self.fail(failure);
        }
    }

    /// Its descriptor may have a duplicate in a fork of another thread, so it is removed from the set first.
    fn close(&mut self, number: u64) {
        if let Some(timed) = self.open.remove(&number) {
            // It fails only if it is not in the set.
            let _ = self.epoll.delete(&timed.connection);
        }
    }

    fn fail(&mut self, failure: Failure) {
        *self.tally.failures.entry(failure.to_string()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    fn plan(target: SocketAddr, count: u64) -> PacedPlan {
        PacedPlan {
            target,
            sources: Vec::new(),
            script: ClientScript::Echo(b"hello".to_vec()),
            count,
            duration: Duration::from_millis(200),
            timeout: Duration::from_secs(10),
        }
    }

    fn echo(mut stream: TcpStream) {
        let mut buffer = [0; 64];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..length]);
        }
    }

    #[test]
    fn every_connection_is_timed_and_completes() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let target = listener.local_addr().expect("bound");
        thread::spawn(move || listener.incoming().flatten().for_each(echo));
        let begun = Instant::now();
        let tally = plan(target, 40).run(&Progress::default()).expect("epoll");
        assert_eq!((tally.begun, tally.established, tally.completed), (40, 40, 40), "{tally:?}");
        assert!(begun.elapsed() >= Duration::from_millis(190), "at equal distances: {tally:?}");
        assert!(tally.failures.is_empty() && tally.connect_us.len() == 40, "{tally:?}");
        assert!(tally.connect_percentile(0.5) <= tally.connect_percentile(1.0), "{tally:?}");
    }

    #[test]
    fn failures_are_named_and_a_stop_ends_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let target = listener.local_addr().expect("bound");
        drop(listener);
        let tally = plan(target, 5).run(&Progress::default()).expect("epoll");
        assert_eq!(tally.failures.values().sum::<u64>(), 5, "{tally:?}");
        assert!(tally.failures.keys().all(|name| name.starts_with("connect: ")), "{tally:?}");
        assert_eq!(tally.connect_percentile(0.99), None);
        let stopped = Progress::default();
        stopped.stop();
        assert_eq!(plan(target, 5).run(&stopped).expect("epoll").begun, 0);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let tally = PacedTally { connect_us: (1..=100).collect(), ..PacedTally::default() };
        let found = [0.0, 0.5, 0.99, 1.0].map(|share| tally.connect_percentile(share));
        assert_eq!(found, [Some(1), Some(50), Some(99), Some(100)]);
    }
}
