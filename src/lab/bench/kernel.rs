//! The kernel's own stack as a server, in one thread, written as tightly as is fair: accept what
//! there is, look once whether the peer has done its part, close. Only connections whose peer has
//! not cost an epoll registration.

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

/// Connections accepted before the waiting ones get their turn.
const BATCH: usize = 256;
/// How long it looks again and again before it sleeps: as the engine's adaptive polling.
const SPIN: Duration = Duration::from_micros(200);
/// The longest sleep, so that signals are seen, milliseconds.
const NAP_MS: u8 = 50;

/// How long it goes on after its end if connections keep coming, seconds.
const LAST: f64 = 1.0;

/// What a [`KernelServer`] does.
#[derive(Clone, Debug)]
pub struct KernelOptions {
    pub listen: SocketAddr,
    pub pattern: Pattern,
    pub core: Option<usize>,
    /// `None`: until told to stop.
    pub duration: Option<Duration>,
}

/// A listener of this machine's kernel.
#[derive(Debug)]
pub struct KernelServer {
    options: KernelOptions,
    listener: TcpListener,
    epoll: Epoll,
    response: Vec<u8>,
    /// By descriptor: connections whose peer is awaited, and whether they have answered it.
    waiting: Vec<Option<(TcpStream, bool)>>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    accepted: u64,
    closed: u64,
    failed: u64,
    /// Of the accepted, those that had to be waited for.
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
    /// Of the accepted, those whose peer was not done yet.
    pub waited: u64,
}

/// Where one connection stands after a look.
enum Look {
    Over,
    Failed,
    /// The peer has not done its part.
    Wait,
}

impl KernelServer {
    /// Listens, and pins this thread.
    pub fn open(options: KernelOptions) -> Result<KernelServer, BaselineError> {
        let wrong =
            |what: &'static str| move |errno: Errno| BaselineError::Argument(format!("{what}: {errno}"));
        if matches!(options.pattern.workload, Workload::Syn | Workload::Establish) {
            return Err(BaselineError::Argument("it serves handshake, lifecycle or request".into()));
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
            counts: Counts::default(),
        })
    }

    pub fn run(mut self, stop: &AtomicBool) -> Result<KernelReport, BaselineError> {
        let timer = RunTimer::start(self.options.duration, stop);
        let mut events = vec![EpollEvent::empty(); BATCH];
        let mut busy_until = Instant::now();
        while timer.tick().is_some() {
            let mut work = self.accept();
            // What must be waited for gets its look, and the listener its sleep.
            if work == 0 || self.counts.waited > 0 {
                let nap = if work == 0 && Instant::now() >= busy_until { NAP_MS } else { 0 };
                work += self.wait(&mut events, nap);
            }
            if work > 0 {
                busy_until = Instant::now() + SPIN;
            }
        }
        let seconds = timer.elapsed().as_secs_f64();
        // What the client has finished counts, though it still waits to be accepted.
        while self.accept() + self.wait(&mut events, 0) > 0 {
            if timer.elapsed().as_secs_f64() > seconds + LAST {
                break;
            }
        }
        let Counts { accepted, closed, failed, waited } = self.counts;
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

    /// Takes what waits, a batch at most, and says how many those were.
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

    /// Most peers have done their part by now: then this is all.
    fn begin(&mut self, connection: TcpStream) {
        self.counts.accepted += 1;
        let mut answered = false;
        match self.look(&connection, &mut answered) {
            Look::Wait if self.watch(&connection).is_ok() => {
                self.counts.waited += 1;
                let slot = connection.as_raw_fd() as usize;
                if self.waiting.len() <= slot {
                    self.waiting.resize_with(slot + 1, || None);
                }
                self.waiting[slot] = Some((connection, answered));
            }
            look => self.counts.end(&look),
        }
    }

    /// Looks at those that had to be waited for, and says how many there were.
    fn wait(&mut self, events: &mut [EpollEvent], nap_ms: u8) -> usize {
        let ready = self.epoll.wait(events, EpollTimeout::from(nap_ms)).unwrap_or(0);
        for event in &events[..ready] {
            let slot = event.data() as usize;
            // The listener is none of them.
            let Some((connection, mut answered)) = self.waiting.get_mut(slot).and_then(Option::take) else {
                continue;
            };
            match self.look(&connection, &mut answered) {
                Look::Wait => self.waiting[slot] = Some((connection, answered)),
                look => self.counts.end(&look),
            }
        }
        ready
    }

    /// Does what can be done with a connection now.
    fn look(&self, connection: &TcpStream, answered: &mut bool) -> Look {
        match (self.options.pattern.workload, self.options.pattern.closer) {
            // Reset by the peer, or about to be; or ours to close first.
            (Workload::Handshake, _) | (Workload::Lifecycle, Closer::Server) => Look::Over,
            (Workload::Request, _) if !*answered => self.answer(connection, answered),
            _ => read_to_end(connection),
        }
    }

    /// Reads once, writes one segment back. With the FIN in it, if closing comes next: the kernel
    /// holds the segment back until then.
    fn answer(&self, connection: &TcpStream, answered: &mut bool) -> Look {
        let closes = self.options.pattern.closer == Closer::Server;
        match recv(connection.as_raw_fd(), &mut [0; 2048], MsgFlags::MSG_DONTWAIT) {
            Ok(1..) => *answered = true,
            Err(Errno::EAGAIN) => return Look::Wait,
            Ok(_) | Err(_) => return Look::Failed,
        }
        let more = if closes { MsgFlags::from_bits_retain(libc::MSG_MORE) } else { MsgFlags::empty() };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT | more;
        match send(connection.as_raw_fd(), &self.response, flags) {
            Ok(sent) if sent == self.response.len() && closes => Look::Over,
            Ok(sent) if sent == self.response.len() => read_to_end(connection),
            _ => Look::Failed,
        }
    }

    fn watch(&self, connection: &TcpStream) -> Result<(), Errno> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, connection.as_raw_fd() as u64);
        self.epoll.add(connection, event)
    }
}

impl Counts {
    /// The connection closes right after this: its descriptor's last owner goes.
    fn end(&mut self, look: &Look) {
        self.closed += u64::from(matches!(look, Look::Over));
        self.failed += u64::from(!matches!(look, Look::Over));
    }
}

fn read_to_end(connection: &TcpStream) -> Look {
    loop {
        match recv(connection.as_raw_fd(), &mut [0; 2048], MsgFlags::MSG_DONTWAIT) {
            Ok(0) => return Look::Over,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Look::Wait,
            Err(_) => return Look::Failed,
        }
    }
}

/// A backlog as long as net.core.somaxconn allows. Says which call failed.
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

/// As many as this process may have: a whole backlog of connections can wait.
fn allow_descriptors() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Refused: connections fail with EMFILE then, and are counted.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
