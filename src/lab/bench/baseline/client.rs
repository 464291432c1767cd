use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::script::{ClientState, ClientStep, TemplateKind, Templates, client_step};
use super::segment::ParsedSegment;
use super::sources::Sources;
use super::template::SegmentNumbers;
use super::tracker::ConnTracker;
use super::{BaselineError, BaselinePort, ReplayClientOptions, ReplayClientReport, RunTimer};
use crate::processor_time::ProcessorClock;
use handfast_stack::wire::{EndpointRange, Flags, ethernet};
use handfast_stack::xdp::{Frame, Queue};

/// The longest that SYNs are held back to fill a batch.
const MAX_HOLD: Duration = Duration::from_micros(50);
/// The longest sleep, within which a signal is seen.
const MAX_SLEEP: Duration = Duration::from_millis(20);
/// After the end of the run, the time for connections in progress to complete.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens each connection from a new 4-tuple and sends the client's segments of the pattern, without a TCP.
///
/// In a closed loop (a window), lost connections are given up after a timeout, so that loss cannot stall
/// the client; in an open loop (a rate), SYNs are sent whether or not replies arrive.
#[derive(Debug)]
pub struct ReplayClient {
    options: ReplayClientOptions,
    port: BaselinePort,
    templates: Templates,
    sources: Sources,
}

impl ReplayClient {
    pub fn open(options: ReplayClientOptions) -> Result<ReplayClient, BaselineError> {
        let sources = Sources::new(options.source, options.peer).ok_or_else(|| {
            BaselineError::Argument(format!(
                "{} and {} are of different address families",
                options.source, options.peer
            ))
        })?;
        let source = EndpointRange { prefix: options.source.trunc(), ports: 1024..=u16::MAX };
        // A reflected frame still has the peer's address as its destination.
        let peer = EndpointRange {
            prefix: options.peer.ip().into(),
            ports: options.peer.port()..=options.peer.port(),
        };
        let port = BaselinePort::open(&options.port, &[source, peer])?;
        let from = port.device.mac.ok_or_else(|| {
            BaselineError::Argument(format!("{} has no MAC address to send from", port.device.name))
        })?;
        let templates = Templates::new(&options.pattern, (options.peer_mac, from), options.peer.is_ipv6());
        Ok(ReplayClient { options, port, templates, sources })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<ReplayClientReport, BaselineError> {
        let ReplayClient { options, mut port, templates, sources } = self;
        let size = options.port.batch();
        let mut batch = Vec::with_capacity(size);
        let next = sources.by_clock();
        let mut client = ClientLoop {
            options: &options,
            templates,
            sources,
            tracker: ConnTracker::new(),
            next,
            replied: false,
            held: None,
        };
        // Started after the tracker's memory is allocated, which takes time.
        let clock = ProcessorClock::now();
        let timer = RunTimer::start(options.duration, stop);
        while let Some(now) = timer.tick() {
            let before = (client.tracker.ended(), client.tracker.sent);
            client.poll(&mut port.queues, &mut batch, now)?;
            let left = client.left();
            let allowed = client.allowed(now).min(left);
            let due = match options.rate {
                Some(_) => !options.sleep || allowed >= (size as u64).min(left),
                None => client.should_begin(allowed, left, now),
            };
            if due {
                client.begin(&mut port.queues, allowed.min(size as u64), now);
            }
            flush(&mut port.queues)?;
            if let Some(rate) = options.rate.filter(|_| options.sleep && !due) {
                thread::sleep(Duration::from_secs_f64((size as u64 - allowed) as f64 / rate).min(MAX_SLEEP));
            } else if before == (client.tracker.ended(), client.tracker.sent) {
                thread::yield_now();
            }
            // Checked after the flush, so that the last segments are sent too.
            if left == 0 && client.tracker.outstanding == 0 {
                break;
            }
        }
        let seconds = timer.elapsed();
        let processors = clock.zip(ProcessorClock::now()).map(|(start, end)| start.until(&end));
        let ended = client.tracker.ended();
        while client.tracker.outstanding > 0 && timer.elapsed() < seconds + DRAIN_TIMEOUT {
            client.poll(&mut port.queues, &mut batch, timer.elapsed())?;
            flush(&mut port.queues)?;
            thread::yield_now();
        }
        Ok(ReplayClientReport::new(
            &options,
            &client.tracker,
            port.report(size)?,
            ended,
            (seconds.as_secs_f64(), processors.unwrap_or_default()),
        ))
    }
}

fn flush(queues: &mut [Queue]) -> Result<(), BaselineError> {
    queues.iter_mut().try_for_each(Queue::flush).map_err(BaselineError::DeviceError)
}

/// The state of the client's loop.
struct ClientLoop<'a> {
    options: &'a ReplayClientOptions,
    templates: Templates,
    sources: Sources,
    tracker: ConnTracker,
    /// The number of the next connection.
    next: u32,
    /// Replies were queued in this iteration.
    replied: bool,
    /// When the SYNs that are held back began to wait.
    held: Option<Duration>,
}

