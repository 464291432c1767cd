//! The response to a scrape, in Prometheus' text format 0.0.4.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::proto::{Counter, Gauge, LabelPair, Metric as Sample, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::catalogue::{self as names, Metric, MetricKind};
use handfast_load::{Control, Failure, Totals};
use handfast_stack::engine::stack::{ActiveTier, Effective, Watch};
use handfast_stack::engine::{CoreSnapshot, QueueSnapshot, Snapshot};

/// The counters that a scrape reads.
#[derive(Clone)]
pub struct MetricsSource {
    active: Effective,
    watch: Watch,
    bench: Option<Arc<Control>>,
    started: Instant,
}

impl MetricsSource {
    /// The counters of a stack that was just started, and of its load generator, if it has one.
    pub fn new(active: Effective, watch: Watch, bench: Option<Arc<Control>>) -> MetricsSource {
        MetricsSource { active, watch, bench, started: Instant::now() }
    }

    /// The current values of all metrics.
    pub fn text(&self) -> Vec<u8> {
        let bench = self.bench.as_ref().map(|control| control.totals());
        text(&self.active, &self.watch.snapshot(), bench.as_ref(), self.started.elapsed())
    }
}

/// All metrics of these counters.
pub fn text(active: &Effective, snapshot: &Snapshot, bench: Option<&Totals>, uptime: Duration) -> Vec<u8> {
    let mut families = Families::default();
    families.program(active, uptime.as_secs_f64());
    families.cores(&snapshot.cores);
    families.queues(&snapshot.queues);
    let steering = snapshot.steering.iter().flat_map(|steering| {
        let verdicts = steering.verdicts.0.iter();
        verdicts.map(|(name, count)| (vec![steering.device.clone(), name.to_string()], *count as f64))
    });
    families.add(&names::STEERING, steering);
    for (metric, value) in names::OF_TIER {
        families.one(metric, Vec::new(), value(&snapshot.cookie_tier) as f64);
    }
    if let Some(totals) = bench {
        families.bench(totals);
    }
    families.text()
}

