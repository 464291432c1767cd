//! An end that is our engine: a listener's services, or a caller that does what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::TraceError;
use handfast_stack::engine::stack::{Gateway, Options, Running, Stack};
use handfast_stack::engine::{FourTuple, OnStop, OpenContext, Opener, StopNotice};
use handfast_stack::tcp::{Config, Connection, ConnectionHandler, CookieMode, DataResult, Time};
use handfast_stack::wire::{EndpointRange, Mac};

/// So often a caller looks whether it was told something, milliseconds.
const LOOK_MS: u32 = 2;
/// Connections that an end has room for.
const ROOM: u32 = 64;

/// Twice this is TIME-WAIT: longer than the time-out, 1 s, of a FIN that is to be answered from it.
const MSL_MS: u32 = 1_000;

/// Our engine at work on one interface. Stops when dropped.
pub(super) struct Ours {
    running: Option<Running>,
}

impl Ours {
    /// Listens at `at`. To be called inside the namespace of `device`.
    pub fn listen(
        device: &str,
        at: SocketAddr,
        cookies: bool,
        service: impl Fn() -> Box<dyn ConnectionHandler> + Send + 'static,
    ) -> Result<Ours, TraceError> {
        let cookies = if cookies { CookieMode::Always } else { CookieMode::Never };
        let options = Options { listen: vec![(owned(at)?, Box::new(service))], ..options(device, cookies) };
        Ours::start(options)
    }

    fn start(options: Options) -> Result<Ours, TraceError> {
        let running = Stack::open(options).and_then(Stack::run).map_err(Box::new)?;
        Ok(Ours { running: Some(running) })
    }

    /// Waits until no connection is left, not even in TIME-WAIT.
    pub fn await_forgotten(&self, patience: Duration) -> Result<(), TraceError> {
        let deadline = Instant::now() + patience;
        let left = || {
            self.running.as_ref().map_or(0, |running| {
                let total = running.snapshot().total();
                total.connections + total.time_wait
            })
        };
        while left() > 0 {
            if Instant::now() > deadline {
                return Err(TraceError::Late { what: "the end of TIME-WAIT" });
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn options(device: &str, cookies: CookieMode) -> Options {
    Options {
        devices: vec![device.into()],
        config: Config { cookies, msl_ms: MSL_MS, ..Config::default() },
        max_connections: ROOM,
        ring: 256,
        // A scenario shows what it is about, and not the end of the stack.
        on_stop: OnStop { notice: StopNotice::Nothing, ..OnStop::default() },
        ..Options::default()
    }
}

/// Exactly this address and port.
fn owned(at: SocketAddr) -> Result<EndpointRange, TraceError> {
    let text = at.to_string();
    text.parse().map_err(|_| TraceError::Address { text })
}

/// What a [`Puppet`] can be told.
#[derive(Clone, Debug)]
enum Order {
    Open(FourTuple),
    Send(&'static [u8]),
    Shutdown,
    Abort,
}

/// A connection that our engine opens, and what becomes of it as its user sees it.
pub(super) struct Puppet {
    pub engine: Ours,
    orders: Sender<Order>,
    opened: Arc<AtomicBool>,
}

impl Puppet {
    /// A caller at `local`, whose next hop is `gateway`. To be called inside the namespace of `device`.
    pub fn ready(device: &str, local: SocketAddr, gateway: Mac) -> Result<Puppet, TraceError> {
        let (orders, receiver) = mpsc::channel();
        let opened = Arc::<AtomicBool>::default();
        let strings = Mutex::new(Some(Strings { orders: receiver, number: None, opened: opened.clone() }));
        let options = Options {
            owned: vec![owned(local)?],
            gateway: Some(Gateway::Mac(gateway)),
            cores: vec![0],
            caller: Some(Box::new(move |_, _| match strings.lock().ok().and_then(|mut one| one.take()) {
                Some(strings) => Box::new(strings),
                None => Box::new(Idle),
            })),
            ..options(device, CookieMode::Never)
        };
        Ok(Puppet { engine: Ours::start(options)?, orders, opened })
    }

    pub fn open(&self, local: SocketAddr, remote: SocketAddr) {
        self.order(Order::Open(FourTuple { local, remote }));
    }

    pub fn is_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    pub fn send(&self, data: &'static [u8]) {
        self.order(Order::Send(data));
    }

    /// FIN.
    pub fn shutdown(&self) {
        self.order(Order::Shutdown);
    }

    /// RST.
    pub fn abort(&self) {
        self.order(Order::Abort);
    }

    fn order(&self, order: Order) {
        // An engine that has gone is missed by whoever waits for the segment.
        let _ = self.orders.send(order);
    }
}

/// The caller's side of a [`Puppet`]. It never does a thing of its own accord, not even close.
struct Strings {
    orders: Receiver<Order>,
    number: Option<u32>,
    opened: Arc<AtomicBool>,
}

impl ConnectionHandler for Strings {
    fn on_established(&mut self, _: &mut Connection<'_>) {
        self.opened.store(true, Ordering::Relaxed);
    }

    fn on_fin(&mut self, _: &mut Connection<'_>) {}
}

impl Opener for Strings {
    fn poll_open(&mut self, line: &mut dyn OpenContext) {
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Open(ends) = order {
                self.number = line.open(ends).ok();
                continue;
            }
            let Some(number) = self.number else { continue };
            line.with_connection(number, &mut |handle| match order {
                Order::Send(data) => drop(handle.send(data)),
                Order::Shutdown => handle.shutdown(),
                Order::Abort => handle.abort(),
                Order::Open(_) => {}
            });
        }
    }

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        most.min(LOOK_MS)
    }
}

/// For cores beyond the first, of which there are none.
struct Idle;

impl ConnectionHandler for Idle {}

impl Opener for Idle {
    fn poll_open(&mut self, _: &mut dyn OpenContext) {}

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        most
    }
}

/// A service that has something to say after the peer's FIN, and closes when that is acknowledged.
pub(super) struct LastWord(pub &'static [u8]);

impl ConnectionHandler for LastWord {
    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        DataResult::Taken
    }

    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        connection.send(self.0);
    }

    fn on_acked(&mut self, connection: &mut Connection<'_>, _: usize) {
        connection.close();
    }
}
