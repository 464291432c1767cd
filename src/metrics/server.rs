//! The address that metrics are served at. One thread for all clients, which nobody can keep busy:
//! so many clients, so much time and so long a request for each, and no more.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::answer::Pages;
use super::client::Client;

/// Of more, the one that has been there longest goes.
const MOST_CLIENTS: usize = 16;
/// Between two tries to accept where the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// An address that cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}: {source}")]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// Listening, and answering nobody yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Answering, until it is dropped.
#[derive(Debug)]
pub struct Serving {
    thread: Option<JoinHandle<()>>,
    stop: Arc<EventFd>,
}

impl BindError {
    /// What cures it.
    pub fn fix(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!("name another port, or end who has it: ss -ltnp 'sport = :{port}'")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{ip} is on no interface of this network namespace: name one of ip -brief address")
            }
            io::ErrorKind::PermissionDenied => {
                "name a port from 1024 on, or run it as root or with CAP_NET_BIND_SERVICE".to_owned()
            }
            _ => "name an address of this machine, as in 127.0.0.1:9464 or [::1]:9464".to_owned(),
        }
    }
}

impl Bound {
    /// Listens. What comes now is answered once [`Bound::serve`] is called.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(address: SocketAddr) -> Result<Bound, BindError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Bound { listener, address })
        };
        bind().map_err(|source| BindError { address, source })
    }

    /// With the port that port 0 came to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers, on a thread of its own, which has the capabilities of the calling one.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn serve(self, pages: Pages) -> io::Result<Serving> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let stop = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let server = Server { listener: self.listener, stop: stop.clone(), pages, clients: Vec::new() };
        let thread = std::thread::Builder::new().name("hf-metrics".to_owned()).spawn(|| server.run())?;
        Ok(Serving { thread: Some(thread), stop })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It fails only when the count is at its limit: then it is readable anyway.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}

struct Server {
    listener: TcpListener,
    stop: Arc<EventFd>,
    pages: Pages,
    /// In the order of their coming.
    clients: Vec<Client>,
}

impl Server {
    fn run(mut self) {
        while self.wait() {
            self.accept();
            let now = Instant::now();
            self.clients.retain_mut(|client| client.advance(&self.pages, now));
        }
    }

    /// Until there is something to do. False: that is to end.
    fn wait(&self) -> bool {
        let now = Instant::now();
        let first = self.clients.iter().map(|client| client.deadline.saturating_duration_since(now)).min();
        // Rounded up, so that the deadline has passed then.
        let timeout = first.map_or(PollTimeout::NONE, |first| {
            PollTimeout::try_from(first.as_millis() + 1).unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.clients.iter().map(|client| PollFd::new(client.as_fd(), client.interest())));
        // EINTR is a look at everybody.
        let _ = poll(&mut fds, timeout);
        !fds.first().and_then(PollFd::any).unwrap_or(false)
    }

    fn accept(&mut self) {
        // As many as fit, so that a flood of them leaves time for those that are there.
        for _ in 0..MOST_CLIENTS {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.clients.len() >= MOST_CLIENTS {
                        self.clients.remove(0);
                    }
                    self.clients.extend(Client::new(stream, Instant::now()));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    // No descriptor is left, say: poll would return at once, again and again.
                    _ => return std::thread::sleep(PAUSE),
                },
            }
        }
    }
}
