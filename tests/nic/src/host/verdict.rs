//! What a guest's lines are worth beside the table.

use std::fmt::{self, Display, Formatter};

use super::expected::{Series, Table, matches, series};

/// One kernel's cells.
pub struct Verdicts {
    pub kernel: String,
    pub release: String,
    series: Option<Series>,
    pub cells: Vec<Cell>,
}

pub struct Cell {
    pub nic: &'static str,
    pub name: &'static str,
    pub result: Option<String>,
    as_expected: bool,
}

impl Verdicts {
    /// Every cell is missing so far.
    pub fn new(kernel: &str, release: &str, nics: &[&'static str], cells: &[&'static str]) -> Verdicts {
        let all = nics
            .iter()
            .flat_map(|nic| cells.iter().map(|name| Cell { nic, name, result: None, as_expected: false }));
        Verdicts {
            kernel: kernel.to_owned(),
            release: release.to_owned(),
            series: series(release),
            cells: all.collect(),
        }
    }

    /// Takes a line of the guest: `cell NIC NAME RESULT`, by tabs. What to print of it.
    pub fn take(&mut self, line: &str, table: &Table) -> Option<String> {
        let columns: Vec<&str> = line.trim_end().splitn(4, '\t').collect();
        let ["cell", nic, name, result] = columns[..] else { return None };
        let cell = self.cells.iter_mut().find(|cell| cell.nic == nic && cell.name == name)?;
        let expected = self.series.and_then(|series| table.result(nic, name, series));
        cell.as_expected = expected.is_some_and(|expected| matches(expected, result));
        cell.result = Some(result.to_owned());
        let mut text = format!("{:8} {nic:12} {name:8} {result}", self.kernel);
        if !cell.as_expected {
            text +=
                &format!("\n    DIFFERS, expected: {}", expected.unwrap_or("nothing is, for this kernel"));
        }
        Some(text)
    }

    /// Whether each cell came to what was expected.
    pub fn whole(&self) -> bool {
        self.unexplained() == 0
    }

    pub fn unexplained(&self) -> usize {
        self.cells.iter().filter(|cell| !cell.as_expected).count()
    }

    fn missing(&self) -> usize {
        self.cells.iter().filter(|cell| cell.result.is_none()).count()
    }
}

impl Display for Verdicts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (all, missing) = (self.cells.len(), self.missing());
        let differ = self.unexplained() - missing;
        write!(f, "Linux {}: {} of {all} cells as expected", self.release, all - missing - differ)?;
        write!(f, ", {differ} differ, {missing} missing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(lines: &[&str]) -> Verdicts {
        let table = Table::read("igb\tauto\t6.1\tnative *\nigb\tkill\t6.1\tgone\n").unwrap();
        let mut verdicts = Verdicts::new("6.1", "6.1.0-50-amd64", &["igb"], &["auto", "kill"]);
        for line in lines {
            verdicts.take(line, &table);
        }
        verdicts
    }

    #[test]
    fn all_cells_as_expected_are_whole() {
        let whole =
            verdicts(&["linux\t6.1.0", "cell\tigb\tauto\tnative copy", "cell\tigb\tkill\tgone", "done"]);
        assert!(whole.whole());
        assert_eq!(whole.to_string(), "Linux 6.1.0-50-amd64: 2 of 2 cells as expected, 0 differ, 0 missing");
    }

    #[test]
    fn a_missing_line_is_a_failure() {
        let missing = verdicts(&["cell\tigb\tauto\tnative copy", "done"]);
        assert!(!missing.whole());
        assert!(missing.to_string().ends_with("1 of 2 cells as expected, 0 differ, 1 missing"));
    }

    #[test]
    fn another_result_is_a_failure() {
        let other = verdicts(&["cell\tigb\tauto\tgeneric copy", "cell\tigb\tkill\tgone"]);
        assert_eq!(other.unexplained(), 1);
        assert!(other.to_string().ends_with("1 of 2 cells as expected, 1 differ, 0 missing"));
    }
}
