use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::{BaselineError, BaselinePort, PortOptions, PortReport, RunTimer};
use handfast_stack::wire::{EndpointRange, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// TcpOptions of a [`Reflector`].
#[derive(Clone, Debug)]
pub struct ReflectorOptions {
    pub port: PortOptions,
    pub own: Vec<EndpointRange>,
    /// Swap IPv4 addresses and ports as well.
    pub swap_ip: bool,
    /// Drop every frame instead.
    pub drop: bool,
    /// `None`: until the program is stopped.
    pub duration: Option<Duration>,
}

/// Swaps the MAC addresses of every frame and sends it back: the ceiling of any server that replies to one
/// frame with one frame.
#[derive(Debug)]
pub struct Reflector {
    options: ReflectorOptions,
    port: BaselinePort,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReflectorReport {
    pub program: &'static str,
    #[serde(flatten)]
    pub port: PortReport,
    pub drop: bool,
    pub seconds: f64,
    pub received: u64,
    /// Frames received per second.
    pub rate: f64,
}

impl Reflector {
    pub fn open(options: ReflectorOptions) -> Result<Reflector, BaselineError> {
        let port = BaselinePort::open(&options.port, &options.own)?;
        Ok(Reflector { options, port })
    }

    pub fn run(mut self, stop: &AtomicBool) -> Result<ReflectorReport, BaselineError> {
        let timer = RunTimer::start(self.options.duration, stop);
        let mut batch = Vec::with_capacity(self.options.port.batch());
        let mut received = 0;
        while timer.tick().is_some() {
            let before = received;
            for queue in &mut self.port.queues {
                received += poll(queue, &mut batch, &self.options)?;
            }
            if received == before {
                // As in the engine: on veth the next frames may wait for ksoftirqd on this core.
                thread::yield_now();
            }
        }
        let seconds = timer.elapsed().as_secs_f64();
        Ok(ReflectorReport {
            program: "reflector",
            port: self.port.report(self.options.port.batch())?,
            drop: self.options.drop,
            seconds,
            received,
            rate: received as f64 / seconds,
        })
    }
}

/// Handles one batch of one queue. Returns the number of frames received.
fn poll(queue: &mut Queue, batch: &mut Vec<Frame>, options: &ReflectorOptions) -> Result<u64, BaselineError> {
    let got = queue.receive(batch, batch.capacity());
    if got == 0 && queue.ledger().transmitting == 0 {
        return Ok(0);
    }
    for mut frame in batch.drain(..) {
        if options.drop {
            queue.release(frame);
            continue;
        }
        let len = frame.len();
        swap(queue.bytes_mut(&mut frame), options.swap_ip);
        queue.transmit(frame, len);
    }
    queue.flush()?;
    Ok(got as u64)
}

/// A frame's buffer always has room for the headers.
fn swap(bytes: &mut [u8], ip_too: bool) {
    ethernet::swap_addresses(bytes);
    if ip_too && let Some(network) = bytes.get_mut(26..38) {
        let (addresses, ports) = network.split_at_mut(8);
        addresses.rotate_left(4);
        ports.rotate_left(2);
    }
}
