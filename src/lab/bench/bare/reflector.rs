use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::{BareError, Pace, Port, PortOptions, PortReport};
use handfast_stack::wire::{EndpointRange, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// What a [`Reflector`] does.
#[derive(Clone, Debug)]
pub struct ReflectorOptions {
    pub port: PortOptions,
    pub own: Vec<EndpointRange>,
    /// Swap IPv4 addresses and ports as well.
    pub swap_ip: bool,
    /// Send nothing back.
    pub drop: bool,
    /// `None`: until told to stop.
    pub duration: Option<Duration>,
}

/// The ceiling of anything that answers one frame with one frame: swaps the MAC addresses and sends
/// the frame back.
#[derive(Debug)]
pub struct Reflector {
    options: ReflectorOptions,
    port: Port,
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
    pub fn open(options: ReflectorOptions) -> Result<Reflector, BareError> {
        let port = Port::open(&options.port, &options.own)?;
        Ok(Reflector { options, port })
    }

    pub fn run(mut self, stop: &AtomicBool) -> Result<ReflectorReport, BareError> {
        let pace = Pace::start(self.options.duration, stop);
        let mut batch = Vec::with_capacity(self.options.port.batch());
        let mut received = 0;
        while pace.tick().is_some() {
            let before = received;
            for queue in &mut self.port.queues {
                received += turn(queue, &mut batch, &self.options)?;
            }
            if received == before {
                // As the engine does: on veth the next frames may wait for ksoftirqd on this core.
                thread::yield_now();
            }
        }
        let seconds = pace.elapsed().as_secs_f64();
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

/// One batch of one queue. Says how many came.
fn turn(queue: &mut Queue, batch: &mut Vec<Frame>, options: &ReflectorOptions) -> Result<u64, BareError> {
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

/// A frame's room is never shorter than its headers here.
fn swap(octets: &mut [u8], ip_too: bool) {
    ethernet::turn_around(octets);
    if ip_too && let Some(network) = octets.get_mut(26..38) {
        let (addresses, ports) = network.split_at_mut(8);
        addresses.rotate_left(4);
        ports.rotate_left(2);
    }
}
