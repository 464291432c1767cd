//! The outcome of a run, for scripts: it decides the exit code.

use serde::{Deserialize, Serialize};

use super::format::{micros, rate, share};

/// The status of a run: the first that holds of ended early, unreachable, requirements failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Ok,
    RequirementsFailed,
    /// Before its time or its connections were complete.
    EndedEarly,
    /// Connections were attempted, none was established, and the client was not the cause.
    Unreachable,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub status: Status,
    /// May be empty.
    pub sentence: String,
    pub requirements: Vec<Requirement>,
}

/// One required figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    pub figure: Figure,
    /// The minimum; for a time, the maximum.
    pub required: f64,
    /// `None` if nothing was measured: the requirement is then not met.
    pub measured: Option<f64>,
    pub met: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Connections per second.
    Rate,
    /// Completed of attempted, 0 to 1.
    Success,
    /// The 99th percentile of the completion latency, microseconds; for `hold`, of the connect latency.
    P99Us,
}

impl Status {
    /// The exit code of the program.
    pub fn exit_code(self) -> u8 {
        match self {
            Status::Ok => 0,
            Status::RequirementsFailed => 3,
            Status::EndedEarly => 4,
            Status::Unreachable => 5,
        }
    }
}

impl Outcome {
    /// The worst outcome of several runs.
    pub fn of_parts<'a>(parts: impl Iterator<Item = (&'a str, &'a Outcome)>) -> Outcome {
        let mut worst = Outcome::default();
        for (name, part) in parts {
            worst.requirements.extend(part.requirements.iter().cloned());
            if part.status.exit_code() > worst.status.exit_code() {
                (worst.status, worst.sentence) = (part.status, format!("{name}: {}", part.sentence));
            }
        }
        worst
    }
}

impl Requirement {
    /// `rate 900/s, at least 1,000/s`.
    pub(super) fn text(&self) -> String {
        let (name, bound) = match self.figure {
            Figure::Rate => ("rate", "at least"),
            Figure::Success => ("success", "at least"),
            Figure::P99Us => ("p99", "at most"),
        };
        let value = |value: f64| match self.figure {
            Figure::Rate => format!("{}/s", rate(value)),
            Figure::Success => share(value),
            Figure::P99Us => micros(value),
        };
        let measured = self.measured.map_or_else(|| "not measured".to_owned(), value);
        format!("{name} {measured}, required {bound} {}", value(self.required))
    }
}
