use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::heard::Heard;
use super::play::{Kind, Templates, served};
use super::{BareError, Pace, Port, PortOptions, PortReport};
use crate::bench::workload::Pattern;
use handfast_stack::wire::{EndpointRange, Flags, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// What a [`Server`] answers.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub port: PortOptions,
    /// Where: one address family.
    pub own: EndpointRange,
    pub pattern: Pattern,
    /// `None`: until told to stop.
    pub duration: Option<Duration>,
}

/// Answers every segment as a TCP that closes as the pattern says, in the frame that came, and
/// remembers nothing.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    port: Port,
    templates: Templates,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    pub program: &'static str,
    #[serde(flatten)]
    pub port: PortReport,
    pub workload: String,
    pub closer: String,
    pub seconds: f64,
    pub syns: u64,
    pub fins: u64,
    pub resets: u64,
    /// Frames that were no segment of this pattern's family.
    pub other: u64,
}

impl Server {
    pub fn open(options: ServerOptions) -> Result<Server, BareError> {
        let port = Port::open(&options.port, std::slice::from_ref(&options.own))?;
        // Answers go out in the frames that came: the link header is theirs.
        let templates = Templates::new(&options.pattern, Default::default(), options.is_ipv6());
        Ok(Server { options, port, templates })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<ServerReport, BareError> {
        let Server { options, mut port, templates } = self;
        let pace = Pace::start(options.duration, stop);
        let mut batch = Vec::with_capacity(options.port.batch());
        let mut desk = Desk::new(options.pattern, options.is_ipv6(), templates);
        while pace.tick().is_some() {
            let mut got = 0;
            for queue in &mut port.queues {
                got += desk.turn(queue, &mut batch)?;
            }
            if got == 0 {
                thread::yield_now();
            }
        }
        Ok(ServerReport {
            program: "replay-server",
            port: port.report(options.port.batch())?,
            workload: options.pattern.workload.to_string(),
            closer: options.pattern.closer.to_string(),
            seconds: pace.elapsed().as_secs_f64(),
            syns: desk.syns,
            fins: desk.fins,
            resets: desk.resets,
            other: desk.other,
        })
    }
}

impl ServerOptions {
    fn is_ipv6(&self) -> bool {
        self.own.prefix.addr().is_ipv6()
    }
}

struct Desk {
    pattern: Pattern,
    ipv6: bool,
    templates: Templates,
    syns: u64,
    fins: u64,
    resets: u64,
    other: u64,
}

impl Desk {
    fn new(pattern: Pattern, ipv6: bool, templates: Templates) -> Desk {
        Desk { pattern, ipv6, templates, syns: 0, fins: 0, resets: 0, other: 0 }
    }

    /// One batch of one queue. Says how many came.
    #[inline]
    fn turn(&mut self, queue: &mut Queue, batch: &mut Vec<Frame>) -> Result<usize, BareError> {
        let got = queue.receive(batch, batch.capacity());
        if got == 0 && queue.ledger().transmitting == 0 {
            return Ok(0);
        }
        for mut frame in batch.drain(..) {
            match self.answer(queue, &mut frame) {
                0 => queue.release(frame),
                len => queue.transmit(frame, len),
            }
        }
        queue.flush()?;
        Ok(got)
    }

    /// Writes the answer in place of what came, and says how long it is; 0: there is none.
    #[inline]
    fn answer(&mut self, queue: &mut Queue, frame: &mut Frame) -> usize {
        let Some(heard) = Heard::parse(queue.bytes(frame), self.ipv6) else {
            self.other += 1;
            return 0;
        };
        self.syns += u64::from(heard.flags.has(Flags::SYN));
        self.fins += u64::from(heard.flags.has(Flags::FIN));
        self.resets += u64::from(heard.flags.has(Flags::RST));
        let Some(kind) = served(&self.pattern, &heard) else { return 0 };
        let mut numbers = heard.answer();
        if kind == Kind::SynAck {
            numbers.seq = INITIAL;
        }
        let room = queue.bytes_mut(frame);
        ethernet::turn_around(room);
        self.templates.of(kind).write(room, &heard.flow, &numbers)
    }
}

/// The initial sequence number of every connection: nobody attacks a ceiling.
const INITIAL: u32 = 0x0123_4567;
