//! An end that is the engine: a listener with its services, or an opener controlled by the script.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::TraceError;
use handfast_stack::engine::stack::{Gateway, Running, Stack, StackConfig};
use handfast_stack::engine::{FourTuple, OnStop, OpenContext, Opener, StopNotice};
use handfast_stack::tcp::{Config, Connection, ConnectionHandler, CookieMode, DataResult, Time};
use handfast_stack::wire::{EndpointRange, Mac};

/// Interval at which the opener polls for commands, milliseconds.
const POLL_INTERVAL_MS: u32 = 2;
/// Maximum connections of an end.
const MAX_CONNECTIONS: u32 = 64;

/// TIME-WAIT lasts twice as long: longer than the retransmission timeout, 1 s, of a FIN that it must answer.
const MSL_MS: u32 = 1_000;

/// The engine running on one interface. Dropping it stops it.
pub(super) struct EngineEnd {
    running: Option<Running>,
}

impl EngineEnd {
    /// Listens at `at`. Call it inside the namespace of `device`.
    pub(super) fn listen(
        device: &str,
        at: SocketAddr,
        cookies: bool,
        service: impl Fn() -> Box<dyn ConnectionHandler> + Send + 'static,
    ) -> Result<EngineEnd, TraceError> {
        let cookies = if cookies { CookieMode::Always } else { CookieMode::Never };
        let options =
            StackConfig { listen: vec![(owned(at)?, Box::new(service))], ..options(device, cookies) };
        EngineEnd::start(options)
    }

    fn start(options: StackConfig) -> Result<EngineEnd, TraceError> {
        let running = Stack::open(options).and_then(Stack::run).map_err(Box::new)?;
        Ok(EngineEnd { running: Some(running) })
    }

    /// Waits until no connection is left, those in TIME-WAIT included.
    pub(super) fn await_time_wait_end(&self, timeout: Duration) -> Result<(), TraceError> {
        let deadline = Instant::now() + timeout;
        let left = || {
            self.running.as_ref().map_or(0, |running| {
                let total = running.snapshot().total();
                total.connections + total.time_wait
            })
        };
        while left() > 0 {
            if Instant::now() > deadline {
                return Err(TraceError::Late { what: "end of TIME-WAIT" });
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for EngineEnd {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn options(device: &str, cookies: CookieMode) -> StackConfig {
    StackConfig {
        devices: vec![device.into()],
        config: Config { cookies, msl_ms: MSL_MS, ..Config::default() },
        max_connections: MAX_CONNECTIONS,
        ring: 256,
        // The end of the stack is not part of a scenario.
        on_stop: OnStop { notice: StopNotice::Nothing, ..OnStop::default() },
        ..StackConfig::default()
    }
}

/// Returns the endpoint range of exactly this address and port.
fn owned(at: SocketAddr) -> Result<EndpointRange, TraceError> {
    let text = at.to_string();
    text.parse().map_err(|_| TraceError::Address { text })
}

/// A command to the opener of a [`ScriptedClient`].
#[derive(Clone, Debug)]
enum OpenerCommand {
    Open(FourTuple),
    Send(&'static [u8]),
    Shutdown,
    Abort,
}

/// A connection that the engine opens, controlled by the script.
pub(super) struct ScriptedClient {
    pub engine: EngineEnd,
    commands: Sender<OpenerCommand>,
    opened: Arc<AtomicBool>,
}

impl ScriptedClient {
    /// Starts an opener at `local` with the next hop `gateway`. Call it inside the namespace of `device`.
    pub(super) fn ready(device: &str, local: SocketAddr, gateway: Mac) -> Result<ScriptedClient, TraceError> {
        let (commands, receiver) = mpsc::channel();
        let opened = Arc::<AtomicBool>::default();
        let opener =
            Mutex::new(Some(ScriptedOpener { commands: receiver, number: None, opened: opened.clone() }));
        let options = StackConfig {
            owned: vec![owned(local)?],
            gateway: Some(Gateway::Mac(gateway)),
            cores: vec![0],
            opener: Some(Box::new(move |_, _| match opener.lock().ok().and_then(|mut one| one.take()) {
                Some(opener) => Box::new(opener),
                None => Box::new(Idle),
            })),
            ..options(device, CookieMode::Never)
        };
        Ok(ScriptedClient { engine: EngineEnd::start(options)?, commands, opened })
    }

    pub(super) fn open(&self, local: SocketAddr, remote: SocketAddr) {
        self.command(OpenerCommand::Open(FourTuple { local, remote }));
    }

    pub(super) fn is_open(&self) -> bool {
        self.opened.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, data: &'static [u8]) {
        self.command(OpenerCommand::Send(data));
    }

    /// FIN.
    pub(super) fn shutdown(&self) {
        self.command(OpenerCommand::Shutdown);
    }

    /// RST.
    pub(super) fn abort(&self) {
        self.command(OpenerCommand::Abort);
    }

    fn command(&self, command: OpenerCommand) {
        // Fails if the engine has ended: then the wait for the segment times out.
        let _ = self.commands.send(command);
    }
}

/// The opener of a [`ScriptedClient`]. It acts on commands only, and does not even close by itself.
struct ScriptedOpener {
    commands: Receiver<OpenerCommand>,
    number: Option<u32>,
    opened: Arc<AtomicBool>,
}

impl ConnectionHandler for ScriptedOpener {
    fn on_established(&mut self, _: &mut Connection<'_>) {
        self.opened.store(true, Ordering::Relaxed);
    }

    fn on_fin(&mut self, _: &mut Connection<'_>) {}
}

impl Opener for ScriptedOpener {
    fn poll_open(&mut self, line: &mut dyn OpenContext) {
        while let Ok(command) = self.commands.try_recv() {
            if let OpenerCommand::Open(ends) = command {
                self.number = line.open(ends).ok();
                continue;
            }
            let Some(number) = self.number else { continue };
            line.with_connection(number, &mut |handle| match command {
                OpenerCommand::Send(data) => drop(handle.send(data)),
                OpenerCommand::Shutdown => handle.shutdown(),
                OpenerCommand::Abort => handle.abort(),
                OpenerCommand::Open(_) => {}
            });
        }
    }

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        most.min(POLL_INTERVAL_MS)
    }
}

/// For cores after the first, of which there are none.
struct Idle;

impl ConnectionHandler for Idle {}

impl Opener for Idle {
    fn poll_open(&mut self, _: &mut dyn OpenContext) {}

    fn next_deadline_ms(&self, _: Time, most: u32) -> u32 {
        most
    }
}

/// A service that sends data after the peer's FIN, and closes when it is acknowledged.
pub(super) struct SendAfterFin(pub &'static [u8]);

impl ConnectionHandler for SendAfterFin {
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
