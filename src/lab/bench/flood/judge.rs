use serde::Serialize;

use super::figures::{ClientFigures, LinkFigures, ResponderFigures};

/// The contract of a flood.
const COMPLETED: f64 = 0.999;
const SYN_RETRANSMITTED: f64 = 0.01;
const CONNECT_P99_US: f64 = 5_000.0;
const OUT_PER_IN: f64 = 1.0;

/// One figure of the contract.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloodRequirement {
    /// `completed`: share of the honest connections, at least. At most: `syn_retransmitted`, share of them,
    /// without the losses of the link; `connect_p99_us`; `out_per_in`, packets of the responder for each one
    /// received.
    pub figure: &'static str,
    pub required: f64,
    /// `None`: nothing was measured; the requirement is then not met.
    pub measured: Option<f64>,
    pub met: bool,
}

/// Returns the contract and whether it was kept.
pub fn requirements(
    clients: &ClientFigures,
    link: &LinkFigures,
    responder: &ResponderFigures,
) -> Vec<FloodRequirement> {
    let at_least = |figure, required, measured: Option<f64>| FloodRequirement {
        figure,
        required,
        measured,
        met: measured.is_some_and(|measured| measured >= required),
    };
    let at_most = |figure, required, measured: Option<f64>| FloodRequirement {
        met: measured.is_some_and(|measured| measured <= required),
        ..at_least(figure, required, measured)
    };
    // A handshake fails for the first time if its SYN, its SYN-ACK or both are lost.
    let by_link = link.lost_to_responder + link.lost_to_clients;
    let again = (clients.share(clients.syn_retransmitted) - by_link).max(0.0);
    vec![
        at_least("completed", COMPLETED, (clients.begun > 0).then(|| clients.share(clients.completed))),
        at_most("syn_retransmitted", SYN_RETRANSMITTED, (clients.begun > 0).then_some(again)),
        at_most("connect_p99_us", CONNECT_P99_US, clients.connect_p99_us.map(|time| time as f64)),
        at_most("out_per_in", OUT_PER_IN, responder.out_per_in),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::link_counts::LinkCounts;

    fn met(clients: &ClientFigures, lost: f64, out_per_in: Option<f64>) -> Vec<&'static str> {
        let link = LinkFigures {
            client_end: LinkCounts::default(),
            server_end: LinkCounts::default(),
            backlog_dropped: 0,
            lost_to_responder: lost,
            lost_to_clients: 0.0,
        };
        let responder = ResponderFigures {
            out_per_in,
            frames_to_socket: None,
            frames_to_socket_per_packet: None,
            ring_dropped: None,
            resident_before: None,
            resident_after: None,
            busy: None,
            core_busy: None,
            established: None,
            forged: None,
            summary: Value::Null,
        };
        let all = requirements(clients, &link, &responder);
        all.iter().filter(|requirement| requirement.met).map(|requirement| requirement.figure).collect()
    }

    fn clients(completed: u64, again: u64, p99: Option<u64>) -> ClientFigures {
        ClientFigures {
            begun: 1_000,
            established: completed,
            completed,
            syn_retransmitted: again,
            failures: Default::default(),
            connect_p50_us: p99,
            connect_p99_us: p99,
            connect_max_us: p99,
            late_max_us: 0,
        }
    }

    #[test]
    fn each_figure_has_its_limit() {
        let all = ["completed", "syn_retransmitted", "connect_p99_us", "out_per_in"];
        assert_eq!(met(&clients(999, 10, Some(5_000)), 0.0, Some(1.0)), all);
        assert_eq!(met(&clients(998, 10, Some(5_000)), 0.0, Some(1.0)), all[1..]);
        assert_eq!(met(&clients(999, 11, Some(5_001)), 0.0, Some(1.01)), all[..1]);
        assert_eq!(met(&clients(999, 30, Some(5_000)), 0.02, Some(1.0)), all, "the link's own loss");
        assert_eq!(met(&clients(1_000, 0, None), 0.0, None), all[..2]);
        assert_eq!(met(&ClientFigures { begun: 0, ..clients(0, 0, None) }, 0.0, None), [""; 0]);
    }
}
