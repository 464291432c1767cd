use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rtrb::{Producer, RingBuffer};

use super::filter::CaptureFilter;
use super::merge::{MergeSource, merge};
use super::pcapng::{self, PcapngInterface, PcapngStatistics};
use super::report::{Dropped, Report};
use super::settings::Settings;
use super::sink::{FileTarget, Sink, SinkTarget};
use super::tap::{CaptureClock, Parts, RING, Tap, TapCounts};
use crate::observe::Counter;

/// Interval between two reads of the rings: at 2 M frames per second they are a sixth full by then.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The interval while nothing is captured.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Nanoseconds for which a frame waits for older ones of other queues in any case: more than a write of
/// one core takes to become visible to another.
const MERGE_DELAY: u64 = 2_000_000;
/// The lowest priority that still gets some time on the CPU of a spinning core.
const NICE: i32 = 19;

/// A capture that still creates taps.
pub struct Capture {
    target: FileTarget,
    settings: Settings,
    clock: CaptureClock,
    header: Vec<u8>,
    sources: Vec<MergeSource>,
    shared: Arc<CaptureState>,
}

/// A capture with its header in the file.
pub struct Begun {
    sink: Sink<FileTarget>,
    sources: Vec<MergeSource>,
    shared: Arc<CaptureState>,
    clock: CaptureClock,
}

/// A running capture.
pub struct CaptureWriter {
    shared: Arc<CaptureState>,
    thread: JoinHandle<()>,
}

/// State shared by the writer thread and its users.
struct CaptureState {
    file: String,
    counts: Mutex<Vec<Arc<TapCounts>>>,
    captured: Counter,
    bytes: Counter,
    failure: Mutex<Option<String>>,
    /// The file cannot be written any more.
    ended: Arc<AtomicBool>,
    /// The taps are no longer used.
    stopping: Arc<AtomicBool>,
}

impl Capture {
    /// Captures to this file, which is empty, or a pipe with O_NONBLOCK, so that a reader that stopped
    /// reading does not block the end. `name`: the name in messages.
    pub fn to(name: String, file: File, settings: Settings) -> Capture {
        let stopping = Arc::<AtomicBool>::default();
        let target = FileTarget { file, stopping: stopping.clone() };
        let program = concat!("handfast ", env!("CARGO_PKG_VERSION"));
        let shared = CaptureState {
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
            clock: CaptureClock::new(),
            sources: Vec::new(),
            shared: Arc::new(shared),
        }
    }

    /// The file name and the settings, for messages.
    pub fn describe(&self) -> String {
        format!("{}: {}", self.shared.file, self.settings.describe())
    }

    /// Creates a tap for one queue of a device, with resident memory.
    pub fn tap(&mut self, device: &str, queue: u32) -> Tap {
        let description = format!("AF_XDP socket on receive queue {queue} of {device}");
        let interface = self.sources.len() as u32;
        self.header.extend(pcapng::interface(&PcapngInterface {
            name: &format!("{device}:{queue}"),
            description: &description,
            snaplen: self.settings.snaplen.map_or(0, Into::into),
            filter: self.settings.filter().as_deref(),
        }));
        let (ring, source) = ring(RING);
        self.sources.push(source);
        let counts = Arc::<TapCounts>::default();
        locked(&self.shared.counts).push(counts.clone());
        Tap::new(Parts {
            interface,
            filter: CaptureFilter::new(&self.settings),
            snaplen: self.settings.snaplen.map(|bytes| bytes.get() as usize),
            cpu_percent: self.settings.cpu_percent,
            clock: self.clock,
            ring,
            counts,
            ended: self.shared.ended.clone(),
        })
    }

    /// Writes the header. After that no tap can be created.
    ///
    /// # Errors
    /// The file cannot be written.
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
    /// Starts the writer thread, and waits until its priority is the lowest. The thread inherits the
    /// privileges of the calling thread.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self) -> io::Result<CaptureWriter> {
        let Begun { sink, sources, shared, clock } = self;
        let counts = locked(&shared.counts).clone();
        let writer = Writer { sink, sources, shared: shared.clone(), clock, began: clock.now(), counts };
        let (priority_set, is_set) = mpsc::channel::<()>();
        let body = move || {
            // Refused only if it is lower already.
            let _ = rustix::process::setpriority_process(None, NICE);
            drop(priority_set);
            writer.run();
        };
        let thread = thread::Builder::new().name("hf-capture".to_owned()).spawn(body)?;
        // Nothing is sent: the closed channel is the signal.
        let _ = is_set.recv();
        Ok(CaptureWriter { shared, thread })
    }
}

