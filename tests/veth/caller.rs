//! Connections that we open over AF_XDP, to this machine's kernel: its listener, its closed port,
//! its router.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use handfast::{Stack, StackConfig};
use handfast_lab::{Lab, SERVED_V4, SERVED_V6, SERVER_DEVICE};
use handfast_stack::engine::stack::Gateway;
use handfast_stack::engine::{FourTuple, OpenContext, Opener};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::{ClosedConnection, Connection, ConnectionHandler, DataResult, Time};
use support::{OWNED_V4, OWNED_V6, lab, wait_until};

const CONNECTIONS: u16 = 200;

/// The callbacks, counted.
#[derive(Default)]
struct Tally {
    opened: usize,
    bytes: usize,
    closed: Vec<Closed>,
}

/// Opens [`CONNECTIONS`] connections to `to` as fast as it may, sends five bytes on each, and closes it
/// when the answer is there.
struct Greeter {
    to: SocketAddr,
    next: u16,
    tally: Arc<Mutex<Tally>>,
}

impl ConnectionHandler for Greeter {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        self.tally.lock().unwrap().opened += 1;
        assert!(connection.send(b"hello"));
    }

    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        connection.close();
        self.tally.lock().unwrap().bytes += data.len();
        DataResult::Taken
    }

    fn on_closed(&mut self, _: &ClosedConnection<'_>, how: Closed) {
        self.tally.lock().unwrap().closed.push(how);
    }
}

impl Opener for Greeter {
    fn poll_open(&mut self, line: &mut dyn OpenContext) {
        while self.next < CONNECTIONS {
            let source: IpAddr = if self.to.is_ipv4() { OWNED_V4 } else { OWNED_V6 };
            let local = SocketAddr::new(source, 20_000 + self.next);
            if line.open(FourTuple { local, remote: self.to }).is_err() {
                return;
            }
            self.next += 1;
        }
    }

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        if self.next < CONNECTIONS { 0 } else { most }
    }
}

/// Calls `to` from the lab's server side, until the tally is as it should be.
fn call(lab: &Lab, to: SocketAddr, done: impl Fn(&Tally) -> bool + Sync) -> Tally {
    let tally = Arc::<Mutex<Tally>>::default();
    let shared = tally.clone();
    let (prefix, brackets) = if to.is_ipv4() { (SERVED_V4, ("", "")) } else { (SERVED_V6, ("[", "]")) };
    let (address, len) = prefix.split_once('/').unwrap();
    let source = format!("{}{address}{}/{len}:20000-29999", brackets.0, brackets.1);
    // The target itself, or its router.
    let client = handfast_lab::client_addresses(to.is_ipv6()).next().unwrap();
    let options = StackConfig {
        devices: vec![SERVER_DEVICE.to_owned()],
        owned: vec![source.parse().unwrap()],
        gateway: Some(Gateway::Toward(client)),
        opener: Some(Box::new(move |_, _| Box::new(Greeter { to, next: 0, tally: shared.clone() }))),
        cores: vec![0],
        max_connections: 1 << 12,
        ..StackConfig::default()
    };
    lab.in_server(|| {
        let running = Stack::open(options).unwrap().run().unwrap();
        // All are opened before the callbacks of the first ones end it.
        wait_until("every connection opened, and every end told", || {
            running.snapshot().total().opens == u64::from(CONNECTIONS) && done(&tally.lock().unwrap())
        });
        let finished = running.stop();
        assert!(finished.fault.is_none(), "{:?}", finished.fault);
        let total = finished.snapshot.total();
        assert_eq!((total.opens, total.frames_lost), (u64::from(CONNECTIONS), 0), "{:?}", total.drops);
    })
    .unwrap();
    Arc::into_inner(tally).map(|tally| tally.into_inner().unwrap()).expect("the stack is gone")
}

/// A kernel's echo for `CONNECTIONS` connections.
fn listener(lab: &Lab, ipv6: bool) -> (SocketAddr, thread::JoinHandle<usize>) {
    let address: IpAddr = handfast_lab::client_addresses(ipv6).next().unwrap();
    let listener = lab.in_client(|| TcpListener::bind((address, 0)).unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let serve = |stream: std::io::Result<std::net::TcpStream>| {
            let mut stream = stream.unwrap();
            let mut said = [0; 5];
            stream.read_exact(&mut said).unwrap();
            stream.write_all(&said).unwrap();
            // Until the caller closes.
            assert_eq!(stream.read(&mut said).unwrap(), 0);
            said.len()
        };
        listener.incoming().take(usize::from(CONNECTIONS)).map(serve).sum()
    });
    (at, echo)
}

#[test]
fn a_kernel_s_listener_is_greeted_two_hundred_times() {
    for ipv6 in [false, true] {
        let Some(lab) = lab(|spec| handfast_lab::Spec { ipv6, ..spec }) else { return };
        let (at, echo) = listener(&lab, ipv6);
        let tally = call(&lab, at, |tally| tally.closed.len() == usize::from(CONNECTIONS));
        assert_eq!(echo.join().unwrap(), 5 * usize::from(CONNECTIONS));
        assert_eq!((tally.opened, tally.bytes), (usize::from(CONNECTIONS), 5 * usize::from(CONNECTIONS)));
        assert!(tally.closed.iter().all(|how| *how == Closed::Active), "{:?}", tally.closed);
    }
}

#[test]
fn a_kernel_s_closed_port_refuses() {
    for ipv6 in [false, true] {
        let Some(lab) = lab(|spec| handfast_lab::Spec { ipv6, ..spec }) else { return };
        let address = handfast_lab::client_addresses(ipv6).next().unwrap();
        let closed = |tally: &Tally| tally.closed.len() == usize::from(CONNECTIONS);
        let tally = call(&lab, SocketAddr::new(address, 9), closed);
        assert!(tally.closed.iter().all(|how| *how == Closed::ConnectRefused), "{:?}", tally.closed);
        assert_eq!(tally.opened, 0);
    }
}

/// The client's kernel as a router without a route: its ICMP errors end each attempt at once.
#[test]
fn a_router_s_errors_end_the_attempts() {
    let Some(lab) = lab(|spec| spec) else { return };
    lab.in_client(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap()).unwrap();
    lab.client().run(&["ip", "route", "add", "unreachable", "198.18.77.0/24"]).unwrap();
    let nowhere = SocketAddr::from(([198, 18, 77, 1], 80));
    let tally = call(&lab, nowhere, |tally| !tally.closed.is_empty());
    assert_eq!((tally.opened, tally.closed[0]), (0, Closed::Unreachable));
}
