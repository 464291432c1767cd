use super::figures::{Connections, Second};

/// What the rate of a workload counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Completed,
    /// For held connections, which all complete at the end.
    Established,
    /// For a flood, which opens no connections.
    Sent,
}

impl Counted {
    pub(super) fn of(workload: &str) -> Counted {
        match workload {
            "hold" => Counted::Established,
            "flood" => Counted::Sent,
            _ => Counted::Completed,
        }
    }

    pub(super) fn unit(self) -> &'static str {
        match self {
            Counted::Completed => "completed connections per second",
            Counted::Established => "established connections per second",
            Counted::Sent => "SYNs sent per second",
        }
    }

    /// The verb for the connections counted.
    pub(super) fn word(self) -> &'static str {
        match self {
            Counted::Completed => "completed",
            Counted::Established => "established",
            Counted::Sent => "sent",
        }
    }

    /// The name of the second latency.
    pub(super) fn completion(self) -> &'static str {
        match self {
            Counted::Established => "probe round trip",
            Counted::Completed | Counted::Sent => "completion",
        }
    }

    pub(super) fn within(self, second: &Second) -> u64 {
        match self {
            Counted::Established => second.established,
            Counted::Completed | Counted::Sent => second.completed,
        }
    }

    pub(super) fn total(self, connections: &Connections) -> u64 {
        match self {
            Counted::Established => connections.established,
            Counted::Completed | Counted::Sent => connections.completed,
        }
    }

    /// The whole seconds of the rate: those in which connections were opened. `opening_s`: 0 if not known.
    pub(super) fn seconds(self, series: &[Second], opening_s: f64) -> &[Second] {
        let whole = match self {
            _ if opening_s > 0.0 => opening_s as usize,
            Counted::Established => {
                series.iter().rposition(|second| second.established > 0).map_or(0, |last| last + 1)
            }
            Counted::Completed | Counted::Sent => series.len(),
        };
        series.get(..whole).unwrap_or(series)
    }
}
