//! `expected.tsv`: what each cell comes to, from which kernel on.

/// A kernel's series: 6.12.
pub type Series = (u32, u32);

#[derive(Debug)]
struct Row {
    nic: String,
    cell: String,
    from: Series,
    result: String,
}

#[derive(Debug)]
pub struct Table(Vec<Row>);

impl Table {
    /// Four columns, separated by tabs: NIC, cell, first series, result. `#` begins a comment.
    ///
    /// # Errors
    /// A line that is not so, or two for the same.
    pub fn read(text: &str) -> Result<Table, String> {
        let mut rows: Vec<Row> = Vec::new();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        for (number, line) in lines {
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let columns: Vec<&str> = line.split('\t').collect();
            let [nic, cell, from, result] = columns[..] else { return Err(wrong("not four columns")) };
            let from = series(from).ok_or_else(|| wrong("no series of kernels"))?;
            if rows.iter().any(|row| row.nic == nic && row.cell == cell && row.from == from) {
                return Err(wrong("the second for this cell and series"));
            }
            rows.push(Row { nic: nic.to_owned(), cell: cell.to_owned(), from, result: result.to_owned() });
        }
        Ok(Table(rows))
    }

    /// The row of the newest series that is not newer than the kernel.
    pub fn result(&self, nic: &str, cell: &str, kernel: Series) -> Option<&str> {
        let rows = self.0.iter().filter(|row| row.nic == nic && row.cell == cell && row.from <= kernel);
        rows.max_by_key(|row| row.from).map(|row| row.result.as_str())
    }
}

/// Of a release (6.12.107+deb13-amd64) or of a series.
pub fn series(release: &str) -> Option<Series> {
    let mut numbers = release.split(['.', '-', '+']).map(str::parse);
    match (numbers.next()?, numbers.next()?) {
        (Ok(major), Ok(minor)) => Some((major, minor)),
        _ => None,
    }
}

/// `*` stands for anything.
pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{cell_names, nic_names};

    const TEXT: &str = "# NIC\n\nigb\tauto\t6.1\tcopies\nigb\tauto\t6.14\tdoes not\n";

    #[test]
    fn the_newest_row_that_is_not_newer_counts() {
        let table = Table::read(TEXT).unwrap();
        assert_eq!(table.result("igb", "auto", (6, 12)), Some("copies"));
        assert_eq!(table.result("igb", "auto", (7, 0)), Some("does not"));
        assert_eq!(table.result("igb", "auto", (5, 10)), None);
        assert_eq!(table.result("igb", "mtu", (7, 0)), None);
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(Table::read("igb\tauto\t6.1").unwrap_err(), "line 1: not four columns");
        let twice = format!("{TEXT}igb\tauto\t6.14\tor does\n");
        assert_eq!(Table::read(&twice).unwrap_err(), "line 5: the second for this cell and series");
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("refused: *none*", "refused: it has none (x)"));
        assert!(matches("a*", "a") && matches("a", "a"));
        assert!(!matches("a", "ab") && !matches("*none", "none at all"));
    }

    #[test]
    fn a_release_has_a_series() {
        assert_eq!(series("6.12.107+deb13-amd64"), Some((6, 12)));
        assert_eq!(series("6.1.0-50-amd64"), Some((6, 1)));
        assert_eq!(series("newest"), None);
    }

    #[test]
    fn every_cell_of_every_nic_has_a_row() {
        let table = Table::read(include_str!("../../expected.tsv")).unwrap();
        for nic in nic_names() {
            for cell in cell_names() {
                assert!(table.result(nic, cell, (6, 1)).is_some(), "{nic} {cell}");
            }
        }
    }
}
