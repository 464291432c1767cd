//! Services that record their calls, and one with all reactions.

use std::sync::{Arc, Mutex};

use handfast_stack::engine::simulation::MakeHandler;
use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::{Service, limited};
use handfast_stack::tcp::{
    ClosedConnection, Connection, ConnectionHandler, DataResult, IcmpError, IdleLimits, Time,
};

/// The service of a listener.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Of(Service),
    /// All reactions, with this first window.
    Moody(u16),
    /// The same, and its connections may not be idle for long.
    Limited(Service, IdleLimits),
}

/// A call of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    what: &'static str,
    number: u64,
    connection: u32,
    port: u16,
    now: Time,
}

pub type Log = Arc<Mutex<Vec<Told>>>;

pub fn maker(kind: Kind, log: &Log) -> MakeHandler {
    let log = log.clone();
    Box::new(move || Box::new(Recorder { user: kind.handler(), log: log.clone() }))
}

impl Kind {
    fn handler(self) -> Box<dyn ConnectionHandler> {
        match self {
            Kind::Of(service) => service.user(),
            Kind::Moody(window) => Box::new(Moody(window)),
            Kind::Limited(service, limits) => limited(service.user(), limits),
        }
    }
}

struct Recorder {
    user: Box<dyn ConnectionHandler>,
    log: Log,
}

impl Recorder {
    fn note(&self, what: &'static str, number: u64, connection: &Connection<'_>) {
        let port = connection.remote().port();
        let told = Told { what, number, connection: connection.id(), port, now: connection.now() };
        self.log.lock().expect("one thread").push(told);
    }
}

impl ConnectionHandler for Recorder {
    fn window(&self) -> u16 {
        self.user.window()
    }

    fn idle_limits(&self) -> Option<IdleLimits> {
        self.user.idle_limits()
    }

    fn on_established(&mut self, connection: &mut Connection<'_>) {
        self.note("established", 0, connection);
        self.user.on_established(connection);
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        let hash =
            data.iter().fold(data.len() as u64, |hash, byte| hash * 31 % 0xffff_fffb + u64::from(*byte));
        self.note("data", hash, connection);
        self.user.on_data(connection, data)
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        self.note("acked", bytes as u64, connection);
        self.user.on_acked(connection, bytes);
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        self.note("fin", 0, connection);
        self.user.on_fin(connection);
    }

    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        self.note("alive", 0, connection);
        self.user.on_alive(connection);
    }

    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, error: IcmpError) {
        self.note("icmp", 0, connection);
        self.user.on_icmp_error(connection, error);
    }

    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        let &ClosedConnection { id: connection, now, endpoints } = ended;
        let told =
            Told { what: "closed", number: how as u64, connection, port: endpoints.remote().port(), now };
        self.log.lock().expect("one thread").push(told);
        self.user.on_closed(ended, how);
    }
}

/// Decides by the first byte of data, and by the peer's port and the time.
struct Moody(u16);

/// Number of reactions; a call leads to one of them.
const MOODS: u64 = 16;

fn mood(connection: &Connection<'_>) -> u64 {
    (u64::from(connection.remote().port()) * 7 + connection.now().micros / 1000) % MOODS
}

/// One reaction; most often none.
fn act(connection: &mut Connection<'_>, mood: u64) {
    match mood {
        0 => drop(connection.send(b"hello")),
        1 => connection.abort(),
        2 => connection.shutdown(),
        3 => connection.close(),
        4 => {
            connection.send(&[b'x'; 900]);
            connection.close();
        }
        5 => connection.probe(),
        6 => connection.consume(700),
        _ => {}
    }
}

impl ConnectionHandler for Moody {
    fn window(&self) -> u16 {
        self.0
    }

    fn on_established(&mut self, connection: &mut Connection<'_>) {
        let mood = mood(connection);
        act(connection, mood);
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        let mood = u64::from(data[0]) % MOODS;
        act(connection, mood);
        match mood {
            7 => return DataResult::Refused(DropReason::NoSendBuffer),
            8 => {}
            9 => connection.consume(data.len() / 2),
            _ => connection.consume(data.len()),
        }
        DataResult::Taken
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, _: usize) {
        let mood = mood(connection);
        act(connection, mood);
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        match mood(connection) {
            mood @ 0..8 => act(connection, mood),
            8..11 => {}
            _ => connection.close(),
        }
    }
}
