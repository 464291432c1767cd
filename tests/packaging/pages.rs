use std::path::PathBuf;

use super::{handfast, other, said};

fn pages() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    // A directory that is not there yet is made.
    let inner = folder.path().join("share/man1");
    let out = handfast(&["man", inner.to_str().unwrap()]);
    let pages: Vec<PathBuf> = std::fs::read_dir(&inner).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(pages.len() > 10, "{pages:?}");
    assert!(String::from_utf8(out).unwrap().starts_with(&format!("{} pages in ", pages.len())));
    (folder, pages)
}

#[test]
fn groff_formats_every_page_without_a_warning() {
    let (_folder, pages) = pages();
    for page in pages {
        let Some(output) = other("groff", "groff-base", &["-ww", "-man", "-Tutf8", "-z"], &page) else {
            return;
        };
        assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    }
}

#[test]
fn mandoc_finds_nothing_but_the_missing_date() {
    let (_folder, pages) = pages();
    for page in pages {
        let Some(output) = other("mandoc", "mandoc", &["-Tlint", "-W", "warning"], &page) else { return };
        let said = said(&output);
        let wrong: Vec<&str> = said.lines().filter(|line| !line.contains("missing date")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[test]
fn without_a_directory_the_first_page_is_printed() {
    let page = String::from_utf8(handfast(&["man"])).unwrap();
    assert!(page.contains(".TH HANDFAST 1 "), "{page}");
}
