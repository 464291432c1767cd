use super::data::{Comparison, Row, is_ceiling};
use super::syn;
use crate::bench::format::{percent, rate, wrapped};
use crate::bench::text::WIDTH;
use handfast_text::{columns, counted};

/// Columns of a sentence: the demo indents it by two.
const PROSE: usize = WIDTH - 2;
/// A dash where there is no ratio.
const NONE: &str = "-";

impl Comparison {
    /// A sentence, tables for a terminal, ratios first, and notes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            text = format!("{}\n", self.sentences().join("\n"));
            text = text.lines().flat_map(|line| wrapped(line, PROSE)).collect::<Vec<_>>().join("\n");
            text += "\n\n";
        }
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            let mut table = vec![self.header(rows)];
            table.extend(self.cells(rows));
            let mut runs = String::new();
            if rows.iter().all(|row| row.runs == first.runs) {
                // Once for the table, so that it fits 80 columns.
                runs = format!(", {} each", counted(first.runs as u64, "run"));
                table.iter_mut().for_each(|line| drop(line.remove(line.len() - 2)));
            }
            text += &format!("{}, {} mode{runs}\n", first.workload, first.mode);
            text += &columns::table(&table);
            text.push('\n');
            let syns = syn::cells(rows);
            if !syns.is_empty() {
                text += &format!("{}, {} mode: {}\n", first.workload, first.mode, syn::CAPTION);
                text += &columns::table(&with_header(&syn::HEADER, syns));
                text.push('\n');
            }
        }
        if !self.goals.is_empty() {
            text += &columns::table(&with_header(&syn::GOAL_HEADER, syn::goal_cells(&self.goals)));
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
        let mut text = String::new();
        if !self.rows.is_empty() {
            text = self.sentences().iter().map(|line| marked(line) + "\n\n").collect();
        }
        for rows in self.tables() {
            let Some(first) = rows.first() else { continue };
            let title = format!("{}, {} mode", first.workload, first.mode);
            text += &format!("**{}**\n\n", marked(&title));
            text += &document_table(&self.header(rows), &self.cells(rows));
            let syns = syn::cells(rows);
            if !syns.is_empty() {
                text += &format!("**{}: {}**\n\n", marked(&title), syn::CAPTION);
                text += &document_table(&syn::HEADER, &syns);
            }
        }
        if !self.goals.is_empty() {
            text += &document_table(&syn::GOAL_HEADER, &syn::goal_cells(&self.goals));
        }
        text
    }

    /// The reasons why the comparison is not reliable, if any, and the verdict.
    pub(super) fn sentences(&self) -> Vec<String> {
        let doubts = self.doubts.iter().map(|doubt| format!("Not to be relied on: {doubt}."));
        doubts.chain([self.verdict.clone()]).collect()
    }

    pub(super) fn header(&self, rows: &[Row]) -> Vec<String> {
        let mut header = vec!["server".to_owned()];
        header.extend(self.references_of(rows).map(|reference| format!("of {reference}")));
        header.extend(["median/s", "min", "max", "spread", "runs", "failed"].map(str::to_owned));
        header
    }

    pub(super) fn cells(&self, rows: &[Row]) -> Vec<Vec<String>> {
        let ratios: Vec<Vec<String>> = self.references_of(rows).map(|name| ratios(rows, name)).collect();
        let cells = |(index, row): (usize, &Row)| {
            let mut cells = vec![row.server.clone()];
            cells.extend(ratios.iter().filter_map(|column| column.get(index).cloned()));
            cells.extend([row.rate.median, row.rate.min, row.rate.max].map(rate));
            cells.extend([percent(row.rate.width()), row.runs.to_string(), row.failures.to_string()]);
            cells
        };
        rows.iter().enumerate().map(cells).collect()
    }

    /// The references of this table.
    fn references_of(&self, rows: &[Row]) -> impl Iterator<Item = &String> {
        self.references.iter().filter(|name| rows.iter().any(|row| row.ratios.contains_key(*name)))
    }
}

fn with_header(header: &[&str], cells: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let header = header.iter().map(|&cell| cell.to_owned()).collect();
    [vec![header], cells].concat()
}

/// A table in Markdown: figures to the right.
fn document_table(header: &[impl AsRef<str>], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header.iter().map(|cell| marked(cell.as_ref())).collect());
    text += &format!("|---{}\n", "|---:".repeat(header.len() - 1) + "|");
    text +=
        &rows.iter().map(|cells| line(cells.iter().map(|cell| marked(cell)).collect())).collect::<String>();
    text.push('\n');
    text
}

/// A column of ratios: factors for the kernel, shares for a ceiling.
fn ratios(rows: &[Row], reference: &str) -> Vec<String> {
    let text = |ratio: f64| match is_ceiling(reference) {
        true => format!("{:.1} %", 100.0 * ratio),
        false => format!("{ratio:.2} x"),
    };
    let ratio = |row: &Row| row.ratios.get(reference).map(|spread| spread.median);
    rows.iter().map(|row| ratio(row).map_or_else(|| NONE.to_owned(), text)).collect()
}

/// Escapes the characters with a meaning in Markdown.
fn marked(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}
