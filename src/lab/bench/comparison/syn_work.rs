//! Packets and processor time of a run of SYNs alone, for each SYN.

use serde::Serialize;
use serde_json::Value;

use super::plan::Cores;
use super::server::ServerKind;
use crate::link_counts::LinkCounts;
use crate::processor_time::{self, ProcessorTime};

/// Packets and time of a run of SYNs alone. Processor time is that of the processors, not of processes: on
/// veth the kernel does a part of the server's work on the core of the client.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SynWork {
    /// SYNs per second.
    pub sent: f64,
    /// SYN-ACKs, or reflected SYNs, per second.
    pub replies: f64,
    /// Replies that the client received for each SYN, late ones included.
    pub replies_per_syn: f64,
    /// Packets that the server sent for each one received, by its own counts. `None`: it has none.
    pub out_per_in: Option<f64>,
    /// Busy share of the cores of client and server, 0 to 1.
    pub client_busy: f64,
    pub server_busy: f64,
    /// Processor time for each SYN, nanoseconds.
    pub client_ns: f64,
    pub server_ns: f64,
    /// Of all processors.
    pub machine_ns: f64,
}

impl SynWork {
    /// Reads a report of the bare client. `None`: it has no SYNs, or no processor times.
    pub(super) fn read(cores: Cores, client: &Value, packets: Option<Packets>) -> Option<SynWork> {
        let count = |name: &str| client.get(name).and_then(Value::as_u64);
        let seconds = client.get("seconds")?.as_f64()?;
        let processors: Vec<ProcessorTime> =
            serde_json::from_value(client.get("processors")?.clone()).ok()?;
        // Those of the run; the totals have the replies of its end as well.
        let syns = count("sent")?;
        let sent = syns as f64;
        if syns == 0 || seconds <= 0.0 {
            return None;
        }
        let busy = |core: usize| processors.iter().find(|time| time.cpu == core).map(|time| time.busy_s);
        let (client_s, server_s) = (busy(cores.client)?, busy(cores.server)?);
        let each = |busy_s: f64| 1e9 * busy_s / sent;
        Some(SynWork {
            sent: sent / seconds,
            replies: client.get("rate")?.as_f64()?,
            replies_per_syn: (count("syn_ack")? + count("reflected")?) as f64 / sent,
            out_per_in: packets.and_then(Packets::out_per_in),
            client_busy: client_s / seconds,
            server_busy: server_s / seconds,
            client_ns: each(client_s),
            server_ns: each(server_s),
            machine_ns: each(processor_time::busy(&processors)),
        })
    }
}

/// Packets that a server received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packets {
    received: u64,
    sent: u64,
}

impl Packets {
    /// By the server's own counts, from its report; those of the kernel are the interface's.
    pub(super) fn of(server: ServerKind, report: &Value, link: &LinkCounts) -> Option<Packets> {
        let count = |name: &str| report.get(name).and_then(Value::as_u64);
        if server.is_kernel() {
            return Some(Packets { received: link.rx_packets, sent: link.tx_packets });
        }
        match server {
            ServerKind::XdpTx => count("answered").map(|both| Packets { received: both, sent: both }),
            _ if server.is_handfast() => of_responder(report),
            _ => Some(Packets { received: count("frames_in")?, sent: count("frames_out")? }),
        }
    }

    fn out_per_in(self) -> Option<f64> {
        (self.received > 0).then(|| self.sent as f64 / self.received as f64)
    }
}

/// Those of the engine and of its eBPF programs: received are all frames but the kernel's (`pass_…`); a
/// program sends its answers (`tx_…`).
fn of_responder(report: &Value) -> Option<Packets> {
    let mut packets = Packets { received: 0, sent: report.get("total")?.get("frames_out")?.as_u64()? };
    for device in report.get("steering")?.as_array()? {
        for (verdict, frames) in device.get("verdicts")?.as_object()? {
            let frames = frames.as_u64()?;
            packets.received += if verdict.starts_with("pass") { 0 } else { frames };
            packets.sent += if verdict.starts_with("tx") { frames } else { 0 };
        }
    }
    Some(packets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CORES: Cores = Cores { client: 0, server: 1 };

    fn processors() -> Value {
        let one = |cpu: usize, busy: f64| ProcessorTime { cpu, busy_s: busy, ..ProcessorTime::default() };
        serde_json::to_value([one(0, 1.0), one(1, 0.1), one(2, 0.5)]).expect("JSON")
    }

    #[test]
    fn time_is_divided_by_syns() {
        let report = json!({
            "seconds": 2.0, "sent": 1_000_000, "rate": 450_000.0, "syn_ack": 900_000, "reflected": 0,
            "processors": processors(),
        });
        let packets = Packets { received: 1_000, sent: 900 };
        let work = SynWork::read(CORES, &report, Some(packets)).expect("a report");
        let expected = SynWork {
            sent: 500_000.0,
            replies: 450_000.0,
            replies_per_syn: 0.9,
            out_per_in: Some(0.9),
            client_busy: 0.5,
            server_busy: 0.05,
            client_ns: 1_000.0,
            server_ns: 100.0,
            machine_ns: 1_600.0,
        };
        let digits = |work: &SynWork| format!("{work:.6?}");
        assert_eq!(digits(&work), digits(&expected));
        let mut nothing = report;
        nothing["sent"] = 0.into();
        assert_eq!(SynWork::read(CORES, &nothing, None), None);
    }

    #[test]
    fn packets_are_counted_where_they_are_answered() {
        let responder = json!({
            "total": {"frames_out": 10},
            "steering": [{"verdicts": {"pass_other": 5, "socket_tcp": 20, "tx_syn_ack": 70, "drop_rst": 10}}],
        });
        let link = LinkCounts { rx_packets: 8, tx_packets: 4, ..LinkCounts::default() };
        for (server, report, received, sent) in [
            (ServerKind::HandfastEbpf, &responder, 100, 80),
            (ServerKind::XdpTx, &json!({"answered": 3}), 3, 3),
            (ServerKind::Reflector, &json!({"frames_in": 9, "frames_out": 7}), 9, 7),
            (ServerKind::KernelCookies, &json!({}), 8, 4),
        ] {
            assert_eq!(Packets::of(server, report, &link), Some(Packets { received, sent }), "{server}");
        }
        assert_eq!(Packets::of(ServerKind::HandfastEngine, &json!({}), &link), None);
    }
}
