use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

use super::capture_text;
use crate::engine::stack::{Active, Finished};
use crate::engine::{CoreSnapshot, Named, Polling, QueueSnapshot, Snapshot};
use crate::observe::DROP_REASONS;

/// What a run came to. `Display` is the text, `Serialize` the JSON.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Of this layout: fields are added under the same number, never changed or removed.
    pub schema: u32,
    pub version: &'static str,
    pub duration_s: f64,
    pub active: ActiveReport,
    pub total: CoreSnapshot,
    #[serde(flatten)]
    pub detail: Snapshot,
    /// Why the run ended by itself, if it did.
    pub fault: Option<String>,
}

/// [`Active`] for programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveReport {
    pub devices: Vec<DeviceReport>,
    pub cpus: Vec<usize>,
    /// `busy` or `adaptive`.
    pub polling: String,
    pub max_connections: u32,
    pub table_bytes: usize,
    pub notes: Vec<String>,
}

/// One device of [`ActiveReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    pub name: String,
    pub driver: String,
    pub mode: String,
    pub zero_copy: bool,
    pub queues: u32,
    pub tx_budget: u32,
}

impl Summary {
    pub fn new(active: &Active, finished: &Finished) -> Summary {
        Summary {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            duration_s: finished.elapsed.as_secs_f64(),
            active: ActiveReport::new(active),
            total: finished.snapshot.total(),
            detail: finished.snapshot.clone(),
            fault: finished.fault.as_ref().map(ToString::to_string),
        }
    }
}

impl ActiveReport {
    pub fn new(active: &Active) -> ActiveReport {
        let devices = active.devices.iter().map(|device| DeviceReport {
            name: device.name.clone(),
            driver: device.driver.clone(),
            mode: device.mode.to_string(),
            zero_copy: device.zero_copy,
            queues: device.queues,
            tx_budget: device.tx_budget,
        });
        let polling = match active.polling {
            Polling::Busy => "busy",
            Polling::Adaptive => "adaptive",
        };
        ActiveReport {
            devices: devices.collect(),
            cpus: active.cpus.clone(),
            polling: polling.to_owned(),
            max_connections: active.max_connections,
            table_bytes: active.table_bytes,
            notes: active.notes.clone(),
        }
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        writeln!(f, "summary of {:.1} s", self.duration_s)?;
        row(f, "frames", &format!("{} in, {} out", total.frames_in, total.frames_out))?;
        row(f, "SYNs", &total.syns.to_string())?;
        row(
            f,
            "SYN-ACKs",
            &format!(
                "{} from state, {} by cookie, {} sent again",
                total.syn_acks, total.syn_acks_cookie, total.syn_ack_retransmissions
            ),
        )?;
        let open = total.connections.saturating_sub(total.time_wait);
        row(
            f,
            "established",
            &format!("{} ({} by cookie), {open} still there", total.established, total.established_by_cookie),
        )?;
        row(f, "closed", &list(&total.closed))?;
        row(f, "sent again", &format!("{} segments of data or FIN", total.retransmissions))?;
        row(
            f,
            "answers",
            &format!(
                "{} RST, {} challenge ACK, {} ARP, {} neighbour, {} ping",
                total.resets_sent,
                total.challenge_acks,
                total.arp_replies,
                total.neighbour_adverts,
                total.echo_replies
            ),
        )?;
        row(
            f,
            "between cores",
            &format!("{} forwarded, {} received", total.forwarded_out, total.forwarded_in),
        )?;
        row(f, "silent peers", &silent_peers(total))?;
        row(f, "send buffers", &send_buffers(total))?;
        self.drops(f)?;
        for queue in &self.detail.queues {
            row(f, &format!("{} queue {}", queue.device, queue.queue), &queue_text(queue))?;
        }
        for steering in &self.detail.steering {
            row(f, &format!("{} steering", steering.device), &list(&steering.verdicts))?;
        }
        if let Some(capture) = &self.detail.capture {
            row(f, "captured", &capture_text(capture))?;
        }
        if total.frames_lost > 0 {
            row(f, "lost frames", &format!("{} (a bug: please report it)", total.frames_lost))?;
        }
        Ok(())
    }
}

impl Summary {
    /// A line per reason: here the explanation is worth its room.
    fn drops(&self, f: &mut Formatter<'_>) -> fmt::Result {
        row(f, "dropped", &self.total.drops.sum().to_string())?;
        let width = self.total.drops.seen().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, count) in self.total.drops.seen() {
            let reason = DROP_REASONS.iter().find(|reason| reason.name() == name);
            let why = reason.map_or("", |reason| reason.describe());
            writeln!(f, "    {name:width$}  {count:>9}  {why}")?;
        }
        Ok(())
    }
}