impl ClientLoop<'_> {
    /// Replies to the received segments, and expires lost connections.
    fn poll(
        &mut self,
        queues: &mut [Queue],
        batch: &mut Vec<Frame>,
        now: Duration,
    ) -> Result<(), BaselineError> {
        self.replied = false;
        for queue in queues {
            queue.receive(batch, batch.capacity());
            for frame in batch.drain(..) {
                self.handle(queue, frame, now);
            }
        }
        self.tracker.expire(now, self.options.timeout);
        Ok(())
    }

    #[inline]
    fn handle(&mut self, queue: &mut Queue, frame: Frame, now: Duration) {
        let segment = ParsedSegment::parse(queue.bytes(&frame), self.options.peer.is_ipv6());
        let Some((number, segment)) = segment.and_then(|segment| Some((self.number(&segment)?, segment)))
        else {
            self.tracker.other += 1;
            return queue.release(frame);
        };
        let state = self.tracker.state(number);
        let to_syn = state == ClientState::SynSent;
        match client_step(&self.options.pattern, state, &segment) {
            ClientStep::Ignore => {
                self.tracker.duplicate +=
                    u64::from(state == ClientState::Free || segment.flags.has(Flags::SYN));
                queue.release(frame);
            }
            ClientStep::Send(kinds, next) => {
                self.tracker.syn_ack += u64::from(to_syn);
                self.tracker.advance(number, next, now);
                self.send(queue, frame, kinds, &segment);
            }
            ClientStep::Done(kinds) => {
                self.tracker.syn_ack += u64::from(to_syn);
                self.tracker.completed += 1;
                self.tracker.advance(number, ClientState::Free, now);
                self.send(queue, frame, kinds, &segment);
            }
            ended => {
                self.tracker.rst += u64::from(ended == ClientStep::Reset);
                self.tracker.reflected += u64::from(ended == ClientStep::Reflected);
                self.tracker.advance(number, ClientState::Free, now);
                queue.release(frame);
            }
        }
    }

    /// Returns the connection of a segment. A reflected SYN keeps its addresses; its sequence number is the
    /// connection.
    #[inline]
    fn number(&self, segment: &ParsedSegment) -> Option<u32> {
        match segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK) {
            true => Some(segment.seq),
            false => self.sources.number(&segment.flow),
        }
    }

    /// Sends the first segment in the received frame, each further one in a new frame.
    #[inline]
    fn send(&mut self, queue: &mut Queue, mut frame: Frame, kinds: &[TemplateKind], segment: &ParsedSegment) {
        let numbers = segment.reply_numbers();
        let Some((first, rest)) = kinds.split_first() else { return queue.release(frame) };
        let room = queue.bytes_mut(&mut frame);
        ethernet::swap_addresses(room);
        let len = self.templates.of(*first).write(room, &segment.flow, &numbers);
        queue.transmit(frame, len);
        self.replied = true;
        for kind in rest {
            let Some(mut frame) = queue.allocate() else {
                self.tracker.no_frame += 1;
                return;
            };
            let template = self.templates.of(*kind);
            let len = template.write_whole(queue.bytes_mut(&mut frame), &segment.flow, &numbers);
            queue.transmit(frame, len);
        }
    }

    /// Connections left to open.
    fn left(&self) -> u64 {
        self.options.count.map_or(u64::MAX, |count| count.saturating_sub(self.tracker.sent))
    }

    /// Connections that the window or the rate allows to open now.
    fn allowed(&self, now: Duration) -> u64 {
        match self.options.rate {
            Some(rate) => ((now.as_secs_f64() * rate) as u64).saturating_sub(self.tracker.sent),
            None => u64::from(self.options.window.saturating_sub(self.tracker.outstanding)),
        }
    }

    /// Whether to open connections now or to wait for a full batch. Replies arrive a few at a time, and a
    /// system call for each few frames would make this client the bottleneck. A partial batch is held
    /// back for at most [`MAX_HOLD`], unless a system call is due anyway.
    fn should_begin(&mut self, allowed: u64, left: u64, now: Duration) -> bool {
        let full = allowed >= (self.options.port.batch() as u64).min(left);
        let waited = allowed > 0 && now - *self.held.get_or_insert(now) >= MAX_HOLD;
        let go = full || waited || self.replied;
        if go {
            self.held = None;
        }
        allowed > 0 && go
    }

    fn begin(&mut self, queues: &mut [Queue], connections: u64, now: Duration) {
        let Some(queue) = queues.first_mut() else { return };
        for _ in 0..connections {
            let Some(mut frame) = queue.allocate() else { return };
            let number = self.next;
            let numbers = SegmentNumbers { seq: number, ..SegmentNumbers::default() };
            let template = self.templates.of(TemplateKind::Syn);
            let len = template.write_whole(queue.bytes_mut(&mut frame), &self.sources.flow(number), &numbers);
            queue.transmit(frame, len);
            self.tracker.begin(number, now);
            self.next = self.sources.next(number);
        }
    }
}
