//! The matrix in docs/drivers.md: one section for each kernel, as runs found it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::verdict::Verdicts;
use crate::cells::{self, NICS};

const END: &str = "<!-- end of the matrix -->";
/// Of a cell that was not tried with this release.
const NOT_TRIED: &str = "-";

/// Replaces the kernel's section, or adds it before the end of the matrix. Cells that were not tried this
/// time stay as they were, if the release is the same.
pub fn write(page: &Path, verdicts: &Verdicts) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let text = place(&text, verdicts)?;
    fs::write(page, text).map_err(|error| format!("{}: {error}", page.display()))
}

fn place(page: &str, verdicts: &Verdicts) -> Result<String, String> {
    let begin = format!("<!-- kernel {} -->\n", verdicts.kernel);
    let end = page.find(END).ok_or_else(|| format!("the page has no line {END}"))?;
    let (from, to) = match page[..end].find(&begin) {
        None => (end, end),
        Some(from) => {
            let after = from + begin.len();
            (from, page[after..end].find("<!-- kernel ").map_or(end, |next| after + next))
        }
    };
    let before =
        if page[from..to].contains(&title(verdicts)) { results(&page[from..to]) } else { HashMap::new() };
    Ok(format!("{}{begin}{}\n{}", &page[..from], section(verdicts, &before), &page[to..]))
}

fn title(verdicts: &Verdicts) -> String {
    format!("### Linux {}\n", verdicts.release)
}

fn section(verdicts: &Verdicts, before: &HashMap<(String, String), String>) -> String {
    let mut text = title(verdicts);
    for nic in &NICS {
        text += &format!("\n**{}**: {}\n\n| cell | came to |\n|---|---|\n", nic.name, nic.about);
        for name in cells::cell_names() {
            let cell = verdicts.cells.iter().find(|cell| cell.nic == nic.name && cell.name == name);
            let now = cell.and_then(|cell| cell.result.as_deref());
            let before = before.get(&(nic.name.to_owned(), name.to_owned())).map(String::as_str);
            let result = now.or(before).unwrap_or(NOT_TRIED);
            text += &format!("| {name} | {} |\n", result.replace('|', "\\|"));
        }
    }
    text
}

/// The rows of a section, by NIC and cell.
fn results(section: &str) -> HashMap<(String, String), String> {
    let (mut nic, mut rows) = ("", HashMap::new());
    for line in section.lines() {
        if let Some((name, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once("**:")) {
            nic = name;
        } else if let Some((cell, result)) = cell_of(line) {
            rows.insert((nic.to_owned(), cell.to_owned()), result.replace("\\|", "|"));
        }
    }
    rows
}

fn cell_of(line: &str) -> Option<(&str, &str)> {
    let (cell, result) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    cells::cell_names().contains(&cell).then_some((cell, result))
}

#[cfg(test)]
mod tests {
    use super::super::expected::{Table, matches, series};
    use super::*;

    fn found(kernel: &str, cell: &'static str, result: &str) -> Verdicts {
        let mut verdicts = Verdicts::new(kernel, &format!("{kernel}.1"), &["igb"], &[cell]);
        verdicts.take(&format!("cell\tigb\t{cell}\t{result}"), &Table::read("").unwrap());
        verdicts
    }

    #[test]
    fn a_section_is_added_once_and_then_kept_up() {
        let page = format!("# P\n{END}\n");
        let page = place(&page, &found("6.1", "auto", "copies")).unwrap();
        let page = place(&page, &found("6.12", "auto", "does not")).unwrap();
        let page = place(&page, &found("6.1", "kill", "gone")).unwrap();
        assert_eq!(page.matches("### Linux").count(), 2);
        let old = page.split("<!-- kernel 6.12 -->").next().unwrap();
        let rows = results(old);
        let row = |cell: &str| rows[&("igb".to_owned(), cell.to_owned())].as_str();
        assert_eq!((row("auto"), row("kill"), row("mtu")), ("copies", "gone", NOT_TRIED));
        assert!(
            page.starts_with("# P\n<!-- kernel 6.1 -->\n### Linux 6.1.1\n")
                && page.ends_with(&format!("\n{END}\n"))
        );
    }

    #[test]
    fn what_another_release_did_is_not_kept() {
        let page = place(&format!("{END}\n"), &found("6.1", "auto", "copies")).unwrap();
        let mut newer = found("6.1", "kill", "gone");
        newer.release = "6.1.2".to_owned();
        let page = place(&page, &newer).unwrap();
        assert!(!page.contains("copies"), "{page}");
    }

    /// What the page shows is what is expected: neither changes without the other.
    #[test]
    fn the_page_shows_what_is_expected() {
        let table = Table::read(include_str!("../../expected.tsv")).unwrap();
        let page = include_str!("../../../../docs/drivers.md");
        let mut seen = 0;
        for section in page.split("### Linux ").skip(1) {
            let kernel = series(section).unwrap();
            for ((nic, cell), result) in results(section) {
                let expected = table.result(&nic, &cell, kernel).unwrap_or("no row");
                let fits = result == NOT_TRIED || matches(expected, &result);
                assert!(fits, "{kernel:?} {nic} {cell}: {result}, expected {expected}");
                seen += usize::from(result != NOT_TRIED);
            }
        }
        assert!(seen > 20, "only {seen} cells are shown");
    }
}
