use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::judge::FloodRequirement;
use super::observe::Observation;
use crate::bench::baseline::FlooderReport;
use crate::link_counts::LinkCounts;
use crate::load::PacedTally;

/// The name of this layout.
pub const SCHEMA: &str = "handfast-flood/1";

/// Figures of a flood and of its honest clients.
#[derive(Clone, Debug, Serialize)]
pub struct FloodReport {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program's version.
    pub handfast: &'static str,
    pub command: String,
    /// `syn`, `ack` or `mixed`.
    pub flood: String,
    /// Requested frames per second. `None`: as many as the link takes.
    pub rate: Option<u32>,
    pub cores: [usize; 3],
    /// Honest clients before the flood, and during it.
    pub calm: ClientFigures,
    pub flooded: ClientFigures,
    /// Packets of the flood.
    pub sent: FlooderReport,
    pub link: LinkFigures,
    pub responder: ResponderFigures,
    pub requirements: Vec<FloodRequirement>,
}

/// Honest clients.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientFigures {
    pub begun: u64,
    /// Handshakes that the client's kernel completed.
    pub established: u64,
    /// Connections that were echoed and closed: both ends had them.
    pub completed: u64,
    /// Connections whose SYN was sent more than once.
    pub syn_retransmitted: u64,
    pub failures: BTreeMap<String, u64>,
    pub connect_p50_us: Option<u64>,
    pub connect_p99_us: Option<u64>,
    pub connect_max_us: Option<u64>,
    /// The most that a connection was begun too late: the client was held up.
    pub late_max_us: u64,
}

/// The way between the two ends, during the flood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkFigures {
    pub client_end: LinkCounts,
    pub server_end: LinkCounts,
    /// By the backlogs of the processors, of any namespace.
    pub backlog_dropped: u64,
    /// Share of the frames that the queues on the way dropped, to the responder and back.
    pub lost_to_responder: f64,
    pub lost_to_clients: f64,
}

/// The responder, during the flood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResponderFigures {
    /// Packets sent for each one received, by its interface's counts.
    pub out_per_in: Option<f64>,
    /// Frames that its sockets received, of the flood and of the honest clients, and for each packet of the
    /// flood.
    pub frames_to_socket: Option<u64>,
    pub frames_to_socket_per_packet: Option<f64>,
    /// Lost by the rings of its sockets.
    pub ring_dropped: Option<u64>,
    pub resident_before: Option<u64>,
    pub resident_after: Option<u64>,
    /// Processor time of its threads, relative to the time, and the busy share of its core.
    pub busy: Option<f64>,
    pub core_busy: Option<f64>,
    /// Connections that it had, and those of them that no honest client knows.
    pub established: Option<u64>,
    pub forged: Option<u64>,
    /// Its own report, of the calm and the flood.
    pub summary: Value,
}

impl ClientFigures {
    pub(super) fn of(tally: &PacedTally) -> ClientFigures {
        ClientFigures {
            begun: tally.begun,
            established: tally.established,
            completed: tally.completed,
            syn_retransmitted: tally.syn_retransmitted,
            failures: tally.failures.clone(),
            connect_p50_us: tally.connect_percentile(0.5),
            connect_p99_us: tally.connect_percentile(0.99),
            connect_max_us: tally.connect_percentile(1.0),
            late_max_us: tally.late.as_micros() as u64,
        }
    }

    /// Share of the begun connections.
    pub fn share(&self, count: u64) -> f64 {
        if self.begun == 0 { 0.0 } else { count as f64 / self.begun as f64 }
    }
}

impl LinkFigures {
    /// A drop by a queue on the way, be it the ring of a veth, the backlog of a processor or a frame of an
    /// eBPF program, is the sender's `tx_dropped`; the receiver's `rx_dropped` has it too, and in native mode
    /// also the frames for which its sockets had no room.
    pub(super) fn between(before: &Observation, after: &Observation) -> LinkFigures {
        let client_end = after.client_end.since(&before.client_end);
        let server_end = after.server_end.since(&before.server_end);
        let backlog_dropped = after.backlog_dropped.saturating_sub(before.backlog_dropped);
        let lost = |from: &LinkCounts, to: &LinkCounts| {
            ratio(from.tx_dropped, to.rx_packets + from.tx_dropped).unwrap_or(0.0)
        };
        LinkFigures {
            lost_to_responder: lost(&client_end, &server_end),
            lost_to_clients: lost(&server_end, &client_end),
            client_end,
            server_end,
            backlog_dropped,
        }
    }
}

