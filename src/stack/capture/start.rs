use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rtrb::{Producer, RingBuffer};

use super::choose::Choice;
use super::merge::{Source, merge};
use super::pcapng::{self, Interface, Statistics};
use super::report::{Dropped, Report};
use super::settings::Settings;
use super::sink::{FileTarget, Sink, Target};
use super::tap::{Clock, Counts, Parts, RING, Tap};
use crate::observe::Counter;

/// Between two looks at the rings: at 2 M frames a second they are a sixth full by then.
const NAP: Duration = Duration::from_millis(5);
/// Between two looks while nothing is captured.
const IDLE_NAP: Duration = Duration::from_millis(20);
/// Nanoseconds that a frame waits for older ones of other queues, whatever their taps say: more than a
/// core takes to show another what it has written.
const HOLD: u64 = 2_000_000;
/// The lowest priority that still gets some time beside a core that spins.
const NICE: i32 = 19;

/// A capture whose taps are being handed out.
pub struct Capture {
    target: FileTarget,
    settings: Settings,
    clock: Clock,
    header: Vec<u8>,
    sources: Vec<Source>,
    shared: Arc<Shared>,
}

/// A capture with its header in the file.
pub struct Begun {
    sink: Sink<FileTarget>,
    sources: Vec<Source>,
    shared: Arc<Shared>,
    clock: Clock,
}

/// A capture at work.
pub struct Writing {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// What the writer and those who ask have in common.
struct Shared {
    file: String,
    counts: Mutex<Vec<Arc<Counts>>>,
    captured: Counter,
    bytes: Counter,
    failure: Mutex<Option<String>>,
    /// Nothing can be written any more.
    ended: Arc<AtomicBool>,
    /// No tap puts in anything any more.
    stopping: Arc<AtomicBool>,
}

impl Capture {
    /// Into this file, which is empty, or a pipe: that of O_NONBLOCK, so that a reader that has stopped
    /// reading is not waited for. `name`: for people.
    pub fn to(name: String, file: File, settings: Settings) -> Capture {
        let stopping = Arc::<AtomicBool>::default();
        let target = FileTarget { file, stopping: stopping.clone() };
        let program = concat!("handfast ", env!("CARGO_PKG_VERSION"));
        let shared = Shared {
            file: name,
            counts: Mutex::default(),
            captured: Counter::default(),
            bytes: Counter::default(),
            failure: Mutex::default(),
            ended: Arc::default(),
            stopping,
        };
        Capture {
            target,
            header: pcapng::section(program, &system(), &settings.describe()),
            settings,
            clock: Clock::new(),
            sources: Vec::new(),
            shared: Arc::new(shared),
        }
    }

    /// The file's name and what the settings make of it, for people.
    pub fn describe(&self) -> String {
        format!("{}: {}", self.shared.file, self.settings.describe())
    }

    /// A tap for one queue of a device. Sets aside and touches its memory.
    pub fn tap(&mut self, device: &str, queue: u32) -> Tap {
        let description = format!("AF_XDP socket on receive queue {queue} of {device}");
        let interface = self.sources.len() as u32;
        self.header.extend(pcapng::interface(&Interface {
            name: &format!("{device}:{queue}"),
            description: &description,
            snaplen: self.settings.snaplen.map_or(0, Into::into),
            filter: self.settings.filter().as_deref(),
        }));
        let (ring, source) = ring(RING);
        self.sources.push(source);
        let counts = Arc::<Counts>::default();
        locked(&self.shared.counts).push(counts.clone());
        Tap::new(Parts {
            interface,
            choice: Choice::new(&self.settings),
            snaplen: self.settings.snaplen.map(|bytes| bytes.get() as usize),
            share_percent: self.settings.share_percent,
            clock: self.clock,
            ring,
            counts,
            ended: self.shared.ended.clone(),
        })
    }

    /// Writes the header. No tap can be had from here on.
    ///
    /// # Errors
    /// The file does not take it.
    pub fn begin(self) -> io::Result<Begun> {
        let Capture { target, header, sources, shared, clock, .. } = self;
        let mut sink = Sink::new(target, sources.len());
        sink.put(&header);
        sink.flush(|_| Vec::new());
        match sink.failure() {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(Begun { sink, sources, shared, clock }),
        }
    }
}

impl Begun {
    /// Starts the writer, and waits until its priority is the lowest. Whatever privileges the calling
    /// thread has, that has too.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(self) -> io::Result<Writing> {
        let Begun { sink, sources, shared, clock } = self;
        let counts = locked(&shared.counts).clone();
        let writer = Writer { sink, sources, shared: shared.clone(), clock, began: clock.now(), counts };
        let (settled, awaited) = mpsc::channel::<()>();
        let body = move || {
            // Refused only where it is lower already.
            let _ = rustix::process::setpriority_process(None, NICE);
            drop(settled);
            writer.run();
        };
        let thread = thread::Builder::new().name("hf-capture".to_owned()).spawn(body)?;
        // Nothing is sent: the end of the channel is the word.
        let _ = awaited.recv();
        Ok(Writing { shared, thread })
    }
}