/// What to tell the operator of a run in which nothing was answered.
pub fn steering_note(total: &CoreSnapshot) -> Option<String> {
    let partial = total.drops.named("tcp_partial_checksum");
    (partial > 0).then(|| {
        format!(
            "{partial} TCP segments had only a partial checksum: the peer's end of a veth pair leaves \
             checksums to hardware it does not have; at the peer: ethtool -K PEER tx off \
             (or accept them: --accept-partial-checksums)"
        )
    })
}

fn silent_peers(total: &CoreSnapshot) -> String {
    format!(
        "{} keep-alives sent, {} connections ended; {} idle ones gave way to new ones",
        total.keepalives,
        total.closed.named("keepalive_timeout") + total.closed.named("idle_timeout"),
        total.closed.named("idle_evicted"),
    )
}

/// How full they were; if they ever were short, how often, for how long, and what gave way.
pub fn send_buffers(total: &CoreSnapshot) -> String {
    let most = format!("at most {} of {} in use", total.send_buffers_most, total.send_buffers_limit);
    if total.send_buffer_shortages == 0 {
        return most;
    }
    let short_ms = total.send_buffer_shortage_ms + total.send_buffers_short_ms;
    let often = match total.send_buffer_shortages {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    format!(
        "{most}; short {often}, {:.1} s in all: {} connections without progress gave way, {} segments were \
         left for later",
        short_ms as f64 / 1000.0,
        total.closed.named("stall_evicted"),
        total.drops.named("no_send_buffer"),
    )
}

fn row(f: &mut Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {name:<16} {text}")
}

fn list(named: &Named) -> String {
    let seen: Vec<String> = named.seen().map(|(name, count)| format!("{name} {count}")).collect();
    if seen.is_empty() { "none".to_owned() } else { seen.join(", ") }
}

fn queue_text(queue: &QueueSnapshot) -> String {
    let mut text = format!(
        "core {}, {} received, {} sent in {} wake-ups",
        queue.core, queue.received, queue.transmitted, queue.wakeups
    );
    let Some(kernel) = &queue.kernel else {
        return text;
    };
    for (name, count) in [
        ("rx dropped", kernel.rx_dropped),
        ("rx ring full", kernel.rx_ring_full),
        ("fill ring empty", kernel.rx_fill_ring_empty),
        ("rx invalid", kernel.rx_invalid_descs),
        ("tx invalid", kernel.tx_invalid_descs),
        ("tx ring full", queue.tx_ring_full),
        ("bad descriptors", queue.bad_descriptors),
        ("link down", queue.link_down),
    ] {
        if count > 0 {
            text += &format!(", {name} {count}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn summary() -> Summary {
        let finished = Finished {
            snapshot: Snapshot {
                cores: vec![CoreSnapshot {
                    syns: 5,
                    syn_acks: 5,
                    send_buffers_most: 60,
                    send_buffers_limit: 64,
                    send_buffer_shortages: 2,
                    send_buffer_shortage_ms: 1500,
                    drops: Named(vec![("paws".into(), 2), ("ip_header".into(), 0)]),
                    closed: Named(vec![("passive".into(), 3)]),
                    ..CoreSnapshot::default()
                }],
                ..Snapshot::default()
            },
            elapsed: Duration::from_secs(2),
            fault: None,
        };
        let active = Active {
            devices: Vec::new(),
            cpus: vec![0],
            polling: Polling::Adaptive,
            max_connections: 1,
            table_bytes: 1,
            notes: Vec::new(),
        };
        Summary::new(&active, &finished)
    }

    #[test]
    fn text_names_each_drop_that_happened_and_why() {
        let text = summary().to_string();
        assert!(text.contains("paws") && text.contains("An old timestamp"), "{text}");
        assert!(!text.contains("ip_header"), "{text}");
        assert!(text.contains("passive 3"), "{text}");
    }

    #[test]
    fn text_says_how_often_send_buffers_were_short_and_what_gave_way() {
        let wanted = "at most 60 of 64 in use; short 2 times, 1.5 s in all: 0 connections";
        let text = summary().to_string();
        assert!(text.contains(wanted), "{text}");
        assert_eq!(send_buffers(&CoreSnapshot::default()), "at most 0 of 0 in use");
    }

    #[test]
    fn json_has_the_same_counts_by_name() {
        let json = serde_json::to_value(summary()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["total"]["drops"]["paws"], 2);
        assert_eq!(json["total"]["syn_acks"], 5);
        assert_eq!(json["cores"][0]["closed"]["passive"], 3);
    }
}
