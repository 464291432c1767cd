//! Devices, queues and threads around the engine: what `handfast respond` is, for any program.
//!
//! - `options`: what can be chosen, and why it may not start; `active`: what came of it.
//! - `devices`: interfaces, their program and queues; `cores`: one runner per core around them.
//! - `notes`: what the operator should know of it before the first frame.
//! - `listening`: other listeners for a stack at work.
//! - `running`: a stack at work, and its end; `watch` its counts, for any thread.

mod active;
mod cores;
mod devices;
mod listening;
mod notes;
mod options;
mod running;
mod watch;

use std::time::Instant;

pub use active::{Active, ActiveDevice};
pub use listening::{Answer, ListenError};
pub use options::{Options, ServiceFactory, StartError};
pub use running::{Finished, RunError, Running};
pub use watch::Watch;

use super::Polling;
use super::rules::Book;
use super::runner::Runner;
use crate::capture::Capture;
use crate::xdp::{Device, Queue};
use cores::{State, choose_cpus, start_cores};
use devices::{OpenDevice, open_device, policy};
use listening::Listening;

/// Opened, attached and bound; no thread runs yet. Needs no privilege from here on.
pub struct Stack {
    devices: Vec<OpenDevice>,
    runners: Vec<Runner>,
    state: State,
    capture: Option<Capture>,
    listening: Box<Listening>,
    /// What is really active.
    pub active: Active,
}

impl Stack {
    /// Loads, attaches and binds. Needs `CAP_BPF`, `CAP_PERFMON`, `CAP_NET_ADMIN` and `CAP_NET_RAW`.
    ///
    /// # Errors
    /// [`StartError`]; every interface is then as it was found.
    pub fn open(mut options: Options) -> Result<Stack, StartError> {
        if options.devices.is_empty() {
            return Err(StartError::NoDevice);
        }
        match (&options.caller, options.gateway) {
            (None, _) if options.listen.is_empty() => return Err(StartError::NoListener),
            (Some(_), None) => return Err(StartError::NoGateway),
            _ => {}
        }
        let listen = options.listen.iter().map(|(owned, _)| owned.clone());
        let (book, rules) = Book::new(listen, options.fault)?;
        if options.priority.is_realtime() && options.polling == Polling::Busy {
            return Err(StartError::BusyRealtime);
        }
        options.priority.permit()?;
        let found: Vec<Device> =
            options.devices.iter().map(|name| Device::open(name)).collect::<Result<_, _>>()?;
        let queues = found.iter().map(|device| device.rx_queues).sum();
        let cpus = choose_cpus(&options.cores, queues)?;
        let mut active = Active {
            devices: Vec::new(),
            cpus: cpus.clone(),
            polling: options.polling,
            priority: options.priority,
            max_connections: options.max_connections,
            table_bytes: 0,
            notes: Vec::from_iter(notes::idle_cores(&options.cores, &cpus, queues)),
        };
        let mut devices = Vec::new();
        let mut ports: Vec<Vec<(Queue, usize)>> = cpus.iter().map(|_| Vec::new()).collect();
        let mut next = 0;
        for (number, device) in found.into_iter().enumerate() {
            let (open, queues) = open_device(&options, device, &mut active)?;
            for mut queue in queues {
                if let Some(capture) = &mut options.capture {
                    queue.set_tap(capture.tap(queue.ifname(), queue.number()));
                }
                ports[next % cpus.len()].push((queue, number));
                next += 1;
            }
            devices.push(open);
        }
        let policies = devices.iter().map(|open| policy(&options, &open.device)).collect();
        let capture = options.capture.take();
        let listening = Box::new(Listening::new(book, options.owned.clone()));
        let (runners, state) = start_cores(options, rules, policies, &devices, ports, &mut active)?;
        Ok(Stack { devices, runners, state, capture, listening, active })
    }

    /// Starts one pinned thread per core.
    pub fn run(self) -> Result<Running, StartError> {
        let Stack { devices, runners, state, capture, listening, active } = self;
        // Not earlier: a thread keeps the privileges it was started with.
        let capture = capture.map(Capture::start).transpose().map_err(StartError::Capture)?;
        let priority = active.priority;
        // In a thread that ends: the caller's own scheduling stays as it is.
        let tried = std::thread::spawn(move || priority.apply()).join().unwrap_or_else(|_| Ok(()));
        tried.map_err(|source| StartError::Schedule { priority, source })?;
        let started = Instant::now();
        let mut threads = Vec::new();
        for runner in runners {
            let name = format!("hf-core-{}", runner.cpu);
            let thread = std::thread::Builder::new().name(name).spawn(move || runner.run());
            threads.push(thread.map_err(StartError::Thread)?);
        }
        Ok(Running { devices, threads, state, capture, listening, started })
    }
}
