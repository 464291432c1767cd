//! The HTTP server for metrics. One thread serves all clients; their number, the time and the size of a
//! request are limited, so that no client can occupy it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::client::HttpClient;
use super::response::MetricsText;

/// The maximum number of clients; with more, the oldest connection is closed.
const MAX_CLIENTS: usize = 16;
/// Delay before the next accept when the process has no descriptor left.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// Listening on an address failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}: {source}")]
pub struct BindError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// A listening socket that does not serve yet.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    address: SocketAddr,
}

/// A running server; stops when it is dropped.
#[derive(Debug)]
pub struct MetricsServing {
    thread: Option<JoinHandle<()>>,
    stop: Arc<EventFd>,
}

impl BindError {
    /// How to fix it.
    pub fn fix(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                format!("use another port, or stop the program that uses it: ss -ltnp 'sport = :{port}'")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!(
                    "{ip} is not on an interface of this network namespace: use an address of `ip -brief address`"
                )
            }
            io::ErrorKind::PermissionDenied => {
                "use a port from 1024 on, or run as root or with CAP_NET_BIND_SERVICE".to_owned()
            }
            _ => "use an address of this host, as in 127.0.0.1:9464 or [::1]:9464".to_owned(),
        }
    }
}

impl BoundServer {
    /// Listens. Connections wait until [`BoundServer::serve`] is called.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(address: SocketAddr) -> Result<BoundServer, BindError> {
        let bind = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(BoundServer { listener, address })
        };
        bind().map_err(|source| BindError { address, source })
    }

    /// The address, with the port chosen for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on a separate thread, which has the capabilities of the calling one.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn serve(self, metrics: MetricsText) -> io::Result<MetricsServing> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let stop = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let server =
            MetricsServer { listener: self.listener, stop: stop.clone(), metrics, clients: Vec::new() };
        let thread = std::thread::Builder::new().name("hf-metrics".to_owned()).spawn(|| server.run())?;
        Ok(MetricsServing { thread: Some(thread), stop })
    }
}

impl Drop for MetricsServing {
    fn drop(&mut self) {
        // Fails only when the count is at its limit: then it is readable anyway.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and a panic could not be handled here.
            let _ = thread.join();
        }
    }
}

struct MetricsServer {
    listener: TcpListener,
    stop: Arc<EventFd>,
    metrics: MetricsText,
    /// The oldest first.
    clients: Vec<HttpClient>,
}

impl MetricsServer {
    fn run(mut self) {
        while self.wait() {
            self.accept();
            let now = Instant::now();
            self.clients.retain_mut(|client| client.advance(&self.metrics, now));
        }
    }

    /// Waits for the next event. Returns false when the server is to stop.
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
        // After EINTR all clients are checked.
        let _ = poll(&mut fds, timeout);
        !fds.first().and_then(PollFd::any).unwrap_or(false)
    }

    fn accept(&mut self) {
        // Limited, so that a flood of connections leaves time for the clients.
        for _ in 0..MAX_CLIENTS {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.clients.len() >= MAX_CLIENTS {
                        self.clients.remove(0);
                    }
                    self.clients.extend(HttpClient::new(stream, Instant::now()));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    // For example, no descriptor is left: poll would return at once again.
                    _ => return std::thread::sleep(RETRY_DELAY),
                },
            }
        }
    }
}
