use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use nix::unistd::{User, getuid};

use super::core_query::query;
use super::status::{BenchStatus, ControlStatus, LatencyStatus, SCHEMA, Status};
use handfast_load::{Control, LatencyKind, LatencyQuery, RunStage, StepProgress};
use handfast_report::ActiveReport;
use handfast_stack::engine::stack::{Effective, Running};

/// The source of [`Status`]: a program, and what it has in addition to its stack.
pub struct StatusSource {
    program: &'static str,
    user: String,
    started: SystemTime,
    since: Instant,
    active: ActiveReport,
    listeners: RwLock<BTreeMap<u16, String>>,
    load: Option<Arc<Control>>,
    pub(super) counts: ErrorCounts,
}

/// [`ControlStatus`], counted.
#[derive(Debug, Default)]
pub(super) struct ErrorCounts {
    pub(super) clients: AtomicU64,
    pub(super) unauthorized: AtomicU64,
    pub(super) too_many: AtomicU64,
    pub(super) bad_requests: AtomicU64,
    /// Clients that are connected.
    pub(super) present: AtomicUsize,
}

impl StatusSource {
    /// `handfast respond`.
    pub fn responder(active: &Effective) -> StatusSource {
        StatusSource::new("respond", active, None)
    }

    /// `handfast bench`.
    pub fn bench(active: &Effective, load: &Arc<Control>) -> StatusSource {
        StatusSource::new("bench", active, Some(load.clone()))
    }

    fn new(program: &'static str, active: &Effective, load: Option<Arc<Control>>) -> StatusSource {
        let uid = getuid();
        let user = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        StatusSource {
            program,
            user,
            started: SystemTime::now(),
            since: Instant::now(),
            active: ActiveReport::new(active),
            listeners: RwLock::default(),
            load,
            counts: ErrorCounts::default(),
        }
    }

    /// Sets the listeners, by the ID that connections refer to.
    pub fn set_listeners(&self, listeners: impl IntoIterator<Item = (u16, String)>) {
        *self.listeners.write().unwrap_or_else(PoisonError::into_inner) = listeners.into_iter().collect();
    }

    /// The user who started the program.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn listeners(&self) -> BTreeMap<u16, String> {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn status(&self, running: &Running) -> Status {
        // First: a core counts its time asleep when it wakes.
        wake(running);
        let detail = running.snapshot();
        let mut active = self.active.clone();
        active.devices.iter_mut().for_each(|device| device.name = running.device_name(&device.name));
        Status {
            schema: SCHEMA.to_owned(),
            program: self.program.to_owned(),
            handfast: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            user: self.user.clone(),
            started_at: humantime::format_rfc3339_millis(self.started).to_string(),
            uptime_s: self.since.elapsed().as_secs_f64(),
            active,
            listeners: self.listeners().into_values().collect(),
            total: detail.total(),
            detail,
            states: None,
            bench: self.load.as_deref().map(|load| bench(load, running)),
            control: self.counts.read(),
        }
    }
}

impl ErrorCounts {
    fn read(&self) -> ControlStatus {
        ControlStatus {
            clients: self.clients.load(Relaxed),
            unauthorized: self.unauthorized.load(Relaxed),
            too_many: self.too_many.load(Relaxed),
            bad_requests: self.bad_requests.load(Relaxed),
        }
    }
}

/// Wakes every core for one iteration. The counters of a core that does not respond stay as they are.
fn wake(running: &Running) {
    for core in 0..running.cores() {
        let _ = query(running, core, (), |_, ()| ());
    }
}

fn bench(load: &Control, running: &Running) -> BenchStatus {
    let StepProgress { stage, attempted, established, completed, failed, in_flight, .. } = load.progress();
    BenchStatus {
        workload: load.plan().workload.name().to_owned(),
        target: load.plan().target.to_string(),
        stage: stage_name(stage).to_owned(),
        attempted,
        established,
        completed,
        failed,
        in_flight,
        connect_us: latency(running, LatencyKind::Connect),
        completion_us: latency(running, LatencyKind::Completion),
    }
}

/// The sum over all cores. `None`: nothing was measured yet, or a core does not respond.
fn latency(running: &Running, of: LatencyKind) -> Option<LatencyStatus> {
    let all = (0..running.cores()).try_fold(LatencyQuery::new(of), |form, core| {
        query(running, core, form, |worker, form| worker.report_opener(form)).ok()
    })?;
    let us = all.histogram;
    (!us.is_empty()).then(|| LatencyStatus {
        count: us.len(),
        p50: us.value_at_quantile(0.5),
        p99: us.value_at_quantile(0.99),
        p999: us.value_at_quantile(0.999),
        max: us.max(),
    })
}

fn stage_name(stage: RunStage) -> &'static str {
    match stage {
        RunStage::Idle => "idle",
        RunStage::WarmUp => "warm_up",
        RunStage::Measured => "measured",
        RunStage::Drain => "drain",
        RunStage::Finished => "finished",
    }
}
