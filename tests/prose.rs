//! Counts retired patterns of prose (CONTRIBUTING.md, "Style"): each count is recorded below and may only
//! go down. `UPDATE_PROSE=1 cargo test --test prose` records today's counts in this file.

use std::fs;
use std::path::{Path, PathBuf};

/// A pattern: its name, the phrases (`|` between them), phrases that are fine, and the counts in [`AREAS`].
type Pattern = (&'static str, &'static str, &'static str, [usize; 4]);

/// The counts of a row: README.md and docs/ (without handshake.md and generated tables); `--help`;
/// comments of src, bpf, tests, benches and examples; string literals of src.
const AREAS: [&str; 4] = ["documentation", "help", "comments", "strings"];

/// Phrases with a capital letter match as written and not in questions, all others in any case.
#[rustfmt::skip]
const PATTERNS: &[Pattern] = &[
    ("persons", "nobody|somebody|whoever|everybody|anybody", "", [0, 7, 161, 21]),
    ("tell", "tell|tells|told", "", [0, 2, 181, 9]),
    ("hear", "hear|hears|heard", "", [0, 1, 20, 4]),
    ("octets", "octet|octets", "", [0, 8, 244, 51]),
    ("own accord", "own accord", "", [0, 0, 5, 0]),
    ("for good", "for good", "", [0, 0, 8, 0]),
    ("so many", "so many|so much|so long", "", [0, 16, 124, 1]),
    ("is no", "is no|are no|was no|were no", "there is no|there are no|there was no|there were no|is no longer|are no longer", [0, 6, 65, 45]),
    ("behind", "behind", "behind a nat|behind the nat|behind the same nat|behind a firewall|behind a load balancer|behind a router", [5, 10, 165, 14]),
    ("beside", "beside", "", [0, 9, 80, 7]),
    ("What as a subject", "What", "", [1, 25, 736, 13]),
    ("what as a noun", "what it|what is|what was|what the|what a", "", [3, 55, 968, 32]),
    ("is to", "is to|are to|has to be|have to be", "", [0, 2, 51, 2]),
    ("of its own", "of its own|of our own|of their own|of one's own", "", [1, 2, 116, 3]),
    ("the machine", "the machine|this machine|the machine's|this machine's", "", [8, 18, 90, 21]),
    ("ours", "ours|theirs", "", [0, 0, 98, 15]),
    ("comes to", "comes to|come to|came to", "", [0, 7, 63, 1]),
];

/// A line with this may quote an RFC, whose bytes are octets.
const CITATION: &str = "RFC ";

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            files(&path, endings, found);
        } else if endings.contains(&ending) {
            found.push(path);
        }
    }
}

/// All files with one of these endings below these folders.
fn texts(folders: &[&str], endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    folders.iter().for_each(|folder| files(&top(folder), endings, &mut found));
    found.retain(|path| !path.ends_with("docs/handshake.md"));
    found.into_iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// A page without its fences, code spans and generated tables.
fn markdown(text: &str) -> String {
    let written = text.split("<!-- metrics -->").next().unwrap().split("<!-- kernel").next().unwrap();
    let outside = written.split("```").step_by(2).collect::<String>();
    outside.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "`" }).collect()
}

/// The comments and the string literals of Rust or C.
fn comments_and_strings(text: &str) -> (String, String) {
    let (mut comments, mut strings) = (String::new(), String::new());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
        let (open, close) = match letter {
            '/' if rest.starts_with("//") => (2, "\n".to_owned()),
            '/' if rest.starts_with("/*") => (2, "*/".to_owned()),
            'r' if rest[1 + hashes..].starts_with('"') => (2 + hashes, format!("\"{}", "#".repeat(hashes))),
            '"' => (1, "\"".to_owned()),
            // A character, so that '"' begins no string. Of a lifetime, nothing is skipped.
            '\'' if rest[1..].starts_with('\\') => (3, "'".to_owned()),
            '\'' if rest.chars().nth(2) == Some('\'') => (1, "'".to_owned()),
            _ => {
                rest = &rest[letter.len_utf8()..];
                continue;
            }
        };
        let mut end = open.min(rest.len());
        while end < rest.len() && !rest[end..].starts_with(&close) {
            let escaped = close == "\"" && letter == '"' && rest[end..].starts_with('\\');
            end += usize::from(escaped);
            end += rest[end..].chars().next().map_or(0, char::len_utf8);
        }
        match letter {
            '/' => comments += &format!("{}\n", rest[open..end].trim_start_matches(['/', '!', '*'])),
            '\'' => {}
            _ => strings += &format!("{}.\n", &rest[open..end]),
        }
        rest = &rest[(end + close.len()).min(rest.len())..];
    }
    (comments, strings)
}

