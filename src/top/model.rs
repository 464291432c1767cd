use std::collections::{BTreeMap, VecDeque};

use super::Series;
use handfast_control::Status;
use handfast_stack::engine::{CoreSnapshot, Named, QueueSnapshot};
use handfast_stack::xdp::Verdict;

/// Rates that are kept for a picture: the widest terminal's.
const KEPT: usize = 600;

/// The statuses so far.
#[derive(Clone, Debug)]
pub struct Model {
    now: Status,
    before: Option<Status>,
    states: Option<BTreeMap<String, u64>>,
    /// Time of the first status, by the program's clock, and the number of statuses since.
    begun: f64,
    taken: u32,
    /// Rates, the newest last.
    histories: [VecDeque<u64>; 6],
}

/// A count and how fast it grows.
#[derive(Clone, Debug, PartialEq)]
pub struct Rated {
    pub name: String,
    pub per_second: f64,
    pub total: u64,
}

/// Who answers SYNs by cookie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CookieRates {
    /// Listeners whose SYNs are answered by cookie because of their load, or always by the eBPF program.
    pub listeners: u64,
    /// SYN-ACKs of the eBPF program and of the cores, per second.
    pub by_ebpf: f64,
    pub by_cores: f64,
}

/// What a core did since the status before.
#[derive(Clone, Debug, PartialEq)]
pub struct CoreRow {
    pub cpu: Option<usize>,
    /// Share of its time in which it had something to do, 0 to 1.
    pub busy: f64,
    pub frames_in: f64,
    pub frames_out: f64,
    pub batches: f64,
    /// Frames that came in a batch; `None`: no batch.
    pub frames_per_batch: Option<f64>,
    pub connections: u64,
}

/// What a queue did since the status before.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    pub name: String,
    pub core: usize,
    pub received: f64,
    pub transmitted: f64,
    pub wakeups: f64,
    pub frames_per_wakeup: Option<f64>,
    /// Since the start, as the rest: frames the kernel dropped since our receive ring was full.
    pub rx_ring_full: u64,
    /// It found no frame of ours to receive into.
    pub fill_ring_empty: u64,
    /// It dropped for other reasons.
    pub rx_dropped: u64,
    /// Our transmit ring had no room.
    pub tx_ring_full: u64,
}

impl Model {
    pub fn new(first: Status) -> Model {
        let begun = first.uptime_s;
        Model { now: first, before: None, states: None, begun, taken: 0, histories: Default::default() }
    }

    /// Connections by state, counted anew.
    pub fn count(&mut self, mut states: BTreeMap<String, u64>) {
        // A state without connections keeps its row: rows that come and go are hard to read.
        for name in self.states.iter().flat_map(BTreeMap::keys) {
            states.entry(name.clone()).or_insert(0);
        }
        self.states = Some(states);
    }

    /// The next status.
    pub fn take(&mut self, status: Status) {
        self.before = Some(std::mem::replace(&mut self.now, status));
        self.taken += 1;
        let series = Series::of(&self.now);
        for (at, series) in series.into_iter().enumerate() {
            let rate = self.rate(|status| series.count(status)).round() as u64;
            if let Some(history) = self.histories.get_mut(at) {
                history.push_back(rate);
                if history.len() > KEPT {
                    history.pop_front();
                }
            }
        }
    }

    /// The newest status.
    pub fn status(&self) -> &Status {
        &self.now
    }

    /// As they were counted last.
    pub fn states(&self) -> Option<&BTreeMap<String, u64>> {
        self.states.as_ref()
    }

    /// Each series of this program, its rate and its count, with its rates so far, the newest last.
    pub fn series(&self) -> impl Iterator<Item = (Rated, &VecDeque<u64>)> {
        Series::of(&self.now).into_iter().zip(&self.histories).map(|(series, history)| {
            let per_second = self.rate(|status| series.count(status));
            (Rated { name: series.name().to_owned(), per_second, total: series.count(&self.now) }, history)
        })
    }

    /// Seconds between the last two statuses, by the program's clock; `None`: there is one only.
    pub fn seconds(&self) -> Option<f64> {
        let seconds = self.now.uptime_s - self.before.as_ref()?.uptime_s;
        (seconds > 0.0).then_some(seconds)
    }

    /// The mean of all intervals: the time that a column of a history stands for.
    pub fn seconds_each(&self) -> Option<f64> {
        (self.taken > 0).then(|| (self.now.uptime_s - self.begun) / f64::from(self.taken))
    }

