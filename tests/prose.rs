//! Counts retired patterns of prose (CONTRIBUTING.md, "Style"): each count is recorded below and may only
//! go down. `UPDATE_PROSE=1 cargo test --test prose` records today's counts in this file.

use std::fs;

use support::{files, top};

/// A pattern: its name, the phrases (`|` between them), phrases that are fine, and the counts in [`AREAS`].
type Pattern = (&'static str, &'static str, &'static str, [usize; 4]);

/// The counts of a row: README.md and docs/ (without handshake.md and generated tables); `--help`;
/// comments of src, bpf, tests, benches and examples; string literals of src.
const AREAS: [&str; 4] = ["documentation", "help", "comments", "strings"];

/// Phrases with a capital letter match as written and not in questions, all others in any case.
#[rustfmt::skip]
const PATTERNS: &[Pattern] = &[
    ("persons", "nobody|somebody|whoever|everybody|anybody", "", [0, 1, 14, 3]),
    ("tell", "tell|tells|told", "", [1, 0, 12, 0]),
    ("hear", "hear|hears|heard", "", [0, 0, 4, 1]),
    ("octets", "octet|octets", "", [1, 0, 2, 0]),
    ("own accord", "own accord", "", [0, 0, 0, 0]),
    ("for good", "for good", "", [0, 0, 2, 0]),
    ("so many", "so many|so much|so long", "", [0, 0, 11, 0]),
    ("is no", "is no|are no|was no|were no", "there is no|there are no|there was no|there were no|is no longer|are no longer", [0, 2, 29, 5]),
    ("behind", "behind", "behind a nat|behind the nat|behind the same nat|behind a firewall|behind a load balancer|behind a router", [5, 2, 31, 4]),
    ("beside", "beside", "", [0, 0, 15, 4]),
    ("What as a subject", "What", "", [2, 4, 284, 5]),
    ("what as a noun", "what it|what is|what was|what the|what a", "", [6, 6, 411, 19]),
    ("is to", "is to|are to|has to be|have to be", "", [1, 1, 23, 3]),
    ("of its own", "of its own|of our own|of their own|of one's own", "", [1, 0, 54, 1]),
    ("the machine", "the machine|this machine|the machine's|this machine's", "", [8, 2, 33, 3]),
    ("ours", "ours|theirs", "", [0, 0, 59, 7]),
    ("comes to", "comes to|come to|came to", "", [0, 0, 19, 1]),
];

/// A line with this may quote an RFC, whose bytes are octets.
const CITATION: &str = "RFC ";

/// The texts of all files with one of these endings below these folders.
fn texts(folders: &[&str], endings: &[&str]) -> Vec<String> {
    let mut found = files(folders, endings);
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
    let shown = |inner: &&mut clap::Command| !inner.is_hide_set() && inner.get_name() != "help";
    command.get_subcommands_mut().filter(shown).for_each(|inner| help(inner, text));
}

/// The name of a type, as `TxFrame`: code, not prose.
fn is_type_name(word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    let turns = |w: &[char]| w[0].is_lowercase() && w[1].is_uppercase() && w[2].is_lowercase();
    letters.iter().all(|c| c.is_alphabetic()) && letters.windows(3).any(turns)
}

#[test]
fn help_names_no_types() {
    let mut text = String::new();
    help(&mut handfast_cli::command(), &mut text);
    let found: Vec<&str> = text.split_whitespace().filter(|word| is_type_name(word)).collect();
    assert!(found.is_empty(), "{found:?}");
    assert!(["DataResult", "RespondWatch"].into_iter().all(is_type_name));
    assert!(!["AF_XDP", "IPv4", "GiB", "TLS", "Debian"].into_iter().any(is_type_name));
}

/// A text as words, each with a space before and after it; anything that ends a phrase is a word, too.
struct Words {
    written: String,
    lower: String,
    /// Without the lines that cite an RFC.
    uncited: String,
}

impl Words {
    fn new(text: &str) -> Self {
        let uncited = text.lines().filter(|line| !line.contains(CITATION)).collect::<Vec<_>>().join("\n");
        let written = words(text);
        Self { lower: written.to_lowercase(), uncited: words(&uncited).to_lowercase(), written }
    }
}

fn words(text: &str) -> String {
    let mut apart = String::new();
    for letter in text.chars() {
        match letter {
            letter if letter.is_alphanumeric() || "'-_".contains(letter) => apart.push(letter),
            '.' | ',' | ':' | ';' | '?' | '!' | '(' | ')' | '|' | '"' | '`' => {
                apart.extend([' ', letter, ' ']);
            }
            _ => apart.push(' '),
        }
    }
    apart.split_whitespace().flat_map(|word| [" ", word, " "]).collect()
}

/// How often one of the phrases of a pattern is in this text.
fn count(&(_, phrases, fine, _): &Pattern, text: &Words) -> usize {
    if phrases.starts_with(char::is_uppercase) {
        let phrase = words(phrases);
        let is_question =
            |rest: &&str| rest.find(['.', '?', '!']).is_some_and(|at| rest[at..].starts_with('?'));
        return text.written.split(&phrase).skip(1).filter(|rest| !is_question(rest)).count();
    }
    let text = if phrases.contains("octet") { &text.uncited } else { &text.lower };
    let find = |phrases: &str| -> usize {
        let phrases = phrases.split('|').filter(|phrase| !phrase.is_empty());
        phrases.map(|phrase| text.matches(&words(phrase)).count()).sum()
    };
    find(phrases) - find(fine)
}

/// One text for each of [`AREAS`].
fn areas() -> [Words; 4] {
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
    let pages: String = pages.iter().map(|page| markdown(page)).collect();
    [pages, options, comments, strings].map(|text| Words::new(&text))
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
    let found =
        |name, text| count(PATTERNS.iter().find(|pattern| pattern.0 == name).unwrap(), &Words::new(text));
    assert_eq!(found("persons", "Nobody knows. (nobody) nobody's nobodys"), 2);
    assert_eq!(found("so many", "so\nmany; so. Many"), 1);
    assert_eq!(found("octets", "4 octets\nRFC 9293: 4 octets"), 1);
    assert_eq!(found("behind", "behind a NAT, behind an ACK"), 1);
    assert_eq!(found("What as a subject", "What is it? What comes. Or what"), 1);
    let (comments, strings) =
        comments_and_strings("a'\"'; \"x\\\"//y\" // z\n/* b */ &'a r#\"c\"d\"# '\\'' \"e\"");
    assert_eq!(comments, " z\n b \n");
    assert_eq!(strings, "x\\\"//y.\nc\"d.\ne.\n");
    assert_eq!(markdown("a `nobody` b\n```sh\nnobody\n```\nc"), "a ` b\n\nc");
}