fn help(command: &mut clap::Command, text: &mut String) {
    *text += &command.render_long_help().to_string();
    command.get_subcommands_mut().filter(|inner| !inner.is_hide_set()).for_each(|inner| help(inner, text));
}

/// A text as words, each with a space before and after it; anything that ends a phrase is a word of its own.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    for letter in text.chars() {
        match letter {
            letter if letter.is_alphanumeric() || "'-_".contains(letter) => words.push(letter),
            '.' | ',' | ':' | ';' | '?' | '!' | '(' | ')' | '|' | '"' | '`' => {
                words += &format!(" {letter} ");
            }
            _ => words.push(' '),
        }
    }
    words.push(' ');
    words.split_whitespace().map(|word| format!(" {word} ")).collect()
}

/// How often one of the phrases of a pattern is in this text.
fn count(&(_, phrases, fine, _): &Pattern, text: &str) -> usize {
    let uncited = text.lines().filter(|line| !line.contains(CITATION)).collect::<Vec<_>>().join("\n");
    let text = words(if phrases.contains("octet") { &uncited } else { text });
    let lower = text.to_lowercase();
    let find = |phrase: &str| lower.matches(&words(phrase)).count();
    let listed =
        |phrases: &str| phrases.split('|').filter(|phrase| !phrase.is_empty()).map(find).sum::<usize>();
    if phrases.starts_with(char::is_uppercase) {
        let phrase = words(phrases);
        let is_question =
            |rest: &&str| rest.find(['.', '?', '!']).is_some_and(|at| rest[at..].starts_with('?'));
        return text.split(&phrase).skip(1).filter(|rest| !is_question(rest)).count();
    }
    listed(phrases) - listed(fine)
}

/// One text for each of [`AREAS`].
fn areas() -> [String; 4] {
    let mut pages = texts(&["docs"], &["md"]);
    pages.push(fs::read_to_string(top("README.md")).unwrap());
    let mut command = handfast_cli::command();
    command.build();
    let mut options = String::new();
    help(&mut command, &mut options);
    let sources = texts(&["src"], &["rs"]).into_iter().map(|text| comments_and_strings(&text));
    let (mut comments, strings): (String, String) = sources.unzip();
    for text in texts(&["bpf", "tests", "benches", "examples"], &["rs", "c", "h"]) {
        comments += &comments_and_strings(&text).0;
    }
    [pages.iter().map(|page| markdown(page)).collect(), options, comments, strings]
}

#[test]
fn retired_patterns_only_become_fewer() {
    let areas = areas();
    let update = std::env::var_os("UPDATE_PROSE").is_some();
    let mut this = fs::read_to_string(top("tests/prose.rs")).unwrap();
    let mut wrong = Vec::new();
    for pattern in PATTERNS {
        let &(name, _, _, recorded) = pattern;
        let counts = [0, 1, 2, 3].map(|area: usize| count(pattern, &areas[area]));
        for ((area, now), was) in AREAS.iter().zip(counts).zip(recorded) {
            match now.cmp(&was) {
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater => {
                    wrong.push(format!("{area}: {now} of \"{name}\", at most {was}: reword"))
                }
                std::cmp::Ordering::Less => {
                    wrong.push(format!("{area}: {now} of \"{name}\" instead of {was}: record it"))
                }
            }
        }
        let start = this.find(&format!("    (\"{name}\"")).unwrap();
        let line = this[start..].lines().next().unwrap().to_owned();
        this = this.replace(&line, &line.replace(&format!("{recorded:?}"), &format!("{counts:?}")));
    }
    if update {
        fs::write(top("tests/prose.rs"), this).unwrap();
    }
    assert!(update || wrong.is_empty(), "{}\nUPDATE_PROSE=1 records all counts", wrong.join("\n"));
}

#[test]
fn patterns_are_found_where_they_are() {
    let row = |name| PATTERNS.iter().find(|pattern| pattern.0 == name).unwrap();
    assert_eq!(count(row("persons"), "Nobody knows. (nobody) nobody's nobodys"), 2);
    assert_eq!(count(row("so many"), "so\nmany; so. Many"), 1);
    assert_eq!(count(row("octets"), "4 octets\nRFC 9293: 4 octets"), 1);
    assert_eq!(count(row("behind"), "behind a NAT, behind an ACK"), 1);
    assert_eq!(count(row("What as a subject"), "What is it? What comes. Or what"), 1);
    let (comments, strings) =
        comments_and_strings("a'\"'; \"x\\\"//y\" // z\n/* b */ &'a r#\"c\"d\"# '\\'' \"e\"");
    assert_eq!(comments, " z\n b \n");
    assert_eq!(strings, "x\\\"//y.\nc\"d.\ne.\n");
    assert_eq!(markdown("a `nobody` b\n```sh\nnobody\n```\nc"), "a ` b\n\nc");
}