    /// Drops that were seen, the most first.
    pub fn drops(&self) -> Vec<Rated> {
        let mut drops = self.named(&self.now.total.drops, |status| &status.total.drops);
        drops.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.name.cmp(&b.name)));
        drops
    }

    /// How connections have ended, in the order of the program's list.
    pub fn closed(&self) -> Vec<Rated> {
        self.named(&self.now.total.closed, |status| &status.total.closed)
    }

    /// Verdicts of the steering program that were seen, of all devices together, the most first.
    pub fn verdicts(&self) -> Vec<Rated> {
        let all = |status: &Status, name: &str| {
            status.detail.steering.iter().map(|device| device.verdicts.named(name)).sum::<u64>()
        };
        let Some(first) = self.now.detail.steering.first() else { return Vec::new() };
        let rated = first.verdicts.0.iter().map(|(name, _)| Rated {
            per_second: self.rate(|status| all(status, name)),
            total: all(&self.now, name),
            name: name.to_string(),
        });
        let mut seen: Vec<Rated> = rated.filter(|verdict| verdict.total > 0).collect();
        seen.sort_by_key(|verdict| std::cmp::Reverse(verdict.total));
        seen
    }

    /// `None`: no SYN is answered by cookie now.
    pub fn cookies(&self) -> Option<CookieRates> {
        let detail = &self.now.detail;
        let by_cores = detail.cores.iter().map(|core| core.cookie_listeners).max().unwrap_or(0);
        let rates = CookieRates {
            listeners: detail.cookie_tier.listeners.max(by_cores),
            by_ebpf: self.rate(|status| status.detail.steered(Verdict::TxSynAck)),
            by_cores: self.rate(|status| status.total.syn_acks_cookie),
        };
        (rates.listeners > 0 || rates.by_ebpf + rates.by_cores > 0.0).then_some(rates)
    }

    /// By number.
    pub fn cores(&self) -> Vec<CoreRow> {
        let cores = &self.now.detail.cores;
        cores.iter().enumerate().map(|(number, core)| self.core(number, core)).collect()
    }

    fn core(&self, number: usize, core: &CoreSnapshot) -> CoreRow {
        let rate = |count: fn(&CoreSnapshot) -> u64| {
            self.rate(|status| status.detail.cores.get(number).map_or(0, count))
        };
        let (frames_in, batches) = (rate(|core| core.frames_in), rate(|core| core.batches));
        let spare = rate(|core| core.idle_ns) / 1e9;
        CoreRow {
            cpu: self.now.active.cpus.get(number).copied(),
            busy: if self.seconds().is_some() { (1.0 - spare).clamp(0.0, 1.0) } else { 0.0 },
            frames_in,
            frames_out: rate(|core| core.frames_out),
            batches,
            frames_per_batch: quotient(frames_in, batches),
            connections: core.connections,
        }
    }

    /// In the program's order; empty if it does not report queues.
    pub fn queues(&self) -> Vec<QueueRow> {
        self.now.detail.queues.iter().map(|queue| self.queue(queue)).collect()
    }

    fn queue(&self, queue: &QueueSnapshot) -> QueueRow {
        let same = |other: &&QueueSnapshot| (&other.device, other.queue) == (&queue.device, queue.queue);
        let rate = |count: fn(&QueueSnapshot) -> u64| {
            self.rate(|status| status.detail.queues.iter().find(same).map_or(0, count))
        };
        let (transmitted, wakeups) = (rate(|queue| queue.transmitted), rate(|queue| queue.wakeups));
        let kernel = queue.kernel.clone().unwrap_or_default();
        QueueRow {
            name: format!("{} {}", queue.device, queue.queue),
            core: queue.core,
            received: rate(|queue| queue.received),
            transmitted,
            wakeups,
            frames_per_wakeup: quotient(transmitted, wakeups),
            rx_ring_full: kernel.rx_ring_full,
            fill_ring_empty: kernel.lost_for_no_frame(),
            rx_dropped: kernel.rx_dropped + kernel.rx_invalid_descs,
            tx_ring_full: queue.tx_ring_full,
        }
    }

    fn named<'a>(&'a self, now: &Named, of: impl Fn(&'a Status) -> &'a Named) -> Vec<Rated> {
        let rated = |(name, total): (&str, u64)| Rated {
            per_second: self.rate(|status| of(status).named(name)),
            total,
            name: name.to_owned(),
        };
        now.seen().map(rated).collect()
    }

    /// Per second since the status before. A count that begins anew, as a benchmark's do with each
    /// step, grew by nothing.
    fn rate<'a>(&'a self, count: impl Fn(&'a Status) -> u64) -> f64 {
        match (&self.before, self.seconds()) {
            (Some(before), Some(seconds)) => count(&self.now).saturating_sub(count(before)) as f64 / seconds,
            _ => 0.0,
        }
    }
}

fn quotient(of: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| of / by)
}
