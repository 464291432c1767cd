use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;

use super::heard::Heard;
use super::play::{Kind, Move, Stage, Templates, called};
use super::sources::Sources;
use super::tally::Tally;
use super::template::Numbers;
use super::{BareError, ClientReport, Pace, Port, PortOptions};
use crate::bench::workload::Pattern;
use handfast_stack::wire::{EndpointRange, Flags, Mac, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// How long frames wait for their batch to fill.
const HOLD: Duration = Duration::from_micros(50);
/// How long connections that are under way at the end may take to come to theirs.
const LINGER: Duration = Duration::from_secs(5);

/// What a [`Client`] does.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub port: PortOptions,
    pub peer: SocketAddr,
    pub peer_mac: Mac,
    /// Where from: all hosts of this prefix, all ports from 1024.
    pub source: IpNet,
    pub pattern: Pattern,
    /// The most connections under way.
    pub window: u32,
    /// Connections begun per second, instead of a window.
    pub rate: Option<f64>,
    /// When those under way are given up, after the last one that moved.
    pub timeout: Duration,
    /// `None`: no limit.
    pub count: Option<u64>,
    /// `None`: until the count, or until told to stop.
    pub duration: Option<Duration>,
}

/// Opens connections from ever new 4-tuples and plays its part of the pattern, without a TCP.
///
/// In a closed loop (a window), what is lost is given up after a time, so that loss cannot stall
/// it; in an open loop (a rate), SYNs go out whatever comes back.
#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    port: Port,
    templates: Templates,
    sources: Sources,
}

impl Client {
    pub fn open(options: ClientOptions) -> Result<Client, BareError> {
        let sources = Sources::new(options.source, options.peer).ok_or_else(|| {
            BareError::Argument(format!("{} and {} are two address families", options.source, options.peer))
        })?;
        let source = EndpointRange { prefix: options.source.trunc(), ports: 1024..=u16::MAX };
        // What is reflected comes back to the peer's address.
        let peer = EndpointRange {
            prefix: options.peer.ip().into(),
            ports: options.peer.port()..=options.peer.port(),
        };
        let port = Port::open(&options.port, &[source, peer])?;
        let from = port
            .device
            .mac
            .ok_or_else(|| BareError::Argument(format!("{} has no MAC to send from", port.device.name)))?;
        let templates = Templates::new(&options.pattern, (options.peer_mac, from), options.peer.is_ipv6());
        Ok(Client { options, port, templates, sources })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<ClientReport, BareError> {
        let Client { options, mut port, templates, sources } = self;
        let size = options.port.batch();
        let mut batch = Vec::with_capacity(size);
        let next = sources.by_clock();
        let mut caller = Caller {
            options: &options,
            templates,
            sources,
            tally: Tally::new(),
            next,
            replied: false,
            held: None,
        };
        // Not earlier: room for the tally takes its time, in which nothing is called.
        let pace = Pace::start(options.duration, stop);
        while let Some(now) = pace.tick() {
            let before = (caller.tally.ended(), caller.tally.sent);
            caller.turn(&mut port.queues, &mut batch, now)?;
            let left = caller.left();
            let may = caller.may(now).min(left);
            if options.rate.is_some() || caller.worthwhile(may, left, now) {
                caller.begin(&mut port.queues, may.min(size as u64), now);
            }
            flush(&mut port.queues)?;
            if before == (caller.tally.ended(), caller.tally.sent) {
                thread::yield_now();
            }
            // Only now: the last segments had to go, too.
            if left == 0 && caller.tally.outstanding == 0 {
                break;
            }
        }
        let seconds = pace.elapsed();
        let ended = caller.tally.ended();
        while caller.tally.outstanding > 0 && pace.elapsed() < seconds + LINGER {
            caller.turn(&mut port.queues, &mut batch, pace.elapsed())?;
            flush(&mut port.queues)?;
            thread::yield_now();
        }
        Ok(ClientReport::new(&options, &caller.tally, port.report(size)?, ended, seconds.as_secs_f64()))
    }
}

fn flush(queues: &mut [Queue]) -> Result<(), BareError> {
    queues.iter_mut().try_for_each(Queue::flush).map_err(BareError::DeviceError)
}

/// The client's part of a run.
struct Caller<'a> {
    options: &'a ClientOptions,
    templates: Templates,
    sources: Sources,
    tally: Tally,
    /// The number of the next connection.
    next: u32,
    /// Segments went into this turn's batch already.
    replied: bool,
    /// Since when SYNs have waited for their batch to fill.
    held: Option<Duration>,
}

