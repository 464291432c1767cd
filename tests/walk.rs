//! Holds the table "The walk of a SYN" of docs/architecture.md: each function is in the file that it is said
//! to be in, and the walk stays short.

use std::collections::BTreeSet;
use std::fs;

use support::top;

/// Files on the walk, and those of the engine among them, at most.
const MAX_FILES: usize = 20;
const MAX_ENGINE_FILES: usize = 8;

struct Row {
    phase: String,
    /// `Type::function`, or `function`.
    function: String,
    /// Below src/stack.
    file: String,
}

/// The rows of the table; a row names several functions of one file.
fn walk() -> Vec<Row> {
    let page = fs::read_to_string(top("docs/architecture.md")).unwrap();
    let (_, section) = page.split_once("\n## The walk of a SYN\n").expect("the section is there");
    let section = section.split("\n## ").next().unwrap();
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [phase, functions, file] = cells[..] else { panic!("a row of three cells: {line}") };
        let file = file.trim_matches('`').to_owned();
        for function in functions.split('`').skip(1).step_by(2) {
            rows.push(Row { phase: phase.to_owned(), function: function.to_owned(), file: file.clone() });
        }
    }
    assert!(rows.len() > 20, "the table is where this test looks");
    rows
}

/// Whether some line of the file begins a function of that name.
fn defines(text: &str, function: &str) -> bool {
    let name = function.rsplit("::").next().unwrap();
    let begins = |line: &str| {
        let rest = line.split_once("fn ").map(|(_, rest)| rest)?;
        rest.strip_prefix(name)?.chars().next()
    };
    text.lines().any(|line| matches!(begins(line), Some('(' | '<')))
}

#[test]
fn each_function_is_in_the_file_named_beside_it() {
    for Row { phase, function, file } in walk() {
        let text = fs::read_to_string(top("src/stack").join(&file))
            .unwrap_or_else(|error| panic!("{phase}: src/stack/{file}: {error}"));
        assert!(defines(&text, &function), "{phase}: src/stack/{file} defines no function {function}");
        if let Some((owner, _)) = function.split_once("::") {
            assert!(text.contains(owner), "{phase}: src/stack/{file} has nothing of {owner}");
        }
    }
}

#[test]
fn the_walk_stays_short() {
    let files: BTreeSet<String> = walk().into_iter().map(|row| row.file).collect();
    let engine = files.iter().filter(|file| file.starts_with("engine/")).count();
    assert!(files.len() <= MAX_FILES, "{} files on the walk of a SYN: {files:#?}", files.len());
    assert!(engine <= MAX_ENGINE_FILES, "{engine} files of the engine on the walk of a SYN: {files:#?}");
}

#[test]
fn this_test_sees_definitions() {
    let text = "    pub(super) fn poll<P>(&mut self)\nfn pollen()\n// fn late";
    assert!(defines(text, "Worker::poll"));
    assert!(!defines(text, "poll_port") && !defines(text, "late"));
}
