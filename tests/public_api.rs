//! The public interface of the stack, compared with docs/public-api.txt: a change of it is a decision.
//! `UPDATE_API=1 cargo test --test public_api` records it.
//!
//! Every `pub` of the stack is reachable (`unreachable_pub` is an error), so the interface is what the
//! sources say: public items with their signatures, variants, and the methods of public traits. Items
//! that a macro declares (counters, names) are not listed.

use std::fmt::Write as _;
use std::fs;

use support::{files, top};

/// The public items of a formatted source file, one line each.
fn items(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let (mut found, mut lines, mut block) = (Vec::new(), code.lines(), None);
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if block.is_some_and(|start| indent <= start) && !line.trim().is_empty() {
            block = None;
        }
        let word = line.trim_start();
        let is_member = block.is_some_and(|start| indent == start + 4)
            && (word.starts_with("fn ") || word.starts_with(char::is_uppercase));
        if !word.starts_with("pub ") && !is_member {
            continue;
        }
        let mut item = word.to_owned();
        while !item.ends_with(['{', ';', ',', '}']) || item.matches('(').count() > item.matches(')').count() {
            let Some(more) = lines.next() else { break };
            item = format!("{item} {}", more.trim());
        }
        if word.starts_with("pub trait ") || word.starts_with("pub enum ") {
            block = item.ends_with('{').then_some(indent);
        }
        found.push(item.trim_end_matches(['{', ';', ',', ' ']).to_owned());
    }
    found
}

fn interface() -> String {
    let mut paths = files(&["src/stack"], &["rs"]);
    paths.retain(|path| !path.ends_with("tests.rs"));
    let mut text = String::new();
    for path in paths {
        let found = items(&fs::read_to_string(&path).unwrap());
        if !found.is_empty() {
            writeln!(text, "\n{}", path.strip_prefix(top("src/stack")).unwrap().display()).unwrap();
            found.iter().for_each(|item| writeln!(text, "  {item}").unwrap());
        }
    }
    text.trim_start().to_owned()
}

#[test]
fn the_interface_is_the_recorded_one() {
    let (page, today) = (top("docs/public-api.txt"), interface());
    if std::env::var_os("UPDATE_API").is_some() {
        fs::write(&page, &today).unwrap();
    }
    let recorded = fs::read_to_string(&page).unwrap_or_default();
    let change = |from: &str, to: &str| -> Vec<String> {
        to.lines().filter(|line| !from.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    assert!(
        recorded == today,
        "the public interface has changed: UPDATE_API=1 records it\nnew: {:#?}\ngone: {:#?}",
        change(&recorded, &today),
        change(&today, &recorded)
    );
}

#[test]
fn items_are_found() {
    let text = "pub trait T {\n    fn a(&self);\n}\n\npub fn f(\n    x: u8,\n) -> u8 {\n    x\n}\npub(crate) fn g() {}\n";
    assert_eq!(items(text), ["pub trait T", "fn a(&self)", "pub fn f( x: u8, ) -> u8"]);
}
