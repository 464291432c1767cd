//! Results from what a run measured.

use super::bottleneck::Bottleneck;
use super::cpu::{self, Cpu};
use super::figures::{Connections, Histograms, Latencies, Load, Packets, Rate};
use super::latency::{Encoded, Latency};
use super::measured::{Measured, Run};
use super::outcome::Outcome;
use super::results::{Results, SCHEMA, SENT_TWICE};
use crate::{ActiveReport, machine};
use handfast_stack::engine::stack::Effective;

impl Results {
    pub fn new(run: &Run, active: &Effective, measured: &Measured) -> Results {
        let cpu = Cpu::over(&measured.cpu, &active.cpus, cpu::ticks_per_second());
        let packets =
            Packets { received: measured.traffic.packets_received, sent: measured.traffic.packets_sent };
        let (kernel, host) = machine();
        let mut results = Results {
            schema: SCHEMA.to_owned(),
            handfast: env!("CARGO_PKG_VERSION").to_owned(),
            kernel,
            host,
            started_at: humantime::format_rfc3339_millis(run.started_at).to_string(),
            command: run.command.clone(),
            target: run.target.clone(),
            workload: run.workload.clone(),
            options: run.options.clone(),
            load: Load { lag_us: measured.lag, waited_s: measured.waited, ..run.load.clone() },
            mode: mode(active),
            active: ActiveReport::new(active),
            duration_s: measured.duration_s,
            opening_s: measured.opening_s,
            path: measured.path.clone(),
            connections: Connections {
                attempted: measured.attempted,
                established: measured.established,
                completed: measured.completed,
                in_flight: measured.in_flight,
                failed: measured.failed.clone(),
                http_statuses: measured.http_statuses.clone(),
            },
            rate: Rate::default(),
            latency_us: Latencies {
                connect: Latency::of(&measured.connect_us),
                completion: Latency::of(&measured.completion_us),
            },
            packets,
            packets_per_connection: packets.per(measured.completed),
            retransmissions: measured.traffic.retransmissions,
            data_retransmissions: measured.traffic.data_retransmissions,
            target_retransmissions: measured.traffic.drops.get(SENT_TWICE).copied().unwrap_or(0),
            drops: measured.traffic.drops.clone(),
            cpu: Cpu { client_idle: measured.idle, ..cpu }.completing(measured.completed),
            bottleneck: Bottleneck::default(),
            outcome: Outcome::default(),
            notes: active.notes.iter().chain(&run.notes).cloned().collect(),
            parts: Vec::new(),
            series: measured.series.clone(),
            histograms: Histograms {
                connect: Encoded::of(&measured.connect_us),
                completion: Encoded::of(&measured.completion_us),
            },
        };
        results.rate = Rate::of(&results, &results.series);
        results.bottleneck = Bottleneck::find(&results);
        results
    }
}

/// One word if all devices agree.
fn mode(active: &Effective) -> String {
    let mut modes: Vec<String> = active.devices.iter().map(|device| device.mode.to_string()).collect();
    modes.sort();
    modes.dedup();
    modes.join("+")
}
