//! The matrix in docs/drivers.md: one section for each kernel, as a whole run found it.

use std::fs;
use std::path::Path;

use super::verdict::Verdicts;
use crate::cells::{self, NICS};

const END: &str = "<!-- end of the matrix -->";

/// Replaces the kernel's section, or adds it before the end of the matrix.
pub fn write(page: &Path, verdicts: &Verdicts) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let text = place(&text, &verdicts.kernel, &section(verdicts))?;
    fs::write(page, text).map_err(|error| format!("{}: {error}", page.display()))
}

fn place(page: &str, kernel: &str, section: &str) -> Result<String, String> {
    let begin = format!("<!-- kernel {kernel} -->\n");
    let end = page.find(END).ok_or_else(|| format!("the page has no line {END}"))?;
    let (from, to) = match page[..end].find(&begin) {
        None => (end, end),
        Some(from) => {
            let after = from + begin.len();
            (from, page[after..end].find("<!-- kernel ").map_or(end, |next| after + next))
        }
    };
    Ok(format!("{}{begin}{section}\n{}", &page[..from], &page[to..]))
}

fn section(verdicts: &Verdicts) -> String {
    let mut text = format!("### Linux {}\n", verdicts.release);
    for nic in &NICS {
        text += &format!("\n**{}**: {}\n\n| cell | came to |\n|---|---|\n", nic.name, nic.about);
        for name in cells::cell_names() {
            let cell = verdicts.cells.iter().find(|cell| cell.nic == nic.name && cell.name == name);
            let result = cell.and_then(|cell| cell.result.as_deref()).unwrap_or("-");
            text += &format!("| {name} | {} |\n", result.replace('|', "\\|"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::expected::{Table, matches, series};
    use super::*;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let page = format!("# P\n{END}\n");
        let once = place(&page, "6.1", "a\n").unwrap();
        let both = place(&once, "newest", "b\n").unwrap();
        assert_eq!(
            both,
            format!("# P\n<!-- kernel 6.1 -->\na\n\n<!-- kernel newest -->\nb\n\n{END}\n")
        );
        let again = place(&both, "6.1", "c\n").unwrap();
        assert_eq!(again, both.replace("\na\n", "\nc\n"));
    }

    /// What the page shows is what is expected: neither changes without the other.
    #[test]
    fn the_page_shows_what_is_expected() {
        let table = Table::read(include_str!("../../expected.tsv")).unwrap();
        let page = include_str!("../../../../docs/drivers.md");
        let (mut kernel, mut nic, mut seen) = (None, "", 0);
        for line in page.lines() {
            if let Some(release) = line.strip_prefix("### Linux ") {
                kernel = series(release);
            } else if let Some((name, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once("**:")) {
                nic = name;
            } else if let Some((cell, result)) = cell_of(line)
                && let Some(kernel) = kernel
            {
                let expected = table.result(nic, cell, kernel).unwrap_or("no row");
                assert!(matches(expected, result), "{kernel:?} {nic} {cell}: {result}, expected {expected}");
                seen += 1;
            }
        }
        let kernels = page.matches("### Linux ").count();
        assert_eq!(seen, kernels * NICS.len() * cells::CELLS.len());
        assert!(kernels >= 3, "6.1, 6.12 and the newest");
    }

    fn cell_of(line: &str) -> Option<(&str, &str)> {
        let (cell, result) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        cells::cell_names().contains(&cell).then_some((cell, result))
    }
}
