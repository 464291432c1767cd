use serde::Serialize;

use super::check::{Check, Level};

/// Version of the JSON. It changes if a field is removed or changes its meaning, not for new fields.
pub const SCHEMA: &str = "handfast-doctor/1";

/// The results of all checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub interface: String,
    pub counts: CheckCounts,
    pub checks: Vec<Check>,
}

/// Checks by level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckCounts {
    pub ok: usize,
    pub unknown: usize,
    pub warning: usize,
    pub error: usize,
}

impl Report {
    pub(super) fn new(interface: &str, checks: Vec<Check>) -> Report {
        let of = |level| checks.iter().filter(|check| check.level == level).count();
        let counts = CheckCounts {
            ok: of(Level::Ok),
            unknown: of(Level::Unknown),
            warning: of(Level::Warning),
            error: of(Level::Error),
        };
        Report { interface: interface.to_owned(), counts, checks }
    }

    /// Replaces the check of the same name.
    pub fn with(self, check: Check) -> Report {
        let checks = self.checks.into_iter();
        let checks = checks.map(|old| if old.name == check.name { check.clone() } else { old });
        Report::new(&self.interface, checks.collect())
    }

    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// How many findings `--fix` would act on.
    pub fn fixable(&self) -> usize {
        self.checks.iter().filter(|check| check.safe_fix().is_some()).count()
    }
}