impl CaptureWriter {
    /// The counts so far.
    pub fn report(&self) -> Report {
        self.shared.report()
    }

    /// The error that ended the capture, if any. Cheap enough to call often.
    pub fn failure(&self) -> Option<String> {
        let ended = self.shared.ended.load(Relaxed);
        ended.then(|| locked(&self.shared.failure).clone()).flatten()
    }

    /// Ends the capture after the last use of its taps. The content of the rings is written first.
    pub fn finish(self) -> Report {
        self.shared.stopping.store(true, Relaxed);
        if self.thread.join().is_err() {
            locked(&self.shared.failure).get_or_insert_with(|| "its thread ended: this is a bug".to_owned());
        }
        self.shared.ended.store(true, Relaxed);
        self.shared.report()
    }
}

impl CaptureState {
    fn report(&self) -> Report {
        let counts = locked(&self.counts);
        let sum =
            |count: fn(&TapCounts) -> &Counter| counts.iter().map(|each| count(each).value()).sum::<u64>();
        let captured = self.captured.value();
        // During the capture the difference is still in the rings.
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
                over_budget: sum(|counts| &counts.over_budget),
                unwritten: lost + sum(|counts| &counts.after_end),
            },
            error: locked(&self.failure).clone(),
        }
    }
}

/// The thread of low priority.
struct Writer<T> {
    sink: Sink<T>,
    sources: Vec<MergeSource>,
    shared: Arc<CaptureState>,
    clock: CaptureClock,
    began: u64,
    counts: Vec<Arc<TapCounts>>,
}

impl<T: SinkTarget> Writer<T> {
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
            thread::sleep(if self.sink.bytes() > before { POLL_INTERVAL } else { IDLE_POLL_INTERVAL });
        }
        if self.sink.failure().is_none() {
            let last = statistics(&self.counts, self.began, self.clock.now(), self.sink.written());
            self.sink.put(&last);
            self.flush();
        }
    }

    /// The timestamp up to which every queue has written its frames. While a ring is filling up, the writer
    /// does not wait for a tap in the middle of a batch: a frame is worth more than its order.
    fn complete_until(&self) -> u64 {
        // Read before the taps: see `Progress`.
        let now = self.clock.now();
        if self.sources.len() < 2 {
            return now;
        }
        let all = self.counts.iter().map(|counts| counts.progress.complete_until()).min();
        let complete = all.filter(|_| !self.sources.iter().any(MergeSource::is_crowded));
        now.saturating_sub(MERGE_DELAY).min(complete.unwrap_or(u64::MAX))
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

/// The blocks at the end of a file, one per interface.
fn statistics(counts: &[Arc<TapCounts>], began: u64, ended: u64, written: &[u64]) -> Vec<u8> {
    let each = counts.iter().zip(written).enumerate().map(|(interface, (counts, captured))| {
        let unwritten = counts.copied.value().saturating_sub(*captured) + counts.after_end.value();
        let statistics = PcapngStatistics {
            began,
            ended,
            seen: counts.seen.value(),
            dropped: counts.ring_full.value() + counts.over_budget.value() + unwritten,
            chosen: counts.seen.value().saturating_sub(counts.left_out.value()),
            captured: *captured,
        };
        pcapng::statistics(interface as u32, &statistics)
    });
    each.collect::<Vec<_>>().concat()
}

/// A ring with resident memory, so that there is no page fault later.
pub(super) fn ring(bytes: usize) -> (Producer<u8>, MergeSource) {
    let (mut producer, mut consumer) = RingBuffer::new(bytes);
    if let Ok(mut chunk) = producer.write_chunk(bytes) {
        chunk.as_mut_slices().0.fill(1);
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(bytes) {
        chunk.commit_all();
    }
    (producer, MergeSource::new(consumer))
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
