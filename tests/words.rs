//! Retired words: names that stood for things which the field calls otherwise. They must not come back as
//! identifiers; the list may only grow.

use std::collections::BTreeSet;
use std::fs;

use support::{files, top};

/// Words of identifiers, in lower case, without their plurals. In parentheses: the word to use.
#[rustfmt::skip]
const RETIRED: &[&str] = &[
    "desk",       // (reply context, core slot, server context)
    "mailbox",    // (forward queue)
    "debt",       // (pending reply)
    "owed",       // (pending output)
    "accord",     // (unsolicited output, active open)
    "stranger",   // (unmatched segment)
    "disguise",   // (keyed hash, PRF)
    "puppet",     // (scripted client)
    "contest",    // (comparison)
    "contestant", // (server)
    "patience",   // (timeout)
    "octet",      // (byte), but for the method of the standard library
    "doomed",     // (aborting)
    "mistreatment", // (fault action)
    "awaited",    // (predicted)
    "farewell",   // (reset)
];

/// The words of the identifiers of a line of code: `TxFrame` and `tx_frame` are both `tx` and `frame`.
fn words(line: &str) -> BTreeSet<String> {
    let code = line.split("//").next().unwrap_or_default();
    // Text is prose, which tests/prose.rs reads.
    let code: String = code.split('"').step_by(2).collect();
    let code = code.replace(".octets()", "").replace("::octets", "");
    let mut found = BTreeSet::new();
    for identifier in code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let mut word = String::new();
        for letter in identifier.chars() {
            if letter == '_' || (letter.is_ascii_uppercase() && word.chars().any(|c| c.is_ascii_lowercase()))
            {
                found.insert(word.to_lowercase());
                word.clear();
            }
            word.extend((letter != '_').then_some(letter));
        }
        found.insert(word.to_lowercase());
    }
    found
}

#[test]
fn retired_words_stay_retired() {
    let top = top("");
    let mut paths = files(&["src", "tests", "benches", "examples"], &["rs"]);
    paths.retain(|path| !path.ends_with("tests/words.rs"));
    let mut found = Vec::new();
    for path in paths {
        for (index, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for word in words(line) {
                if RETIRED.iter().any(|retired| word.strip_suffix('s').unwrap_or(&word) == *retired) {
                    found.push(format!(
                        "{}:{}: {word}",
                        path.strip_prefix(&top).unwrap().display(),
                        index + 1
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "retired words, {} times: {found:#?}", found.len());
}

#[test]
fn identifiers_are_split_into_words() {
    let found = words("let TxFrame { reply_desk } = MAX_OCTETS; // letter");
    assert!(["tx", "frame", "reply", "desk", "max", "octets"].iter().all(|word| found.contains(*word)));
    assert!(!found.contains("letter"));
}
