use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::script::{TemplateKind, Templates};
use super::sources::Sources;
use super::template::SegmentNumbers;
use super::{BaselineError, BaselinePort, FloodKind, FlooderOptions, PortReport, RunTimer};
use crate::bench::workload::{Pattern, Workload};
use crate::processor_time::{ProcessorClock, ProcessorTime};
use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::{Queue, Verdict};

/// The longest sleep, within which a signal is seen.
const MAX_SLEEP: Duration = Duration::from_millis(20);
/// After the end, the time in which the kernel takes the queued frames.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends SYNs, or ACKs with random numbers, each from a random source, and reads no reply: the steering
/// program drops and counts the replies.
#[derive(Debug)]
pub struct Flooder {
    options: FlooderOptions,
    port: BaselinePort,
    templates: Templates,
    sources: Sources,
}

/// Results of a flood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlooderReport {
    pub program: String,
    pub mode: String,
    pub seconds: f64,
    /// Given to the kernel.
    pub syns: u64,
    pub acks: u64,
    /// Wake-ups of the kernel to send.
    pub wakeups: u64,
    /// Replies to the sources: SYN-ACKs and RSTs, not distinguished.
    pub replies: u64,
    /// Not taken by the kernel within two seconds of the end.
    pub unsent: u64,
    pub processors: Vec<ProcessorTime>,
}

impl Flooder {
    pub fn open(options: FlooderOptions) -> Result<Flooder, BaselineError> {
        let sources = Sources::new(options.source, options.peer).ok_or_else(|| {
            BaselineError::Argument(format!(
                "{} and {} are of different address families",
                options.source, options.peer
            ))
        })?;
        let source = EndpointRange { prefix: options.source.trunc(), ports: 1024..=u16::MAX };
        let port = BaselinePort::open_deaf(&options.port, &[source])?;
        let from = port.device.mac.ok_or_else(|| {
            BaselineError::Argument(format!("{} has no MAC address to send from", port.device.name))
        })?;
        let pattern = Pattern { timestamps: true, ..Pattern::new(Workload::Syn) };
        let templates = Templates::new(&pattern, (options.peer_mac, from), options.peer.is_ipv6());
        Ok(Flooder { options, port, templates, sources })
    }

    pub fn run(self, stop: &AtomicBool) -> Result<FlooderReport, BaselineError> {
        let Flooder { options, mut port, templates, sources } = self;
        let size = options.port.batch() as u64;
        let mut flood = Flood { options: &options, templates, sources, random: seed(), syns: 0, acks: 0 };
        let clock = ProcessorClock::now();
        let timer = RunTimer::start(options.duration, stop);
        while let Some(now) = timer.tick() {
            let allowed = flood.allowed(now);
            let Some(queue) = port.queues.first_mut() else { break };
            let sent = if allowed < size && options.rate.is_some() { 0 } else { flood.send(queue, size) };
            queue.flush().map_err(BaselineError::DeviceError)?;
            match (sent, options.rate) {
                (0, Some(rate)) if allowed < size => {
                    thread::sleep(Duration::from_secs_f64((size - allowed) as f64 / rate).min(MAX_SLEEP));
                }
                (0, _) => thread::yield_now(),
                _ => {}
            }
        }
        let seconds = timer.elapsed();
        let processors = clock.zip(ProcessorClock::now()).map(|(start, end)| start.until(&end));
        while queued(&port.queues) > 0 && timer.elapsed() < seconds + DRAIN_TIMEOUT {
            port.queues.iter_mut().try_for_each(Queue::flush).map_err(BaselineError::DeviceError)?;
            thread::yield_now();
        }
        let PortReport { wakeups, mode, .. } = port.report(size as usize)?;
        Ok(FlooderReport {
            program: "flood".to_owned(),
            mode,
            seconds: seconds.as_secs_f64(),
            syns: flood.syns,
            acks: flood.acks,
            wakeups,
            replies: port.verdicts()?.sum(Verdict::DropNoSocket),
            unsent: queued(&port.queues),
            processors: processors.unwrap_or_default(),
        })
    }
}

/// Frames that the kernel has not sent yet.
fn queued(queues: &[Queue]) -> u64 {
    queues.iter().map(|queue| u64::from(queue.ledger().transmitting)).sum()
}

struct Flood<'a> {
    options: &'a FlooderOptions,
    templates: Templates,
    sources: Sources,
    random: u64,
    syns: u64,
    acks: u64,
}

impl Flood<'_> {
    /// Frames that the rate allows to send now.
    fn allowed(&self, now: Duration) -> u64 {
        match self.options.rate {
            Some(rate) => ((now.as_secs_f64() * rate) as u64).saturating_sub(self.syns + self.acks),
            None => u64::MAX,
        }
    }

    /// Sends up to `count` frames, as many as are free. Returns their number.
    fn send(&mut self, queue: &mut Queue, count: u64) -> u64 {
        for sent in 0..count {
            let Some(mut frame) = queue.allocate() else { return sent };
            let (flow, kind) = (self.word(), self.next_kind());
            let (numbers, echo) = (self.word(), self.word());
            let numbers = match kind {
                TemplateKind::Ack => {
                    SegmentNumbers { seq: (numbers >> 32) as u32, ack: numbers as u32, echo: echo as u32 }
                }
                // A first SYN echoes nothing and acknowledges nothing.
                _ => SegmentNumbers { seq: numbers as u32, ..SegmentNumbers::default() },
            };
            let flow = self.sources.flow(self.sources.at(flow));
            let room = queue.bytes_mut(&mut frame);
            let len = self.templates.of(kind).write_whole(room, &flow, &numbers);
            queue.transmit(frame, len);
        }
        count
    }

    fn next_kind(&mut self) -> TemplateKind {
        let syn = match self.options.kind {
            FloodKind::Syn => true,
            FloodKind::Ack => false,
            FloodKind::Mixed => self.syns <= self.acks,
        };
        self.syns += u64::from(syn);
        self.acks += u64::from(!syn);
        if syn { TemplateKind::Syn } else { TemplateKind::Ack }
    }

    /// Returns the next random word (SplitMix64: nothing here needs to be hard to guess).
    #[inline]
    fn word(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.random;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// By the clock, so that no two floods are alike.
fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
