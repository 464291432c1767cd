//! The pictures of the documentation: that they are drawn whole in a browser, and, ignored unless `make
//! pictures` asks for it, the demo's, of a demo that runs.

mod browser;
mod demo;

use std::fs;
use std::path::{Path, PathBuf};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Every SVG below `docs`: name and content.
fn pictures() -> Vec<(String, String)> {
    let mut pictures = Vec::new();
    let mut folders = vec![docs()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of docs") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "svg") {
                let name = path.strip_prefix(docs()).expect("below docs").display().to_string();
                pictures.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    pictures.sort();
    pictures
}

/// Texts of an SVG in which a browser loses spaces: two plain ones, or one at an end.
fn collapsing(picture: &str) -> Vec<&str> {
    let texts = picture.split("<text").skip(1).filter_map(|rest| rest.split("</text>").next());
    let content = texts.filter_map(|text| text.split_once('>').map(|(_, content)| content));
    // A drawing library sets its texts on lines of their own.
    let content = content.map(|content| content.trim_matches('\n'));
    content.filter(|text| text.contains("  ") || text.starts_with(' ') || text.ends_with(' ')).collect()
}

#[test]
fn no_spaces_of_a_picture_collapse() {
    let pictures = pictures();
    assert!(pictures.len() > 20, "only {} pictures were found", pictures.len());
    for (name, picture) in &pictures {
        assert_eq!(collapsing(picture), [""; 0], "docs/{name}: make pictures");
    }
    assert_eq!(collapsing("<text x=\"1\">a  b</text><text>a b</text>\n<text> c</text>"), ["a  b", " c"]);
}