/// Metrics in the order of the response.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    /// Adds a metric with one value per list of label values. Without values it is left out.
    fn add(&mut self, metric: &Metric, values: impl Iterator<Item = (Vec<String>, f64)>) {
        let samples: Vec<Sample> = values.map(|(labels, value)| sample(metric, labels, value)).collect();
        if samples.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.kind {
            MetricKind::Counter => MetricType::COUNTER,
            MetricKind::Gauge => MetricType::GAUGE,
        });
        family.set_metric(samples);
        self.0.push(family);
    }

    fn one(&mut self, metric: &Metric, labels: Vec<String>, value: f64) {
        self.add(metric, std::iter::once((labels, value)));
    }

    fn program(&mut self, active: &Effective, uptime: f64) {
        self.one(&names::BUILD, vec![env!("CARGO_PKG_VERSION").to_owned()], 1.0);
        self.one(&names::UPTIME, Vec::new(), uptime);
        let cpus = active.cpus.iter().enumerate();
        self.add(&names::CORES, cpus.map(|(core, cpu)| (vec![core.to_string(), cpu.to_string()], 1.0)));
        let devices = active.devices.iter().map(|device| {
            let copy = if device.zero_copy { "zero-copy" } else { "copy" };
            let cookies = match &device.cookie_tier {
                ActiveTier::None => "none",
                ActiveTier::Engine | ActiveTier::EngineBecause(_) => "engine",
                ActiveTier::Ebpf => "ebpf",
            };
            let labels = [&device.name, &device.driver, &device.mode.to_string(), copy, cookies];
            (labels.iter().map(ToString::to_string).collect(), 1.0)
        });
        self.add(&names::DEVICES, devices);
        self.one(&names::LIMIT, Vec::new(), f64::from(active.max_connections));
    }

    fn cores(&mut self, cores: &[CoreSnapshot]) {
        for (index, metric) in names::per_core() {
            let values =
                by_core(cores).filter_map(|(id, core)| Some((vec![id], core.counts().nth(index)?.1 as f64)));
            self.add(&metric, values);
        }
        let short = |core: &CoreSnapshot| f64::from(u8::from(core.send_buffers_short_ms > 0));
        self.add(&names::BUFFERS_SHORT, by_core(cores).map(|(id, core)| (vec![id], short(core))));
        self.add(&names::IDLE, by_core(cores).map(|(id, core)| (vec![id], seconds(core.idle_ns))));
        let short =
            |core: &CoreSnapshot| (core.send_buffer_shortage_ms + core.send_buffers_short_ms) as f64 / 1000.0;
        self.add(&names::SHORTAGE, by_core(cores).map(|(id, core)| (vec![id], short(core))));
        if cores.iter().any(|core| core.stages_ns.sum() > 0) {
            let stages = by_core(cores).flat_map(|(id, core)| {
                let stages = core.stages_ns.0.iter();
                stages.map(move |(stage, ns)| (vec![id.clone(), stage.to_string()], seconds(*ns)))
            });
            self.add(&names::STAGE, stages);
        }
        let connections = by_core(cores).flat_map(|(id, core)| {
            states(core).map(|(state, count)| (vec![id.clone(), state.to_owned()], count as f64))
        });
        self.add(&names::CONNECTIONS, connections);
        for (metric, named) in names::PER_NAME {
            let values = by_core(cores).flat_map(|(id, core)| {
                let counts = named(core).0.iter();
                counts.map(move |(name, count)| (vec![id.clone(), name.to_string()], *count as f64))
            });
            self.add(metric, values);
        }
    }

    fn queues(&mut self, queues: &[QueueSnapshot]) {
        for (metric, value) in names::PER_QUEUE {
            self.add(metric, queues.iter().map(|queue| (place(queue), value(queue) as f64)));
        }
        let events = queues.iter().filter_map(|queue| Some((queue, queue.kernel.as_ref()?)));
        let events = events.flat_map(|(queue, kernel)| {
            names::EVENTS.iter().map(move |(event, _, value)| {
                let mut labels = place(queue);
                labels.push((*event).to_owned());
                (labels, value(kernel) as f64)
            })
        });
        self.add(&names::KERNEL, events);
    }

    fn bench(&mut self, totals: &Totals) {
        self.one(&names::ATTEMPTED, Vec::new(), totals.attempted as f64);
        self.one(&names::ESTABLISHED, Vec::new(), totals.established as f64);
        self.one(&names::COMPLETED, Vec::new(), totals.completed as f64);
        let failed = Failure::ALL.iter().zip(totals.failed);
        let labelled = failed.map(|(failure, count)| (vec![failure.name().to_owned()], count as f64));
        self.add(&names::FAILED, labelled);
        self.one(&names::IN_FLIGHT, Vec::new(), totals.in_flight as f64);
    }

    /// Encoding fails only for families without name or samples, which are not added.
    fn text(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(32 << 10);
        let encoded = TextEncoder::new().encode(&self.0, &mut text);
        debug_assert!(encoded.is_ok(), "{encoded:?}");
        text
    }
}

/// A `u64` as `f64`: exact below 2^53, which is 15 years of 20 million a second.
fn sample(metric: &Metric, values: Vec<String>, value: f64) -> Sample {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels = metric.labels.iter().zip(values).map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_string());
        pair.set_value(value);
        pair
    });
    let mut sample = Sample::from_label(labels.collect());
    match metric.kind {
        MetricKind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        }
        MetricKind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
    }
    sample
}

fn by_core(cores: &[CoreSnapshot]) -> impl Iterator<Item = (String, &CoreSnapshot)> {
    cores.iter().enumerate().map(|(id, core)| (id.to_string(), core))
}

/// Connections by state. The three are read one after the other: none is below 0 for that.
fn states(core: &CoreSnapshot) -> [(&'static str, u64); 3] {
    let open = core.connections.saturating_sub(core.half_open).saturating_sub(core.time_wait);
    [("half_open", core.half_open), ("open", open), ("time_wait", core.time_wait)]
}

fn place(queue: &QueueSnapshot) -> Vec<String> {
    vec![queue.device.clone(), queue.queue.to_string(), queue.core.to_string()]
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
