//! Whether a run did what was required of it: for scripts, which read it off the exit code.

use serde::{Deserialize, Serialize};

use super::format::{micros, rate, share};

/// How a run ended, by the first of these that holds: ended early, unreachable, requirements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Ok,
    RequirementsFailed,
    /// Before its time was over, or its connections were done.
    EndedEarly,
    /// Connections were attempted, and none was established, for no want of the client's own.
    Unreachable,
}

/// What came of a run, beside its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub status: Status,
    /// Empty where there is nothing to say.
    pub sentence: String,
    pub requirements: Vec<Requirement>,
}

/// One figure that was required.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    pub figure: Figure,
    /// At least; of a time, at most.
    pub required: f64,
    /// `None`: nothing was measured, which meets nothing.
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
    /// The 99th percentile until completion, microseconds; of `hold`, until ESTABLISHED.
    P99Us,
}

impl Status {
    /// Of the program.
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
    /// Of several runs: of the one that came off worst.
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
