use std::collections::HashSet;

use serde::Serialize;

use super::check::Action;
use super::command::act;
use super::report::Report;

/// A fix that was carried out, or tried.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    pub check: &'static str,
    pub command: Action,
    pub undo: Option<Action>,
    /// Why it did not work.
    pub error: Option<String>,
}

/// Carries out every safe fix of a report, each command once, in the order of the checks. The first
/// failure stops none of the others.
pub fn apply(report: &Report) -> Vec<Applied> {
    let mut done = HashSet::new();
    report
        .checks
        .iter()
        .filter_map(|check| Some((check.name, check.safe_fix()?)))
        .filter(|(_, fix)| done.insert(fix.command.to_string()))
        .map(|(check, fix)| Applied {
            check,
            command: fix.command.clone(),
            undo: fix.undo.clone(),
            error: act(&fix.command).err().map(|error| error.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::{Check, Fix};
    use super::*;

    #[test]
    fn what_is_not_safe_is_left_alone_and_nothing_is_done_twice() {
        let safe = |word: &str| Fix::safe(Action::run([word]), Action::run(["true"]));
        let checks = vec![
            Check::error("mtu", "").fix(safe("true")),
            Check::error("peer-mtu", "").fix(safe("true")),
            Check::error("programs", "").fix(Fix::by_hand(Action::run(["hf-never"]))),
            Check::warning("lro", "").fix(safe("false")),
            Check::ok("link", "").fix(safe("hf-never")),
        ];
        let applied = apply(&Report::new("eth0", checks));
        let results: Vec<_> = applied.iter().map(|one| (one.check, one.error.is_some())).collect();
        assert_eq!(results, [("mtu", false), ("lro", true)]);
    }
}
