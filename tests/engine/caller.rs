//! A caller that does what a test says, and records its callbacks.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::engine::{FourTuple, OpenContext, OpenError, Opener};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::{ClosedConnection, Connection, ConnectionHandler, DataResult, IcmpError, Time};
use handfast_stack::wire::ParseConfig;

use crate::client::{Family, Lab, SERVER_MAC, SERVER4, SERVER6};

/// What a user does with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    Send(usize),
    Shutdown,
    Close,
    Abort,
    Probe,
}

/// An action of the caller at its next turn.
#[derive(Clone, Debug)]
pub enum Order {
    Open(FourTuple),
    Syn(FourTuple),
    Act(u32, Act),
}

/// A call of the user, and the connection that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callback {
    Opened(u32),
    Data(u32, usize),
    Acknowledged(u32, usize),
    PeerClosed(u32),
    Heard(u32),
    Unreachable(u32, IcmpError),
    Closed(u32, Closed),
}

#[derive(Default)]
pub struct Board {
    pub orders: VecDeque<Order>,
    pub callbacks: Vec<Callback>,
    /// Results of [`OpenContext::open`].
    pub opens: Vec<Result<u32, OpenError>>,
    /// Results of [`OpenContext::send_stateless_syn`].
    pub syns: Vec<Result<(), OpenError>>,
    /// Whether it floods.
    pub floods: bool,
    /// Results of [`OpenContext::with_connection`].
    pub found: Vec<bool>,
    /// Done in `opened`.
    pub when_opened: Vec<Act>,
    /// Done with every ICMP error.
    pub when_unreachable: Vec<Act>,
    /// Done with every acceptable segment.
    pub when_heard: Vec<Act>,
}

/// The test's end of a caller. One board for all cores.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Board>>);

impl Script {
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap()
    }

    pub fn order(&self, order: Order) {
        self.board().orders.push_back(order);
    }

    /// Since the last time, without [`Callback::Heard`].
    pub fn callbacks(&self) -> Vec<Callback> {
        let callbacks = std::mem::take(&mut self.board().callbacks);
        callbacks.into_iter().filter(|callback| !matches!(callback, Callback::Heard(_))).collect()
    }

    pub fn factory(&self) -> handfast_stack::engine::OpenerFactory {
        let script = self.clone();
        Box::new(move |_, _| Box::new(script.clone()))
    }
}

fn act(connection: &mut Connection<'_>, act: &Act) {
    match act {
        // Refused where the direction is closed or there is no buffer.
        Act::Send(bytes) => drop(connection.send(&vec![b'x'; *bytes])),
        Act::Shutdown => connection.shutdown(),
        Act::Close => connection.close(),
        Act::Abort => connection.abort(),
        Act::Probe => connection.probe(),
    }
}

impl ConnectionHandler for Script {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        let mut board = self.board();
        board.callbacks.push(Callback::Opened(connection.id()));
        board.when_opened.iter().for_each(|what| act(connection, what));
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        self.board().callbacks.push(Callback::Data(connection.id(), data.len()));
        DataResult::Taken
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        self.board().callbacks.push(Callback::Acknowledged(connection.id(), bytes));
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        self.board().callbacks.push(Callback::PeerClosed(connection.id()));
        connection.close();
    }

    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        let mut board = self.board();
        board.callbacks.push(Callback::Heard(connection.id()));
        board.when_heard.iter().for_each(|what| act(connection, what));
    }

    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, error: IcmpError) {
        let mut board = self.board();
        board.callbacks.push(Callback::Unreachable(connection.id(), error));
        board.when_unreachable.iter().for_each(|what| act(connection, what));
    }

    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        self.board().callbacks.push(Callback::Closed(ended.id, how));
    }
}

impl Opener for Script {
    fn poll_open(&mut self, line: &mut dyn OpenContext) {
        let orders = std::mem::take(&mut self.board().orders);
        for order in orders {
            match order {
                Order::Open(ends) => {
                    let opened = line.open(ends);
                    self.board().opens.push(opened);
                }
                Order::Syn(ends) => {
                    let sent = line.send_stateless_syn(ends);
                    self.board().syns.push(sent);
                }
                Order::Act(number, what) => {
                    let found = line.with_connection(number, &mut |connection| act(connection, &what));
                    self.board().found.push(found);
                }
            }
        }
    }

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        if self.board().orders.is_empty() { most } else { 0 }
    }

    fn is_flood(&self) -> bool {
        self.board().floods
    }
}

/// From the stack under test, port 80, to the test's port.
pub fn ends(family: Family, port: u16) -> FourTuple {
    match family {
        Family::V4 => FourTuple {
            local: SocketAddr::from((SERVER4, 80)),
            remote: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 9), port)),
        },
        Family::V6 => FourTuple {
            local: SocketAddr::from((SERVER6, 80)),
            remote: SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9), port)),
        },
    }
}

/// A lab whose stack calls and does not listen.
pub fn calling(change: impl FnOnce(&mut Setup)) -> (Lab, Script) {
    let script = Script::default();
    let policy = ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() };
    let mut setup = Setup { policy, capacity: 64, opener: Some(script.factory()), ..Setup::default() };
    setup.sources = vec!["192.0.2.1:80".parse().unwrap(), "[2001:db8::1]:80".parse().unwrap()];
    setup.bounds.send_buffers = 64;
    change(&mut setup);
    let start = setup.start;
    (Lab::around(Simulation::new(setup, &[]), start), script)
}
