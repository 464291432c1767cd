//! A server with kernel sockets, in one thread and a tight loop: accept, check once whether the peer has done its part,
//! close. Only connections whose peer has not are registered with epoll.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, SockaddrStorage, bind, listen, recv, send,
    setsockopt, socket, sockopt,
};
use serde::Serialize;

use super::baseline::{BaselineError, RunTimer, pin};
use super::workload::{Closer, Pattern, RESPONSE, Workload};

/// Connections accepted before the waiting ones are checked.
const BATCH: usize = 256;
/// Time of busy polling before it sleeps, as in the engine's adaptive polling.
const SPIN_TIME: Duration = Duration::from_micros(200);
/// Maximum sleep, milliseconds: signals are checked meanwhile.
const MAX_SLEEP_MS: u8 = 50;

/// Maximum time for remaining connections after the end, seconds.
const DRAIN_TIMEOUT: f64 = 1.0;

/// Options of a [`KernelServer`].
#[derive(Clone, Debug)]
pub struct KernelOptions {
    pub listen: SocketAddr,
    pub pattern: Pattern,
    pub core: Option<usize>,
    /// `None`: until the program is stopped.
    pub duration: Option<Duration>,
}

/// A server with kernel sockets.
#[derive(Debug)]
pub struct KernelServer {
    options: KernelOptions,
    listener: TcpListener,
    epoll: Epoll,
    response: Vec<u8>,
    /// Waiting connections by descriptor, and whether the response was sent.
    waiting: Vec<Option<(TcpStream, bool)>>,
    counts: ServedCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServedCounts {
    accepted: u64,
    closed: u64,
    failed: u64,
    /// Accepted connections that had to wait for the peer.
    waited: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelReport {
    pub program: &'static str,
    pub listen: String,
    pub workload: String,
    pub closer: String,
    pub seconds: f64,
    pub accepted: u64,
    pub closed: u64,
    pub failed: u64,
    /// Accepted connections that had to wait for the peer.
    pub waited: u64,
}

/// Progress of one connection.
enum ConnProgress {
    Done,
    Failed,
    /// Waits for the peer.
    Wait,
}

impl KernelServer {
    /// Listens, and pins this thread.
    pub fn open(options: KernelOptions) -> Result<KernelServer, BaselineError> {
        let wrong =
            |what: &'static str| move |errno: Errno| BaselineError::Argument(format!("{what}: {errno}"));
        if matches!(options.pattern.workload, Workload::Syn | Workload::Establish) {
            return Err(BaselineError::Argument(
                "unsupported workload: use handshake, lifecycle or request".into(),
            ));
        }
        pin(options.core)?;
        allow_descriptors();
        let listener = listener(options.listen).map_err(|(call, errno)| {
            BaselineError::Argument(format!("cannot listen on {}: {call}: {errno}", options.listen))
        })?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(wrong("epoll_create1"))?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, listener.as_raw_fd() as u64);
        epoll.add(&listener, event).map_err(wrong("epoll_ctl"))?;
        let text = RESPONSE.iter().copied().chain(std::iter::repeat(b'.'));
        let response = text.take(options.pattern.response.into()).collect();
        Ok(KernelServer {
            options,
            listener,
            epoll,
            response,
            waiting: Vec::new(),
            counts: ServedCounts::default(),
        })
    }

    pub fn run(mut self, stop: &AtomicBool) -> Result<KernelReport, BaselineError> {
        let timer = RunTimer::start(self.options.duration, stop);
        let mut events = vec![EpollEvent::empty(); BATCH];
        let mut busy_until = Instant::now();
        while timer.tick().is_some() {
            let mut work = self.accept();
            // Check the waiting connections, or sleep.
            if work == 0 || self.counts.waited > 0 {
                let sleep_ms = if work == 0 && Instant::now() >= busy_until { MAX_SLEEP_MS } else { 0 };
                work += self.wait(&mut events, sleep_ms);
            }
            if work > 0 {
                busy_until = Instant::now() + SPIN_TIME;
            }
        }
        let seconds = timer.elapsed().as_secs_f64();
        // Connections that the client has completed count, also those not yet accepted.
        while self.accept() + self.wait(&mut events, 0) > 0 {
            if timer.elapsed().as_secs_f64() > seconds + DRAIN_TIMEOUT {
                break;
            }
        }
        let ServedCounts { accepted, closed, failed, waited } = self.counts;
        Ok(KernelReport {
            program: "serve-kernel",
            listen: self.options.listen.to_string(),
            workload: self.options.pattern.workload.to_string(),
            closer: self.options.pattern.closer.to_string(),
            seconds,
            accepted,
            closed,
            failed,
            waited,
        })
    }

    /// Accepts up to a batch of connections. Returns their number.
    fn accept(&mut self) -> usize {
        for done in 0..BATCH {
            match self.listener.accept() {
                Ok((connection, _)) => self.begin(connection),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return done,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.counts.failed += 1,
            }
        }
        BATCH
    }

    /// Handles a new connection, usually to its end: most peers have done their part by now.
    fn begin(&mut self, connection: TcpStream) {
        self.counts.accepted += 1;
        let mut answered = false;
        match self.advance(&connection, &mut answered) {
            ConnProgress::Wait if self.watch(&connection).is_ok() => {
                self.counts.waited += 1;
                let slot = connection.as_raw_fd() as usize;
                if self.waiting.len() <= slot {
                    self.waiting.resize_with(slot + 1, || None);
                }
                self.waiting[slot] = Some((connection, answered));
            }
            progress => self.counts.end(&progress),
        }
    }

    /// Advances the waiting connections that are ready. Returns the number of events.
    fn wait(&mut self, events: &mut [EpollEvent], sleep_ms: u8) -> usize {
        let ready = self.epoll.wait(events, EpollTimeout::from(sleep_ms)).unwrap_or(0);
        for event in &events[..ready] {
            let slot = event.data() as usize;
            // Not the listener.
            let Some((connection, mut answered)) = self.waiting.get_mut(slot).and_then(Option::take) else {
                continue;
            };
            match self.advance(&connection, &mut answered) {
                ConnProgress::Wait => self.waiting[slot] = Some((connection, answered)),
                progress => self.counts.end(&progress),
            }
        }
        ready
    }

    /// Advances a connection as far as possible.
    fn advance(&self, connection: &TcpStream, answered: &mut bool) -> ConnProgress {
        match (self.options.pattern.workload, self.options.pattern.closer) {
            // The peer resets it, or this side closes first.
            (Workload::Handshake, _) | (Workload::Lifecycle, Closer::Server) => ConnProgress::Done,
            (Workload::Request, _) if !*answered => self.respond(connection, answered),
            _ => read_to_end(connection),
        }
    }

    /// Reads once, and writes one segment. If it closes next, MSG_MORE makes the kernel merge the FIN.
    fn respond(&self, connection: &TcpStream, answered: &mut bool) -> ConnProgress {
        let closes = self.options.pattern.closer == Closer::Server;
        match recv(connection.as_raw_fd(), &mut [0; 2048], MsgFlags::MSG_DONTWAIT) {
            Ok(1..) => *answered = true,
            Err(Errno::EAGAIN) => return ConnProgress::Wait,
            Ok(_) | Err(_) => return ConnProgress::Failed,
        }
        let more = if closes { MsgFlags::from_bits_retain(libc::MSG_MORE) } else { MsgFlags::empty() };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT | more;
        match send(connection.as_raw_fd(), &self.response, flags) {
            Ok(sent) if sent == self.response.len() && closes => ConnProgress::Done,
            Ok(sent) if sent == self.response.len() => read_to_end(connection),
            _ => ConnProgress::Failed,
        }
    }

    fn watch(&self, connection: &TcpStream) -> Result<(), Errno> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, connection.as_raw_fd() as u64);
        self.epoll.add(connection, event)
    }
}

