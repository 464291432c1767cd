use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

mod syns;

use super::active::{active_notes, cookie_tier};
use super::{capture_text, machine};
use handfast_stack::engine::stack::{ActiveTier, Effective, Finished};
use handfast_stack::engine::{CoreSnapshot, Named, Polling, Priority, QueueSnapshot, Snapshot};
use handfast_stack::observe::DROP_REASONS;

/// The name of this layout. Fields may be added to it, but not changed or removed.
pub(crate) const SCHEMA: &str = "handfast-respond/1";

/// The summary of a run. `Display` is the text, `Serialize` the JSON.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program's version.
    pub handfast: &'static str,
    pub kernel: String,
    pub host: String,
    /// RFC 3339.
    pub started_at: String,
    pub command: String,
    pub duration_s: f64,
    pub active: ActiveReport,
    pub total: CoreSnapshot,
    #[serde(flatten)]
    pub detail: Snapshot,
    /// The fault that ended the run, if any.
    pub fault: Option<String>,
}

/// [`Effective`] as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActiveReport {
    pub devices: Vec<DeviceReport>,
    pub cpus: Vec<usize>,
    /// `busy` or `adaptive`.
    pub polling: String,
    /// As `--priority` writes it.
    #[serde(default = "inherited")]
    pub priority: String,
    pub max_connections: u32,
    pub table_bytes: usize,
    pub notes: Vec<String>,
}

/// The default for reports of older versions.
fn inherited() -> String {
    Priority::Inherited.to_string()
}

/// One device of [`ActiveReport`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    pub name: String,
    pub driver: String,
    pub mode: String,
    /// Whether every queue is in zero-copy mode.
    pub zero_copy: bool,
    /// The queues in zero-copy mode.
    #[serde(default)]
    pub zero_copy_queues: Vec<u32>,
    pub queues: u32,
    pub tx_budget: u32,
    /// Bytes of a frame of the UMEM; 0: not known.
    #[serde(default)]
    pub frame_size: u32,
    /// Bytes that the kernel pins for each queue; 0: not known.
    #[serde(default)]
    pub umem_bytes: u64,
    /// Who answers SYNs by cookie at the start: `ebpf` or `engine`; `None`: cookies are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_tier: Option<String>,
    /// Why the eBPF program does not, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_tier_reason: Option<String>,
}

