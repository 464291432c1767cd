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

use super::talk::{MOST_REQUEST, Over, Talk};
use super::{Connection, End, Filter, Reply, Request, Socket, Subject, listing};
use handfast_stack::engine::stack::Running;

/// Clients at a time.
const CLIENTS: usize = 8;

/// A control socket that is answered for as long as this lives; then its threads end and its file
/// is removed.
pub struct Serving {
    stop: Arc<EventFd>,
    /// Its file is removed with it.
    _socket: Arc<Socket>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It fails only when the count is at its limit: then it is readable anyway.
        let _ = self.stop.write(1);
    }
}

/// What every thread of a server has.
#[derive(Clone, Copy)]
struct Desk<'a> {
    subject: &'a Subject,
    /// Who started the program.
    owner: Uid,
    running: &'a Running,
    clients: &'a AtomicUsize,
}

impl Socket {
    /// Answers on threads of the scope: one that lets clients in, and one for each of them. `clients`
    /// counts them.
    ///
    /// # Errors
    /// No descriptor or no thread is left.
    pub fn serve<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        subject: &'scope Subject,
        running: &'scope Running,
    ) -> std::io::Result<Serving> {
        let stop = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let socket = Arc::new(self);
        let serving = Serving { stop: stop.clone(), _socket: socket.clone() };
        let desk = Desk { subject, owner: socket.owner(), running, clients: &subject.counts.present };
        Builder::new()
            .name("hf-control".to_owned())
            .spawn_scoped(scope, move || let_in(&socket, &stop, scope, desk))?;
        Ok(serving)
    }
}

fn let_in<'scope>(
    socket: &Socket,
    stop: &Arc<EventFd>,
    scope: &'scope Scope<'scope, '_>,
    desk: Desk<'scope>,
) {
    while waits(socket.as_fd(), stop.as_fd()) {
        // Gone again, or no descriptor is left: the next one may fare better.
        let Some(stream) = socket.accept() else { continue };
        let Some(stream) = admitted(stream, stop, desk) else { continue };
        desk.clients.fetch_add(1, SeqCst);
        desk.subject.counts.clients.fetch_add(1, Relaxed);
        let stop = stop.clone();
        let talk = move || {
            if let Ok(talk) = Talk::new(stream, stop.as_fd()) {
                answer(talk, desk);
            }
            desk.clients.fetch_sub(1, SeqCst);
        };
        let thread = Builder::new().name("hf-control-talk".to_owned()).spawn_scoped(scope, talk);
        if thread.is_err() {
            desk.clients.fetch_sub(1, SeqCst);
        }
    }
}

/// True: there is a client. False: the end.
fn waits(socket: BorrowedFd<'_>, stop: BorrowedFd<'_>) -> bool {
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::POLLIN), PollFd::new(stop, PollFlags::POLLIN)];
        // Without an end; EINTR changes nothing.
        let _ = poll(&mut fds, PollTimeout::NONE);
        match fds.map(|fd| fd.any() == Some(true)) {
            [_, true] => return false,
            [true, _] => return true,
            _ => {}
        }
    }
}

/// Root and the user who started the program, and not too many at a time. The others are told.
fn admitted(stream: UnixStream, stop: &EventFd, desk: Desk<'_>) -> Option<UnixStream> {
    let counts = &desk.subject.counts;
    let uid = getsockopt(&stream, PeerCredentials).ok().map(|who| who.uid());
    let why = if uid.is_none_or(|uid| uid != 0 && uid != desk.owner.as_raw()) {
        counts.strangers.fetch_add(1, Relaxed);
        format!("only root and {} are answered here", desk.subject.user())
    } else if desk.clients.load(SeqCst) >= CLIENTS {
        counts.too_many.fetch_add(1, Relaxed);
        format!("{CLIENTS} clients are being answered already: try again when one of them has gone")
    } else {
        return Some(stream);
    };
    // One line fits what the kernel keeps for a reader: nobody is waited for.
    if let Ok(mut talk) = Talk::new(stream, stop.as_fd()) {
        let _ = talk.say(&Reply::Error(why)).and_then(|()| talk.flush());
    }
    None
}

/// Answers one request after another.
fn answer(mut talk: Talk<'_>, desk: Desk<'_>) {
    let bad = &desk.subject.counts.bad_requests;
    loop {
        let done = match talk.request() {
            Ok(line) => match serde_json::from_slice(&line) {
                Ok(request) => fulfil(&request, &mut talk, desk),
                Err(error) => {
                    bad.fetch_add(1, Relaxed);
                    talk.say(&Reply::Error(format!("not a request: {error}; write {{\"ask\":\"status\"}}")))
                }
            },
            Err(Over::TooLong) => {
                bad.fetch_add(1, Relaxed);
                let why = format!("a request has at most {MOST_REQUEST} octets");
                let _ = talk.say(&Reply::Error(why)).and_then(|()| talk.flush());
                Err(Over::TooLong)
            }
            Err(over) => Err(over),
        };
        if done.and_then(|()| talk.flush()).is_err() {
            return;
        }
    }
}

fn fulfil(request: &Request, talk: &mut Talk<'_>, desk: Desk<'_>) -> Result<(), Over> {
    let Desk { subject, running, .. } = desk;
    match request {
        Request::Status { states } => {
            let mut status = subject.status(running);
            if *states {
                match listing::count(running, &Filter::default()) {
                    Ok(states) => status.states = Some(states),
                    Err(silent) => return talk.say(&Reply::Error(silent.to_string())),
                }
            }
            talk.say(&Reply::Status(Box::new(status)))
        }
        Request::Count(filter) => match listing::count(running, filter) {
            Ok(states) => talk.say(&Reply::States(states)),
            Err(silent) => talk.say(&Reply::Error(silent.to_string())),
        },
        Request::Connections(filter) => list(filter, talk, desk),
    }
}

fn list(filter: &Filter, talk: &mut Talk<'_>, desk: Desk<'_>) -> Result<(), Over> {
    let listeners = desk.subject.listeners();
    let mut end = End::default();
    let mut told = Ok(());
    let listed = listing::list(desk.running, filter, &mut |seen| {
        if filter.limit == Some(end.listed) {
            end.limited = true;
            return ControlFlow::Break(());
        }
        told = talk.say(&Reply::Connection(Box::new(Connection::new(seen, &listeners))));
        end.listed += 1;
        if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    told?;
    match listed {
        Ok(()) => talk.say(&Reply::End(end)),
        Err(silent) => talk.say(&Reply::Error(silent.to_string())),
    }
}
