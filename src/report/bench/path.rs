//! The way between the client and the target, as far as the client knows it: why nothing may come back.

use serde::{Deserialize, Serialize};

use super::format::count;
use handfast_stack::engine::{Snapshot, SteeringSnapshot};

/// What a Linux kernel's neighbour table holds unless `gc_thresh3` says otherwise.
pub const NEIGHBOURS: u64 = 1024;
/// With so many sources a target's table may be full: other neighbours are in it too.
const MANY_SOURCES: u64 = NEIGHBOURS / 2;
/// So many questions for a MAC show that the target has no gateway for the sources.
const MANY_ASKED: u64 = NEIGHBOURS / 8;

/// The way to the target and back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Path {
    /// The address that this machine's kernel would call from.
    pub local: Option<String>,
    /// The router; `None`: the target is on the link.
    pub router: Option<String>,
    /// Sources within the networks of the interface.
    pub on_link: Vec<String>,
    /// Sources within none of them: the target must have a route to them.
    pub off_link: Vec<String>,
    /// Source addresses.
    pub sources: u64,
    /// How often a MAC of a source was asked for, and answered.
    pub macs_asked: u64,
    /// TCP segments and ICMP errors that came for the sources; `None`: not known.
    pub heard: Option<u64>,
}

impl Path {
    /// With what was seen from one snapshot to a later one.
    pub fn between(&self, before: &Snapshot, after: &Snapshot) -> Path {
        let heard = heard(after).zip(heard(before)).map(|(is, was)| is.saturating_sub(was));
        Path { macs_asked: asked(after).saturating_sub(asked(before)), heard, ..self.clone() }
    }

    /// Who has to know the way to the sources.
    fn answerer(&self, target: &str) -> String {
        self.router.as_ref().map_or_else(|| target.to_owned(), |router| format!("the router {router}"))
    }

    /// Nothing has come back, not even a question for a MAC, and the sources are off the link: why, and
    /// what helps. `target`: its address.
    pub fn no_way_back(&self, target: &str) -> Option<String> {
        if self.heard.unwrap_or(0) > 0 || self.macs_asked > 0 || self.off_link.is_empty() {
            return None;
        }
        let sources = self.off_link.join(", ");
        Some(format!(
            "{sources} is in no network of the interface, so {} needs a route back to it; there: {}",
            self.answerer(target),
            self.routes(&self.off_link)
        ))
    }

    /// The target has asked for the MACs of so many sources that its table may be full: that, and
    /// what helps.
    pub fn neighbour_table_full(&self, target: &str) -> Option<String> {
        let silent = self.macs_asked == 0 && self.heard == Some(0) && !self.on_link.is_empty();
        let who = self.answerer(target);
        let what = match () {
            _ if self.sources < MANY_SOURCES => return None,
            () if silent => format!(
                "{who} asks for the MAC of no source: SYNs do not arrive there, or a firewall drops them, or \
                 its neighbour table is full, of an earlier run's sources perhaps"
            ),
            () if self.macs_asked >= MANY_ASKED => format!(
                "{who} asked {} times for the MAC of a source, and leaves others unanswered: its neighbour \
                 table is most likely full",
                count(self.macs_asked)
            ),
            () => return None,
        };
        let sources = if self.on_link.is_empty() { &self.off_link } else { &self.on_link };
        let (routes, threshold) = (self.routes(sources), self.threshold());
        Some(format!("{what} (Linux: {} entries); there: {routes}, or {threshold}", count(NEIGHBOURS)))
    }

    /// More sources on the link than a neighbour table holds: said before.
    pub fn too_many_neighbours(&self, target: &str, on_link: u64) -> Option<String> {
        (on_link > NEIGHBOURS).then(|| {
            format!(
                "{} sources are on the link, and the neighbour table of a Linux target holds {}: they are \
                 used a few at a time; should some stay unanswered, on {}: {}, or {}",
                count(on_link),
                count(NEIGHBOURS),
                self.answerer(target),
                self.routes(&self.on_link),
                self.threshold()
            )
        })
    }

    /// The commands that make this machine the one gateway of these sources.
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

/// What came for the sources, by the steering program's count.
fn heard(of: &Snapshot) -> Option<u64> {
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

/// Questions for a MAC that were answered.
fn asked(of: &Snapshot) -> u64 {
    of.cores.iter().map(|core| core.arp_replies + core.neighbour_adverts).sum()
}