impl Summary {
    pub fn new(active: &Effective, finished: &Finished) -> Summary {
        let (kernel, host) = machine();
        Summary {
            schema: SCHEMA,
            handfast: env!("CARGO_PKG_VERSION"),
            kernel,
            host,
            started_at: humantime::format_rfc3339_millis(SystemTime::now() - finished.elapsed).to_string(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            duration_s: finished.elapsed.as_secs_f64(),
            active: ActiveReport::new(active),
            total: finished.snapshot.total(),
            detail: finished.snapshot.clone(),
            fault: finished.fault.as_ref().map(ToString::to_string),
        }
    }
}

impl ActiveReport {
    pub fn new(active: &Effective) -> ActiveReport {
        let devices = active.devices.iter().map(|device| DeviceReport {
            name: device.name.clone(),
            driver: device.driver.clone(),
            mode: device.mode.to_string(),
            zero_copy: device.zero_copy,
            zero_copy_queues: device.zero_copy_queues.clone(),
            queues: device.queues,
            tx_budget: device.tx_budget,
            frame_size: device.frame_size,
            umem_bytes: device.umem_bytes,
            cookie_tier: cookie_tier(&device.cookie_tier).map(str::to_owned),
            cookie_tier_reason: match &device.cookie_tier {
                ActiveTier::EngineBecause(why) => Some(why.clone()),
                _ => None,
            },
        });
        let polling = match active.polling {
            Polling::Busy => "busy",
            Polling::Adaptive => "adaptive",
        };
        ActiveReport {
            devices: devices.collect(),
            cpus: active.cpus.clone(),
            polling: polling.to_owned(),
            priority: active.priority.to_string(),
            max_connections: active.max_connections,
            table_bytes: active.table_bytes,
            notes: active_notes(active),
        }
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        writeln!(f, "summary of {:.1} s", self.duration_s)?;
        row(f, "frames", &format!("{} in, {} out", total.frames_in, total.frames_out))?;
        for (name, text) in syns::rows(total, &self.detail) {
            row(f, name, &text)?;
        }
        let open = total.connections.saturating_sub(total.time_wait);
        row(
            f,
            "established",
            &format!("{} ({} by cookie), {open} still open", total.established, total.established_by_cookie),
        )?;
        row(f, "closed", &list(&total.closed))?;
        row(f, "retransmitted", &format!("{} segments with data or FIN", total.retransmissions))?;
        row(
            f,
            "replies",
            &format!(
                "{} RST, {} challenge ACK, {} ARP, {} neighbour, {} ping, {} ICMP unreachable; {} announcements",
                total.resets_sent,
                total.challenge_acks,
                total.arp_replies,
                total.neighbour_adverts,
                total.echo_replies,
                total.icmp_unreachables_sent,
                total.announcements
            ),
        )?;
        row(
            f,
            "between cores",
            &format!(
                "{} forwarded out, {} in; {} relayed to another interface, {} for other cores",
                total.forwarded_out, total.forwarded_in, total.relayed_out, total.relayed_in
            ),
        )?;
        if total.timestamps_missing > 0 {
            let text =
                format!("{} segments accepted without the negotiated timestamps", total.timestamps_missing);
            row(f, "no timestamps", &text)?;
        }
        if total.stop_notices + total.left_open > 0 {
            let text = format!(
                "{} connections ended with a RST or FIN, {} left open",
                total.stop_notices, total.left_open
            );
            row(f, "at the end", &text)?;
        }
        row(f, "silent peers", &silent_peers(total))?;
        row(f, "send buffers", &send_buffers(total))?;
        self.drops(f)?;
        for queue in &self.detail.queues {
            row(f, &format!("{} queue {}", queue.device, queue.queue), &queue_text(queue))?;
        }
        for steering in &self.detail.steering {
            let text = match &steering.unreadable {
                None => list(&steering.verdicts),
                Some(_) => UNREADABLE.to_owned(),
            };
            row(f, &format!("{} steering", steering.device), &text)?;
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
    /// One line per reason, with its meaning.
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

/// The text without verdicts.
const UNREADABLE: &str =
    "counters not readable on this kernel (without capabilities it takes Linux 5.19 or newer)";

/// A note on segments that arrive with a partial checksum. `drivers`: of the interfaces.
pub fn partial_checksums(total: &CoreSnapshot, drivers: &[&str]) -> Option<String> {
    let partial = total.drops.named("tcp_partial_checksum");
    let why = match drivers.contains(&"virtio_net") {
        true => {
            "virtio-net hands over what another machine on the same host has sent before its checksum is \
             finished, which generic mode does not see: take native mode (--mode native), or accept them \
             (--accept-partial-checksums) and at the sender ethtool -K PEER tso off gso off, or uploads stall"
        }
        false => {
            "the peer's end of a veth pair leaves checksums to hardware it does not have; at the peer: \
             ethtool -K PEER tx off tso off gso off (or accept them: --accept-partial-checksums, and at the peer \
             ethtool -K PEER tso off gso off, or uploads stall)"
        }
    };
    (partial > 0).then(|| format!("{partial} TCP segments had only a partial checksum: {why}"))
}

fn silent_peers(total: &CoreSnapshot) -> String {
    format!(
        "{} keep-alives sent, {} connections ended; {} idle ones evicted for new ones",
        total.keepalives,
        total.closed.named("keepalive_timeout") + total.closed.named("idle_timeout"),
        total.closed.named("idle_evicted"),
    )
}

/// The use of send buffers; if they were short: how often, for how long, and the consequences.
pub(crate) fn send_buffers(total: &CoreSnapshot) -> String {
    let used = format!("at most {} of {} in use", total.send_buffers_max, total.send_buffers_limit);
    if total.send_buffer_shortages == 0 {
        return used;
    }
    let short_ms = total.send_buffer_shortage_ms + total.send_buffers_short_ms;
    let often = match total.send_buffer_shortages {
        1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    format!(
        "{used}; short {often}, {:.1} s in all: {} connections without progress evicted, {} segments \
         deferred",
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
        ("rx dropped", kernel.dropped_otherwise()),
        ("rx ring full", kernel.rx_ring_full),
        ("fill ring empty", kernel.lost_for_no_frame()),
        ("rx invalid", kernel.rx_invalid_descs),
        ("tx invalid", kernel.tx_invalid_descs),
        ("tx ring full", queue.tx_ring_full),
        ("bad descriptors", queue.bad_descriptors),
        ("split", queue.split),
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
    use handfast_stack::engine::{KernelSnapshot, SteeringSnapshot};

    fn summary() -> Summary {
        let finished = Finished {
            snapshot: Snapshot {
                cores: vec![CoreSnapshot {
                    syns: 5,
                    syn_acks: 5,
                    send_buffers_max: 60,
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
        let active = Effective {
            devices: Vec::new(),
            cpus: vec![0],
            polling: Polling::Adaptive,
            priority: Priority::Inherited,
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
    fn verdicts_that_cannot_be_read_are_not_none() {
        let mut summary = summary();
        let steering = SteeringSnapshot { device: "eth0".into(), ..SteeringSnapshot::default() };
        summary.detail.steering = vec![steering.clone()];
        assert!(summary.to_string().contains("eth0 steering    none"), "{summary}");
        summary.detail.steering = vec![SteeringSnapshot { unreadable: Some("EPERM".into()), ..steering }];
        let text = summary.to_string();
        assert!(text.contains("eth0 steering    counters not readable on this kernel"), "{text}");
        assert!(!text.contains("eth0 steering    none"), "{text}");
    }

    /// A driver in zero-copy mode that looks again at an empty fill ring loses nothing by it.
    #[test]
    fn an_empty_fill_ring_is_a_loss_only_with_a_frame() {
        let text = |rx_dropped, rx_fill_ring_empty| {
            let kernel = KernelSnapshot { rx_dropped, rx_fill_ring_empty, ..KernelSnapshot::default() };
            queue_text(&QueueSnapshot { kernel: Some(kernel), ..QueueSnapshot::default() })
        };
        assert!(!text(0, 2817).contains("empty"), "{}", text(0, 2817));
        let copied = text(7, 5);
        assert!(copied.contains("rx dropped 2") && copied.contains("fill ring empty 5"), "{copied}");
    }

    #[test]
    fn partial_checksums_have_the_cure_of_their_driver() {
        let total =
            CoreSnapshot { drops: Named(vec![("tcp_partial_checksum".into(), 3)]), ..Default::default() };
        for (driver, cure, other) in
            [("veth", "ethtool -K PEER tx off", "virtio"), ("virtio_net", "--mode native", "veth")]
        {
            let note = partial_checksums(&total, &["igb", driver]).expect("three of them");
            assert!(note.contains(cure) && !note.contains(other), "{note}");
            // Accepted alone, they would stall at the first large one.
            let (_, accepted) = note.split_once("--accept-partial-checksums").expect("the other way");
            assert!(accepted.contains("ethtool -K PEER tso off gso off"), "{note}");
            assert_eq!(partial_checksums(&CoreSnapshot::default(), &[driver]), None);
        }
    }

    #[test]
    fn json_has_the_same_counts_by_name() {
        let json = serde_json::to_value(summary()).unwrap();
        assert_eq!(json["schema"], "handfast-respond/1");
        for field in ["handfast", "kernel", "host", "started_at", "command"] {
            assert!(json[field].as_str().is_some_and(|text| !text.is_empty()), "as in bench's: {field}");
        }
        assert_eq!(json["total"]["drops"]["paws"], 2);
        assert_eq!(json["total"]["syn_acks"], 5);
        assert_eq!(json["cores"][0]["closed"]["passive"], 3);
    }
}
