//! The network path between client and target, as far as the client knows it, and why replies may be
//! missing.

use serde::{Deserialize, Serialize};

use super::format::count;
use handfast_stack::engine::{Snapshot, SteeringSnapshot};

/// The default size of a Linux kernel's neighbour table (`gc_thresh3`).
pub const NEIGHBOURS: u64 = 1024;
/// With this many sources a target's table may be full: it has other neighbours too.
const MANY_SOURCES: u64 = NEIGHBOURS / 2;
/// This many requests for a MAC show that the target has no gateway for the sources.
const MANY_REQUESTS: u64 = NEIGHBOURS / 8;

/// The path to the target and back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkPath {
    /// The source address that this host's kernel would use.
    pub local: Option<String>,
    /// The router; `None`: the target is on the link.
    pub router: Option<String>,
    /// Sources within the networks of the interface.
    pub on_link: Vec<String>,
    /// Sources within none of them: the target must have a route to them.
    pub off_link: Vec<String>,
    /// Source addresses.
    pub sources: u64,
    /// Requests for the MAC of a source that were answered.
    pub mac_requests: u64,
    /// TCP segments and ICMP errors received for the sources; `None`: not known.
    pub received: Option<u64>,
}

impl NetworkPath {
    /// This path with the counts between two snapshots.
    pub fn between(&self, before: &Snapshot, after: &Snapshot) -> NetworkPath {
        let received = received(after).zip(received(before)).map(|(is, was)| is.saturating_sub(was));
        NetworkPath {
            mac_requests: mac_requests(after).saturating_sub(mac_requests(before)),
            received,
            ..self.clone()
        }
    }

    /// The host that needs a route to the sources: the router, or the target.
    fn hop(&self, target: &str) -> String {
        self.router.as_ref().map_or_else(|| target.to_owned(), |router| format!("the router {router}"))
    }

    /// The cause and the fix, if nothing was received, not even a request for a MAC, and the sources are off
    /// the link. `target`: its address.
    pub fn no_way_back(&self, target: &str) -> Option<String> {
        if self.received.unwrap_or(0) > 0 || self.mac_requests > 0 || self.off_link.is_empty() {
            return None;
        }
        let sources = self.off_link.join(", ");
        Some(format!(
            "{sources} is not in a network of the interface, so {} needs a route back to it; there: {}",
            self.hop(target),
            self.routes(&self.off_link)
        ))
    }

    /// The cause and the fix, if the target's neighbour table is likely to be full.
    pub fn neighbour_table_full(&self, target: &str) -> Option<String> {
        let silent = self.mac_requests == 0 && self.received == Some(0) && !self.on_link.is_empty();
        let who = self.hop(target);
        let what = match () {
            _ if self.sources < MANY_SOURCES => return None,
            () if silent => format!(
                "{who} requests no MAC of a source: SYNs do not arrive there, or a firewall drops them, or its \
                 neighbour table is full, perhaps of the sources of an earlier run"
            ),
            () if self.mac_requests >= MANY_REQUESTS => format!(
                "{who} sent {} requests for the MAC of a source, and does not answer other sources: its \
                 neighbour table is most likely full",
                count(self.mac_requests)
            ),
            () => return None,
        };
        let sources = if self.on_link.is_empty() { &self.off_link } else { &self.on_link };
        let (routes, threshold) = (self.routes(sources), self.threshold());
        Some(format!("{what} (Linux: {} entries); there: {routes}, or {threshold}", count(NEIGHBOURS)))
    }

    /// A warning before the run, if there are more sources on the link than a neighbour table holds.
    pub fn too_many_neighbours(&self, target: &str, on_link: u64) -> Option<String> {
        (on_link > NEIGHBOURS).then(|| {
            format!(
                "{} sources are on the link, and the neighbour table of a Linux target holds {}: they are \
                 used a few at a time; if some get no reply, on {}: {}, or {}",
                count(on_link),
                count(NEIGHBOURS),
                self.hop(target),
                self.routes(&self.on_link),
                self.threshold()
            )
        })
    }

    /// The commands that make this host the gateway for these sources.
    fn routes(&self, sources: &[String]) -> String {
        let by = self.local.as_ref().map_or_else(|| "dev IF".to_owned(), |local| format!("via {local}"));
        let commands = sources.iter().map(|source| format!("ip route add {source} {by}"));
        commands.collect::<Vec<_>>().join("; ")
    }

    /// The command that makes the table large enough.
    fn threshold(&self) -> String {
        let family =
            if self.on_link.iter().chain(&self.off_link).any(|net| net.contains(':')) { 6 } else { 4 };
        let enough = self.sources.saturating_mul(2).clamp(4 * NEIGHBOURS, 1 << 20).next_power_of_two();
        format!("sysctl -w net.ipv{family}.neigh.default.gc_thresh3={enough}")
    }
}

/// Packets received for the sources, as counted by the steering program.
fn received(of: &Snapshot) -> Option<u64> {
    const KINDS: [&str; 9] = [
        "socket_tcp",
        "socket_port",
        "socket_error",
        "drop_no_socket",
        "drop_fragment",
        "drop_extension",
        "drop_header",
        "drop_truncated",
        "drop_split",
    ];
    let readable = |steering: &&SteeringSnapshot| steering.unreadable.is_none();
    let verdicts = of.steering.iter().filter(readable).map(|steering| &steering.verdicts);
    verdicts.map(|verdicts| KINDS.iter().map(|kind| verdicts.named(kind)).sum::<u64>()).reduce(|a, b| a + b)
}

/// Requests for a MAC that were answered.
fn mac_requests(of: &Snapshot) -> u64 {
    of.cores.iter().map(|core| core.arp_replies + core.neighbour_adverts).sum()
}
