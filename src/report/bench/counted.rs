use super::figures::{Connections, Second};

/// What the rate of a workload counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Completed,
    /// Connections to hold complete all at the end, when their probes are answered.
    Established,
    /// Of a flood, which opens nothing.
    Sent,
}

impl Counted {
    pub fn of(workload: &str) -> Counted {
        match workload {
            "hold" => Counted::Established,
            "flood" => Counted::Sent,
            _ => Counted::Completed,
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Counted::Completed => "completed connections per second",
            Counted::Established => "established connections per second",
            Counted::Sent => "SYNs sent per second",
        }
    }

    /// One word for what was done to the connections.
    pub fn word(self) -> &'static str {
        match self {
            Counted::Completed => "completed",
            Counted::Established => "established",
            Counted::Sent => "sent",
        }
    }

    /// What the second latency is of: of held connections, not of their end.
    pub fn completion(self) -> &'static str {
        match self {
            Counted::Established => "probe round trip",
            Counted::Completed | Counted::Sent => "completion",
        }
    }

    pub fn within(self, second: &Second) -> u64 {
        match self {
            Counted::Established => second.established,
            Counted::Completed | Counted::Sent => second.completed,
        }
    }

    pub fn total(self, connections: &Connections) -> u64 {
        match self {
            Counted::Established => connections.established,
            Counted::Completed | Counted::Sent => connections.completed,
        }
    }

    /// The whole seconds that the rate is about: those in which connections were opened, not those in
    /// which the last ones end, or are held. `opening_s`: 0 where it is not known.
    pub fn seconds(self, series: &[Second], opening_s: f64) -> &[Second] {
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
