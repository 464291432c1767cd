use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::script::{TemplateKind, Templates, server_step};
use super::segment::ParsedSegment;
use super::{BaselineError, BaselinePort, PortOptions, PortReport, RunTimer};
use crate::bench::workload::Pattern;
use handfast_stack::wire::{EndpointRange, Flags, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// TcpOptions of a [`ReplayServer`].
#[derive(Clone, Debug)]
pub struct ReplayServerOptions {
    pub port: PortOptions,
    /// The served addresses, of one family.
    pub own: EndpointRange,
    pub pattern: Pattern,
    /// `None`: until the program is stopped.
    pub duration: Option<Duration>,
}

/// Replies to every segment as a TCP of this pattern would, in the received frame and without state.
#[derive(Debug)]
pub struct ReplayServer {
    options: ReplayServerOptions,
    port: BaselinePort,
    templates: Templates,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayServerReport {
    pub program: &'static str,
    #[serde(flatten)]
    pub port: PortReport,
    pub workload: String,
    pub closer: String,
    pub seconds: f64,
    pub syns: u64,
    pub fins: u64,
    pub resets: u64,
    /// Frames that are not TCP of the served address family.
    pub other: u64,
}

impl ReplayServer {
    pub fn open(options: ReplayServerOptions) -> Result<ReplayServer, BaselineError> {
        let port = BaselinePort::open(&options.port, std::slice::from_ref(&options.own))?;
        // Replies reuse the link header of the received frame.
        let templates = Templates::new(&options.pattern, Default::default(), options.is_ipv6());
        Ok(ReplayServer { options, port, templates })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<ReplayServerReport, BaselineError> {
        let ReplayServer { options, mut port, templates } = self;
        let timer = RunTimer::start(options.duration, stop);
        let mut batch = Vec::with_capacity(options.port.batch());
        let mut server = ServerLoop::new(options.pattern, options.is_ipv6(), templates);
        while timer.tick().is_some() {
            let mut got = 0;
            for queue in &mut port.queues {
                got += server.poll(queue, &mut batch)?;
            }
            if got == 0 {
                thread::yield_now();
            }
        }
        Ok(ReplayServerReport {
            program: "replay-server",
            port: port.report(options.port.batch())?,
            workload: options.pattern.workload.to_string(),
            closer: options.pattern.closer.to_string(),
            seconds: timer.elapsed().as_secs_f64(),
            syns: server.syns,
            fins: server.fins,
            resets: server.resets,
            other: server.other,
        })
    }
}

impl ReplayServerOptions {
    fn is_ipv6(&self) -> bool {
        self.own.prefix.addr().is_ipv6()
    }
}

struct ServerLoop {
    pattern: Pattern,
    ipv6: bool,
    templates: Templates,
    syns: u64,
    fins: u64,
    resets: u64,
    other: u64,
}

impl ServerLoop {
    fn new(pattern: Pattern, ipv6: bool, templates: Templates) -> ServerLoop {
        ServerLoop { pattern, ipv6, templates, syns: 0, fins: 0, resets: 0, other: 0 }
    }

    /// Handles one batch of one queue. Returns the number of frames received.
    #[inline]
    fn poll(&mut self, queue: &mut Queue, batch: &mut Vec<Frame>) -> Result<usize, BaselineError> {
        let got = queue.receive(batch, batch.capacity());
        if got == 0 && queue.ledger().transmitting == 0 {
            return Ok(0);
        }
        for mut frame in batch.drain(..) {
            match self.reply(queue, &mut frame) {
                0 => queue.release(frame),
                len => queue.transmit(frame, len),
            }
        }
        queue.flush()?;
        Ok(got)
    }

    /// Writes the reply into the received frame. Returns its length; 0: no reply.
    #[inline]
    fn reply(&mut self, queue: &mut Queue, frame: &mut Frame) -> usize {
        let Some(segment) = ParsedSegment::parse(queue.bytes(frame), self.ipv6) else {
            self.other += 1;
            return 0;
        };
        self.syns += u64::from(segment.flags.has(Flags::SYN));
        self.fins += u64::from(segment.flags.has(Flags::FIN));
        self.resets += u64::from(segment.flags.has(Flags::RST));
        let Some(kind) = server_step(&self.pattern, &segment) else { return 0 };
        let mut numbers = segment.reply_numbers();
        if kind == TemplateKind::SynAck {
            numbers.seq = ISN;
        }
        let room = queue.bytes_mut(frame);
        ethernet::swap_addresses(room);
        self.templates.of(kind).write(room, &segment.flow, &numbers)
    }
}

/// The initial sequence number of every connection: it need not be hard to guess in a lab.
const ISN: u32 = 0x0123_4567;
