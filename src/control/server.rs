use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::thread::{Builder, Scope};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;

use super::session::{MAX_REQUEST, Session, SessionEnd};
use super::{Connection, End, Filter, Reply, Request, Socket, StatusSource, listing};
use handfast_stack::engine::stack::Running;

/// Maximum number of clients at a time.
const MAX_CLIENTS: usize = 8;

/// A control socket that is served as long as this value lives; then its threads end and its file
/// is removed.
pub struct Serving {
    stop: Arc<EventFd>,
    /// Its file is removed with it.
    _socket: Arc<Socket>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It fails only if the count is at its limit; then it is readable anyway.
        let _ = self.stop.write(1);
    }
}

/// What all threads of a server share.
#[derive(Clone, Copy)]
struct ServerContext<'a> {
    source: &'a StatusSource,
    /// The user who started the program.
    owner: Uid,
    running: &'a Running,
    clients: &'a AtomicUsize,
}

impl Socket {
    /// Serves on threads of the scope: one that accepts clients, and one for each of them.
    ///
    /// # Errors
    /// No descriptor or no thread is left.
    pub fn serve<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        source: &'scope StatusSource,
        running: &'scope Running,
    ) -> std::io::Result<Serving> {
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let socket = Arc::new(self);
        let serving = Serving { stop: stop.clone(), _socket: socket.clone() };
        let ctx = ServerContext { source, owner: socket.owner(), running, clients: &source.counts.present };
        Builder::new()
            .name("hf-control".to_owned())
            .spawn_scoped(scope, move || accept_loop(&socket, &stop, scope, ctx))?;
        Ok(serving)
    }
}

fn accept_loop<'scope>(
    socket: &Socket,
    stop: &Arc<EventFd>,
    scope: &'scope Scope<'scope, '_>,
    ctx: ServerContext<'scope>,
) {
    while wait_for_client(socket.as_fd(), stop.as_fd()) {
        // The client is gone, or no descriptor is left: try the next one.
        let Some(stream) = socket.accept() else { continue };
        let Some(stream) = authorize(stream, stop, ctx) else { continue };
        ctx.clients.fetch_add(1, SeqCst);
        ctx.source.counts.clients.fetch_add(1, Relaxed);
        let stop = stop.clone();
        let session = move || {
            if let Ok(session) = Session::new(stream, stop.as_fd()) {
                answer(session, ctx);
            }
            ctx.clients.fetch_sub(1, SeqCst);
        };
        let thread = Builder::new().name("hf-control-conn".to_owned()).spawn_scoped(scope, session);
        if thread.is_err() {
            ctx.clients.fetch_sub(1, SeqCst);
        }
    }
}

/// Returns false at the end of the server.
fn wait_for_client(socket: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> bool {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::POLLIN), PollFd::new(stop, PollFlags::POLLIN)];
        // No timeout; EINTR changes nothing.
        let _ = poll(&mut fds, PollTimeout::NONE);
        match fds.map(|fd| fd.any() == Some(true)) {
            [_, true] => return false,
            [true, _] => return true,
            _ => {}
        }
    }
}

/// Accepts root and the user who started the program, up to [`MAX_CLIENTS`]. Others get an error.
fn authorize(stream: UnixStream, stop: &EventFd, ctx: ServerContext<'_>) -> Option<UnixStream> {
    let counts = &ctx.source.counts;
    let uid = getsockopt(&stream, PeerCredentials).ok().map(|who| who.uid());
    let why = if uid.is_none_or(|uid| uid != 0 && uid != ctx.owner.as_raw()) {
        counts.unauthorized.fetch_add(1, Relaxed);
        format!("only root and {} may use this socket", ctx.source.user())
    } else if ctx.clients.load(SeqCst) >= MAX_CLIENTS {
        counts.too_many.fetch_add(1, Relaxed);
        format!("{MAX_CLIENTS} clients are connected already: try again when one of them has disconnected")
    } else {
        return Some(stream);
    };
    // One line fits the socket buffer, so this does not wait.
    if let Ok(mut session) = Session::new(stream, stop.as_fd()) {
        let _ = session.send(&Reply::Error(why)).and_then(|()| session.flush());
    }
    None
}

/// Answers one request after another.
fn answer(mut session: Session<'_>, ctx: ServerContext<'_>) {
    let bad = &ctx.source.counts.bad_requests;
    loop {
        let done = match session.request() {
            Ok(line) => match serde_json::from_slice(&line) {
                Ok(request) => handle(&request, &mut session, ctx),
                Err(error) => {
                    bad.fetch_add(1, Relaxed);
                    session.send(&Reply::Error(format!(
                        "invalid request: {error}; write {{\"ask\":\"status\"}}"
                    )))
                }
            },
            Err(SessionEnd::TooLong) => {
                bad.fetch_add(1, Relaxed);
                let why = format!("a request has at most {MAX_REQUEST} bytes");
                let _ = session.send(&Reply::Error(why)).and_then(|()| session.flush());
                Err(SessionEnd::TooLong)
            }
            Err(over) => Err(over),
        };
        if done.and_then(|()| session.flush()).is_err() {
            return;
        }
    }
}

fn handle(request: &Request, session: &mut Session<'_>, ctx: ServerContext<'_>) -> Result<(), SessionEnd> {
    let ServerContext { source, running, .. } = ctx;
    match request {
        Request::Status { states } => {
            let mut status = source.status(running);
            if *states {
                match listing::count(running, &Filter::default()) {
                    Ok(states) => status.states = Some(states),
                    Err(timeout) => return session.send(&Reply::Error(timeout.to_string())),
                }
            }
            session.send(&Reply::Status(Box::new(status)))
        }
        Request::Count(filter) => match listing::count(running, filter) {
            Ok(states) => session.send(&Reply::States(states)),
            Err(timeout) => session.send(&Reply::Error(timeout.to_string())),
        },
        Request::Connections(filter) => list(filter, session, ctx),
    }
}

fn list(filter: &Filter, session: &mut Session<'_>, ctx: ServerContext<'_>) -> Result<(), SessionEnd> {
    let listeners = ctx.source.listeners();
    let mut end = End::default();
    let mut sent = Ok(());
    let listed = listing::list(ctx.running, filter, &mut |entry| {
        if filter.limit == Some(end.listed) {
            end.limited = true;
            return ControlFlow::Break(());
        }
        sent = session.send(&Reply::Connection(Box::new(Connection::new(entry, &listeners))));
        end.listed += 1;
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    sent?;
    match listed {
        Ok(()) => session.send(&Reply::End(end)),
        Err(timeout) => session.send(&Reply::Error(timeout.to_string())),
    }
}
