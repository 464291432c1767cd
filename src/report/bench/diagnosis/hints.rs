//! Hints and notes added to a verdict.

use crate::bench::format::{count, percent, whole};
use crate::bench::results::Results;

/// The minimum share of steal to report.
const STOLEN: f64 = 0.05;
/// The minimum share of softirq on veth to report.
const SHARED_SOFTIRQ: f64 = 0.1;

/// The minimum share of retransmitted segments to report.
const LOSSY: f64 = 0.001;
/// With a larger share of failures, the retransmitted segments are their SYNs.
const FAILING: f64 = 0.5;

/// The usual cause of a failure.
pub(super) fn meaning(reason: &str, results: &Results) -> String {
    // A target that answers a SYN with an ACK has a connection with this 4-tuple (RFC 5961 4).
    let old = results.drops.get("ack_unacceptable").is_some_and(|count| *count > 0);
    if old && same(reason, "connect-timeout") {
        return String::from(
            ": SYNs were answered by ACKs of earlier connections that the target still has, most likely \
                in TIME-WAIT; use more sources or ports (--source) or another --seed, or wait for \
                twice its MSL",
        );
    }
    let target = address(&results.target);
    let path = &results.path;
    if let Some(why) = path.no_way_back(target).or_else(|| path.neighbour_table_full(target))
        && same(reason, "connect-timeout")
    {
        return format!(": {why}");
    }
    if same(reason, "http-status") && !results.connections.http_statuses.is_empty() {
        return format!(": by status, {}", results.connections.statuses());
    }
    if (same(reason, "timeout") || same(reason, "connect-timeout")) && unacknowledged(results) {
        return String::from(
            ": it accepted connections and acknowledged nothing after the handshake: most likely its accept \
             queue is full (there: nstat -az TcpExtListenOverflows; raise the backlog of its program and \
             net.core.somaxconn)",
        );
    }
    const MEANINGS: [(&str, &str); 6] = [
        ("connect-timeout", ": SYNs were not answered; check address, route, next hop and firewall"),
        ("refused", ": nothing listens there, or its backlog was full"),
        ("connect-refused", ": nothing listens there, or its backlog was full"),
        ("unreachable", ": ICMP errors say that the target cannot be reached"),
        ("reset", ": it reset connections that it had accepted"),
        (
            "timeout",
            ": it accepted connections and then stopped answering: its program is slow or stuck, or its \
             accept queue is full (there: nstat -az TcpExtListenOverflows)",
        ),
    ];
    MEANINGS.iter().find(|(known, _)| same(known, reason)).map_or("", |(_, meaning)| meaning).to_owned()
}

/// Whether the target's kernel dropped the connections that timed out after the handshake: the data sent to
/// them, or its SYN-ACK, was retransmitted. (Data that a program does not read is acknowledged.)
fn unacknowledged(results: &Results) -> bool {
    let timeouts = results.connections.failed.iter().find(|(name, _)| same(name, "timeout"));
    let timeouts = timeouts.map_or(0, |(_, number)| *number);
    timeouts > 0 && results.data_retransmissions.max(results.target_retransmissions) >= timeouts
}

/// The address of a target, without its ports.
fn address(target: &str) -> &str {
    let address = target.rsplit_once(':').map_or(target, |(address, _)| address);
    address.trim_start_matches('[').trim_end_matches(']')
}

/// The rate that the 4-tuples allow, and how to increase it.
pub(super) fn tuples(results: &Results) -> String {
    let load = &results.load;
    let allow = load.tuples_per_second.map_or_else(String::new, |allow| {
        let rest = load.tuples as f64 / allow;
        format!(
            ": there are {}, each rests {rest:.0} s after its connection's end, which allows {} \
             connections/s",
            count(load.tuples),
            whole(allow)
        )
    });
    format!(
        "{allow}; use more source addresses or ports (--source), or a shorter --reuse-after if the \
         target's TIME-WAIT is shorter"
    )
}

/// The time of the client's busiest core.
pub(super) fn cores(results: &Results) -> String {
    let busiest = results.cpu.client_cores().min_by(|a, b| a.idle.total_cmp(&b.idle));
    let Some(core) = busiest else { return String::new() };
    let mut text = format!(
        "; core {} was busy for {} of the time (user {}, system {}, softirq {})",
        core.core,
        percent(core.busy()),
        percent(core.user),
        percent(core.system),
        percent(core.softirq)
    );
    if core.steal >= STOLEN {
        text += &format!(", and the hypervisor used {} of it", percent(core.steal));
    }
    text
}

/// On veth the sender's core also does the work of the other end.
pub(super) fn shared_cores(results: &Results) -> Option<String> {
    let veth = results.active.devices.iter().any(|device| device.driver == "veth");
    let most = results.cpu.client_cores().map(|core| core.softirq).fold(0.0, f64::max);
    (veth && most >= SHARED_SOFTIRQ).then(|| {
        format!(
            ". Cores are shared: on veth the kernel does part of the target's work on the client's cores \
             (softirq {})",
            percent(most)
        )
    })
}

/// Retransmitted segments, unless most connections failed.
pub(super) fn loss(results: &Results) -> Option<String> {
    let again = results.retransmissions.saturating_add(results.target_retransmissions);
    let connections = &results.connections;
    let all = results.packets.sent.saturating_add(results.packets.received);
    let shown = again > 0 && again as f64 >= LOSSY * all as f64;
    (shown && connections.share(connections.failures()) < FAILING).then(|| {
        format!(
            ". Of {} segments {} were retransmitted ({} by the target): packets were lost or delayed on the way",
            count(all),
            count(again),
            count(results.target_retransmissions)
        )
    })
}

/// Compares names, with dashes or underscores.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.replace('_', "-") == b.replace('_', "-")
}
