use std::fmt;

use super::record::Record;

/// A rise above this share fails, a fall below it is worth recording.
const BOUND: f64 = 0.03;
/// The same where the conditions differ: another compiler counts otherwise.
const BOUND_ELSEWHERE: f64 = 0.10;

/// What was counted beside what was recorded.
pub struct Comparison {
    before: Record,
    now: Record,
    differences: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Same,
    Rose,
    Fell,
    /// Counted, but not in the file.
    Unknown,
    /// In the file, but not counted any more.
    Gone,
}

struct Row<'a> {
    path: &'a str,
    before: Option<f64>,
    now: Option<f64>,
}

impl Row<'_> {
    /// By how much it rose, as a share.
    fn change(&self) -> Option<f64> {
        Some(self.now? / self.before? - 1.0)
    }

    fn verdict(&self, bound: f64) -> Action {
        match (self.change(), self.now) {
            (Some(change), _) if change > bound => Action::Rose,
            (Some(change), _) if change < -bound => Action::Fell,
            (Some(_), _) => Action::Same,
            (None, Some(_)) => Action::Unknown,
            (None, None) => Action::Gone,
        }
    }
}

impl Comparison {
    pub fn new(before: Record, now: Record) -> Comparison {
        let differences = before.conditions.differences(&now.conditions);
        Comparison { before, now, differences }
    }

    /// Whether a path rose, or the file has not the paths that there are.
    pub fn fails(&self) -> bool {
        [Action::Rose, Action::Unknown, Action::Gone].into_iter().any(|verdict| self.any(verdict))
    }

    fn bound(&self) -> f64 {
        if self.differences.is_empty() { BOUND } else { BOUND_ELSEWHERE }
    }

    fn any(&self, verdict: Action) -> bool {
        self.rows().any(|row| row.verdict(self.bound()) == verdict)
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let counted = self.now.counts.iter().map(|(path, now)| Row {
            path,
            before: self.before.of(path),
            now: Some(*now),
        });
        let gone = self.before.counts.iter().filter(|(path, _)| self.now.of(path).is_none());
        counted.chain(gone.map(|(path, before)| Row { path, before: Some(*before), now: None }))
    }

    fn advice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any(Action::Rose) {
            let percent = self.bound() * 100.0;
            writeln!(f, "FAILED: a path takes over {percent:.0} % more instructions than recorded")?;
            writeln!(
                f,
                "fix: find the change that did it; if it is worth it, `make counts-update` and say why"
            )?;
        }
        if self.any(Action::Unknown) || self.any(Action::Gone) {
            writeln!(
                f,
                "FAILED: the file does not have the paths that there are\nfix: `make counts-update`"
            )?;
        }
        if self.any(Action::Fell) {
            writeln!(f, "a path takes fewer instructions: `make counts-update`, so that it stays so")?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |count: Option<f64>| count.map_or_else(|| "-".to_owned(), |count| format!("{count:.1}"));
        writeln!(f, "{:<32} {:>9} {:>9} {:>9}", "instructions", "before", "now", "change")?;
        for row in self.rows() {
            let change = row.change().map_or_else(String::new, percent);
            let said = match row.verdict(self.bound()) {
                Action::Same => "",
                Action::Rose => "  ROSE",
                Action::Fell => "  fell",
                Action::Unknown => "  NOT IN THE FILE",
                Action::Gone => "  NOT COUNTED",
            };
            let (before, now) = (number(row.before), number(row.now));
            writeln!(f, "{:<32} {before:>9} {now:>9} {change:>9}{said}", row.path)?;
        }
        if !self.differences.is_empty() {
            writeln!(f, "\nNOTE: counted elsewhere than the file, so within {:.0} %:", self.bound() * 100.0)?;
            self.differences.iter().try_for_each(|difference| writeln!(f, "    {difference}"))?;
        }
        self.advice(f)
    }
}

/// With its sign, unless nothing is left of it.
fn percent(share: f64) -> String {
    let tenths = (share * 1000.0).round();
    if tenths == 0.0 { "0.0 %".to_owned() } else { format!("{:+.1} %", tenths / 10.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Conditions;

    fn record(compiler: &str, counts: &[(&str, f64)]) -> Record {
        Record {
            conditions: Conditions(vec![("compiler".to_owned(), compiler.to_owned())]),
            counts: counts.iter().map(|(path, count)| ((*path).to_owned(), *count)).collect(),
        }
    }

    fn of(compiler: &str, counts: &[(&str, f64)]) -> Comparison {
        Comparison::new(record("1.88", &[("a", 100.0), ("b", 50.0)]), record(compiler, counts))
    }

    #[test]
    fn a_rise_of_more_than_three_percent_fails_with_its_numbers() {
        let rose = of("1.88", &[("a", 103.1), ("b", 50.0)]);
        assert!(rose.fails());
        let said = rose.to_string();
        assert!(said.contains("100.0     103.1    +3.1 %  ROSE"), "{said}");
        assert!(said.contains("FAILED") && !said.contains("NOTE"), "{said}");
        assert!(!of("1.88", &[("a", 102.9), ("b", 50.0)]).fails());
    }

    #[test]
    fn a_fall_asks_to_be_recorded_and_passes() {
        let fell = of("1.88", &[("a", 90.0), ("b", 50.0)]);
        assert!(!fell.fails());
        assert!(fell.to_string().contains("make counts-update"), "{fell}");
        assert!(!of("1.88", &[("a", 97.1), ("b", 50.0)]).to_string().contains("counts-update"));
    }

    #[test]
    fn another_compiler_is_named_and_held_to_ten_percent() {
        let elsewhere = of("1.90", &[("a", 109.9), ("b", 50.0)]);
        assert!(!elsewhere.fails());
        assert!(elsewhere.to_string().contains("compiler: 1.88 before, 1.90 now"), "{elsewhere}");
        assert!(of("1.90", &[("a", 110.1), ("b", 50.0)]).fails());
    }

    #[test]
    fn a_path_missing_on_either_side_fails() {
        let gone = of("1.88", &[("a", 100.0)]);
        assert!(gone.fails() && gone.to_string().contains("NOT COUNTED"), "{gone}");
        let unknown = of("1.88", &[("a", 100.0), ("b", 50.0), ("c", 1.0)]);
        assert!(unknown.fails() && unknown.to_string().contains("NOT IN THE FILE"), "{unknown}");
    }
}