/// Source of the figures of a responder.
pub(super) struct Evidence<'a> {
    /// At its start, before and after the flood.
    pub start: &'a Observation,
    pub before: &'a Observation,
    pub after: &'a Observation,
    pub link: &'a LinkFigures,
    /// Packets of the flood.
    pub packets: u64,
    /// Handshakes of honest clients, in the calm and in the flood.
    pub honest: u64,
    pub core: usize,
}

impl ResponderFigures {
    pub(super) fn of(evidence: &Evidence<'_>, summary: Value) -> ResponderFigures {
        let Evidence { start, before, after, link, .. } = evidence;
        let total =
            |name: &str| summary.get("total").and_then(|total| total.get(name)).and_then(Value::as_u64);
        // In the calm every frame is for the socket, but for the few that are the kernel's.
        let calm = before.server_end.since(&start.server_end).rx_packets;
        let frames_to_socket = total("frames_in").map(|frames| frames.saturating_sub(calm));
        let clocks = before.processors.as_ref().zip(after.processors.as_ref());
        let core = clocks.and_then(|(from, to)| {
            let times = from.until(to);
            let seconds = from.elapsed_until(to);
            let busy_s = times.get(evidence.core)?.busy_s;
            Some((busy_s / seconds, seconds))
        });
        let used = before.used_s.zip(after.used_s).map(|(from, to)| to - from);
        let established = total("established");
        ResponderFigures {
            out_per_in: ratio(link.server_end.tx_packets, link.server_end.rx_packets),
            frames_to_socket,
            frames_to_socket_per_packet: frames_to_socket.and_then(|frames| ratio(frames, evidence.packets)),
            ring_dropped: ring_dropped(&summary),
            resident_before: before.resident,
            resident_after: after.resident,
            busy: used.zip(core).map(|(used, (_, seconds))| used / seconds),
            core_busy: core.map(|(busy, _)| busy),
            established,
            forged: established.map(|established| established.saturating_sub(evidence.honest)),
            summary,
        }
    }
}

fn ratio(count: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| count as f64 / of as f64)
}

/// Frames for which no ring had room: a full receive ring, or no frame to receive into, which the kernel
/// counts as
/// `rx_dropped` as well.
fn ring_dropped(summary: &Value) -> Option<u64> {
    let queues = summary.get("queues")?.as_array()?;
    let of = |queue: &Value, name: &str| queue.get("kernel")?.get(name)?.as_u64();
    let each = queues.iter().map(|queue| Some(of(queue, "rx_dropped")? + of(queue, "rx_ring_full")?));
    each.sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observation(rx: u64, tx: u64, dropped: u64) -> Observation {
        let server_end =
            LinkCounts { rx_packets: rx, tx_packets: tx, rx_dropped: 2 * dropped, ..LinkCounts::default() };
        let tx_dropped = dropped;
        Observation {
            client_end: LinkCounts { rx_packets: tx, tx_packets: rx, tx_dropped, ..LinkCounts::default() },
            server_end,
            backlog_dropped: dropped,
            resident: Some(1_000 + rx),
            used_s: Some(rx as f64 / 1_000.0),
            processors: None,
        }
    }

    #[test]
    fn the_calm_is_taken_off_and_a_drop_counts_once() {
        let (start, before, after) =
            (observation(0, 0, 0), observation(100, 90, 0), observation(10_100, 4_090, 250));
        let link = LinkFigures::between(&before, &after);
        assert_eq!(
            (link.lost_to_responder, link.lost_to_clients, link.backlog_dropped),
            (0.024_390_243_902_439_025, 0.0, 250)
        );
        let evidence = Evidence {
            start: &start,
            before: &before,
            after: &after,
            link: &link,
            packets: 10_250,
            honest: 30,
            core: 1,
        };
        let summary = json!({
            "total": {"frames_in": 160, "established": 32},
            "queues": [{"kernel": {"rx_dropped": 3, "rx_ring_full": 4}}],
        });
        let figures = ResponderFigures::of(&evidence, summary);
        assert_eq!((figures.out_per_in, figures.frames_to_socket), (Some(0.4), Some(60)));
        assert_eq!((figures.established, figures.forged), (Some(32), Some(2)));
        assert_eq!((figures.ring_dropped, figures.busy), (Some(7), None));
        assert_eq!((figures.resident_before, figures.resident_after), (Some(1_100), Some(11_100)));
        let nothing = ResponderFigures::of(&evidence, Value::Null);
        assert_eq!((nothing.frames_to_socket, nothing.forged, nothing.ring_dropped), (None, None, None));
    }
}