impl Writing {
    /// What it has come to so far.
    pub fn report(&self) -> Report {
        self.shared.report()
    }

    /// Why nothing is written any more, if so. Cheap: look as often as you like.
    pub fn failure(&self) -> Option<String> {
        let ended = self.shared.ended.load(Relaxed);
        ended.then(|| locked(&self.shared.failure).clone()).flatten()
    }

    /// Ends it, once nothing uses a tap any more: what is in the rings is written first.
    pub fn finish(self) -> Report {
        self.shared.stopping.store(true, Relaxed);
        if self.thread.join().is_err() {
            locked(&self.shared.failure).get_or_insert_with(|| "its thread ended: this is a bug".to_owned());
        }
        self.shared.ended.store(true, Relaxed);
        self.shared.report()
    }
}

impl Shared {
    fn report(&self) -> Report {
        let counts = locked(&self.counts);
        let sum = |count: fn(&Counts) -> &Counter| counts.iter().map(|each| count(each).value()).sum::<u64>();
        let captured = self.captured.value();
        // While it goes on, these are only on their way.
        let ended = self.ended.load(Relaxed);
        let lost = if ended { sum(|counts| &counts.copied).saturating_sub(captured) } else { 0 };
        Report {
            file: self.file.clone(),
            bytes: self.bytes.value(),
            seen: sum(|counts| &counts.seen),
            captured,
            left_out: sum(|counts| &counts.left_out),
            dropped: Dropped {
                ring_full: sum(|counts| &counts.ring_full),
                over_share: sum(|counts| &counts.over_share),
                unwritten: lost + sum(|counts| &counts.after_end),
            },
            error: locked(&self.failure).clone(),
        }
    }
}

/// The thread of low priority.
struct Writer<T> {
    sink: Sink<T>,
    sources: Vec<Source>,
    shared: Arc<Shared>,
    clock: Clock,
    began: u64,
    counts: Vec<Arc<Counts>>,
}

impl<T: Target> Writer<T> {
    fn run(mut self) {
        loop {
            let stopping = self.shared.stopping.load(Relaxed);
            let until = if stopping { u64::MAX } else { self.complete_until() };
            let before = self.sink.bytes();
            while merge(&mut self.sources, until, &mut self.sink) {
                self.flush();
            }
            self.flush();
            if stopping {
                break;
            }
            thread::sleep(if self.sink.bytes() > before { NAP } else { IDLE_NAP });
        }
        if self.sink.failure().is_none() {
            let last = statistics(&self.counts, self.began, self.clock.now(), self.sink.written());
            self.sink.put(&last);
            self.flush();
        }
    }

    /// Up to which time stamp every queue has put in what it saw. While a ring fills up, a tap in the
    /// middle of a batch is not waited for: then order is worth less than a frame.
    fn complete_until(&self) -> u64 {
        // Before the taps are asked: see `Progress`.
        let now = self.clock.now();
        if self.sources.len() < 2 {
            return now;
        }
        let all = self.counts.iter().map(|counts| counts.progress.least()).min();
        let least = all.filter(|_| !self.sources.iter().any(Source::is_crowded));
        now.saturating_sub(HOLD).min(least.unwrap_or(u64::MAX))
    }

    fn flush(&mut self) {
        let Writer { sink, shared, clock, began, counts, .. } = self;
        sink.flush(|written| statistics(counts, *began, clock.now(), written));
        shared.bytes.set(sink.bytes());
        shared.captured.set(sink.written().iter().sum());
        if let Some(error) = sink.failure() {
            locked(&shared.failure).get_or_insert_with(|| error.to_string());
            shared.ended.store(true, Relaxed);
        }
    }
}

/// The blocks that a file ends with, one of each interface.
fn statistics(counts: &[Arc<Counts>], began: u64, ended: u64, written: &[u64]) -> Vec<u8> {
    let each = counts.iter().zip(written).enumerate().map(|(interface, (counts, captured))| {
        let unwritten = counts.copied.value().saturating_sub(*captured) + counts.after_end.value();
        let statistics = Statistics {
            began,
            ended,
            seen: counts.seen.value(),
            dropped: counts.ring_full.value() + counts.over_share.value() + unwritten,
            chosen: counts.seen.value().saturating_sub(counts.left_out.value()),
            captured: *captured,
        };
        pcapng::statistics(interface as u32, &statistics)
    });
    each.collect::<Vec<_>>().concat()
}

/// A ring all of whose memory has been touched: no page fault later.
pub(super) fn ring(bytes: usize) -> (Producer<u8>, Source) {
    let (mut producer, mut consumer) = RingBuffer::new(bytes);
    if let Ok(mut chunk) = producer.write_chunk(bytes) {
        chunk.as_mut_slices().0.fill(1);
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(bytes) {
        chunk.commit_all();
    }
    (producer, Source::new(consumer))
}

/// The kernel's name and release.
fn system() -> String {
    let name = nix::sys::utsname::uname();
    let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
    name.map_or_else(
        |_| "Linux".to_owned(),
        |name| format!("{} {}", part(name.sysname()), part(name.release())),
    )
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