impl Caller<'_> {
    /// Answers what has come, and gives up what is lost.
    fn turn(&mut self, queues: &mut [Queue], batch: &mut Vec<Frame>, now: Duration) -> Result<(), BareError> {
        self.replied = false;
        for queue in queues {
            queue.receive(batch, batch.capacity());
            for frame in batch.drain(..) {
                self.hear(queue, frame, now);
            }
        }
        self.tally.expire(now, self.options.timeout);
        Ok(())
    }

    #[inline]
    fn hear(&mut self, queue: &mut Queue, frame: Frame, now: Duration) {
        let heard = Heard::parse(queue.bytes(&frame), self.options.peer.is_ipv6());
        let Some((number, heard)) = heard.and_then(|heard| Some((self.number(&heard)?, heard))) else {
            self.tally.other += 1;
            return queue.release(frame);
        };
        let stage = self.tally.stage(number);
        let to_syn = stage == Stage::SynSent;
        match called(&self.options.pattern, stage, &heard) {
            Move::Ignore => {
                self.tally.duplicate += u64::from(stage == Stage::Free || heard.flags.has(Flags::SYN));
                queue.release(frame);
            }
            Move::Go(kinds, next) => {
                self.tally.syn_ack += u64::from(to_syn);
                self.tally.go(number, next, now);
                self.send(queue, frame, kinds, &heard);
            }
            Move::Done(kinds) => {
                self.tally.syn_ack += u64::from(to_syn);
                self.tally.completed += 1;
                self.tally.go(number, Stage::Free, now);
                self.send(queue, frame, kinds, &heard);
            }
            ended => {
                self.tally.rst += u64::from(ended == Move::Reset);
                self.tally.reflected += u64::from(ended == Move::Reflected);
                self.tally.go(number, Stage::Free, now);
                queue.release(frame);
            }
        }
    }

    /// A SYN that came back with its addresses as they were says itself whose it is.
    #[inline]
    fn number(&self, heard: &Heard) -> Option<u32> {
        match heard.flags.has(Flags::SYN) && !heard.flags.has(Flags::ACK) {
            true => Some(heard.seq),
            false => self.sources.number(&heard.flow),
        }
    }

    /// The first in the frame that came, the others in frames of their own.
    #[inline]
    fn send(&mut self, queue: &mut Queue, mut frame: Frame, kinds: &[Kind], heard: &Heard) {
        let numbers = heard.answer();
        let Some((first, rest)) = kinds.split_first() else { return queue.release(frame) };
        let room = queue.bytes_mut(&mut frame);
        ethernet::turn_around(room);
        let len = self.templates.of(*first).write(room, &heard.flow, &numbers);
        queue.transmit(frame, len);
        self.replied = true;
        for kind in rest {
            let Some(mut frame) = queue.allocate() else {
                self.tally.no_frame += 1;
                return;
            };
            let template = self.templates.of(*kind);
            let len = template.write_whole(queue.bytes_mut(&mut frame), &heard.flow, &numbers);
            queue.transmit(frame, len);
        }
    }

    /// Connections that are still to be begun.
    fn left(&self) -> u64 {
        self.options.count.map_or(u64::MAX, |count| count.saturating_sub(self.tally.sent))
    }

    /// Connections that window or rate allow to begin now.
    fn may(&self, now: Duration) -> u64 {
        match self.options.rate {
            Some(rate) => ((now.as_secs_f64() * rate) as u64).saturating_sub(self.tally.sent),
            None => u64::from(self.options.window.saturating_sub(self.tally.outstanding)),
        }
    }

    /// Whether to begin now or to wait for a full batch: answers trickle in, and a system call for
    /// each handful of frames would make this client the bottleneck of what it measures. What does
    /// not fill a batch is held back for [`HOLD`] at most, unless a system call is due anyway.
    fn worthwhile(&mut self, may: u64, left: u64, now: Duration) -> bool {
        let full = may >= (self.options.port.batch() as u64).min(left);
        let waited = may > 0 && now - *self.held.get_or_insert(now) >= HOLD;
        let go = full || waited || self.replied;
        if go {
            self.held = None;
        }
        may > 0 && go
    }

    fn begin(&mut self, queues: &mut [Queue], connections: u64, now: Duration) {
        let Some(queue) = queues.first_mut() else { return };
        for _ in 0..connections {
            let Some(mut frame) = queue.allocate() else { return };
            let number = self.next;
            let numbers = Numbers { seq: number, ..Numbers::default() };
            let template = self.templates.of(Kind::Syn);
            let len = template.write_whole(queue.bytes_mut(&mut frame), &self.sources.flow(number), &numbers);
            queue.transmit(frame, len);
            self.tally.begin(number, now);
            self.next = self.sources.next(number);
        }
    }
}