impl ServedCounts {
    /// Counts the end. The connection closes when its descriptor is dropped.
    fn end(&mut self, progress: &ConnProgress) {
        self.closed += u64::from(matches!(progress, ConnProgress::Done));
        self.failed += u64::from(!matches!(progress, ConnProgress::Done));
    }
}

fn read_to_end(connection: &TcpStream) -> ConnProgress {
    loop {
        match recv(connection.as_raw_fd(), &mut [0; 2048], MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return ConnProgress::Done,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return ConnProgress::Wait,
            Err(_) => return ConnProgress::Failed,
        }
    }
}

/// Opens a listener with the maximum backlog (net.core.somaxconn). The error names the failed call.
fn listener(address: SocketAddr) -> Result<TcpListener, (&'static str, Errno)> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket: OwnedFd = socket(family, SockType::Stream, flags, None).map_err(|errno| ("socket", errno))?;
    setsockopt(&socket, sockopt::ReuseAddr, &true).map_err(|errno| ("SO_REUSEADDR", errno))?;
    setsockopt(&socket, sockopt::ReusePort, &true).map_err(|errno| ("SO_REUSEPORT", errno))?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address)).map_err(|errno| ("bind", errno))?;
    listen(&socket, Backlog::MAXALLOWABLE).map_err(|errno| ("listen", errno))?;
    Ok(TcpListener::from(socket))
}

/// Raises the limit of descriptors to the maximum: a whole backlog of connections can wait.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If it fails, connections fail with EMFILE, and are counted.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
