use super::{Comparison, Row};
use crate::report::bench::format::{rate, wrapped};
use crate::report::bench::text::{WIDTH, aligned};

/// A dash where there is no ratio.
const NONE: &str = "-";

impl Comparison {
    /// Tables for a terminal, ratios first.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            text += &format!("{}, {} mode\n", first.workload, first.mode);
            let mut table = vec![self.header(rows)];
            table.extend(self.cells(rows));
            text += &aligned(&table);
            text.push('\n');
        }
        for note in &self.setting.notes {
            for line in wrapped(note, WIDTH) {
                text += &line;
                text.push('\n');
            }
        }
        text
    }

    /// Tables for a document.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            text += &format!("**{}, {} mode**\n\n", marked(&first.workload), marked(&first.mode));
            let header: Vec<String> = self.header(rows).iter().map(|cell| marked(cell)).collect();
            text += &line(&header);
            text += &format!("|---{}\n", "|---:".repeat(header.len() - 1) + "|");
            for cells in self.cells(rows) {
                text += &line(&cells.iter().map(|cell| marked(cell)).collect::<Vec<_>>());
            }
            text.push('\n');
        }
        text
    }

    pub(super) fn header(&self, rows: &[Row]) -> Vec<String> {
        let mut header = vec!["contestant".to_owned()];
        header.extend(self.references_of(rows).map(|reference| format!("of {reference}")));
        header.extend(["median/s", "least", "most", "runs", "failed"].map(str::to_owned));
        header
    }

    pub(super) fn cells(&self, rows: &[Row]) -> Vec<Vec<String>> {
        let ratios: Vec<Vec<String>> = self.references_of(rows).map(|name| ratios(rows, name)).collect();
        let cells = |(index, row): (usize, &Row)| {
            let mut cells = vec![row.contestant.clone()];
            cells.extend(ratios.iter().filter_map(|column| column.get(index).cloned()));
            cells.extend([row.rate.median, row.rate.least, row.rate.most].map(rate));
            cells.extend([row.runs.to_string(), row.failures.to_string()]);
            cells
        };
        rows.iter().enumerate().map(cells).collect()
    }

    /// Those that something in this table is measured against.
    fn references_of(&self, rows: &[Row]) -> impl Iterator<Item = &String> {
        self.references.iter().filter(|name| rows.iter().any(|row| row.ratios.contains_key(*name)))
    }
}

/// A column of ratios: as shares, or as factors where at least half of the others are well above
/// the reference.
fn ratios(rows: &[Row], reference: &str) -> Vec<String> {
    const WELL_ABOVE: f64 = 1.5;
    let ratio = |row: &Row| row.ratios.get(reference).map(|spread| spread.median);
    let others: Vec<f64> = rows.iter().filter(|row| row.contestant != reference).filter_map(ratio).collect();
    let above = others.iter().filter(|ratio| **ratio > WELL_ABOVE).count();
    let factors = above > 0 && 2 * above >= others.len();
    let text = |ratio: f64| match factors {
        true => format!("{ratio:.2} x"),
        false => format!("{:.1} %", 100.0 * ratio),
    };
    rows.iter().map(|row| ratio(row).map_or_else(|| NONE.to_owned(), text)).collect()
}

/// What Markdown would take for its own.
fn marked(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}
