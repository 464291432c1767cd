//! What the documentation says is there: links and pictures lead somewhere, commands parse, options
//! exist. Nothing that is named is run.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::ErrorKind;

/// A markdown file, apart into what is code and what is not.
struct Page {
    path: PathBuf,
    /// Everything outside of fences, code spans blanked out.
    prose: String,
    /// Code spans outside of fences.
    spans: Vec<String>,
    /// The commands in `sh` fences, continued lines joined.
    commands: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

fn pages() -> Vec<Page> {
    let mut paths: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)).into();
    markdown(&root().join("docs"), &mut paths);
    paths.into_iter().map(|path| page(fs::read_to_string(&path).unwrap(), path)).collect()
}

fn page(text: String, path: PathBuf) -> Page {
    let mut page = Page { path, prose: String::new(), spans: Vec::new(), commands: Vec::new() };
    let mut fence: Option<String> = None;
    let mut continued = String::new();
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), &fence) {
            (Some(language), None) => fence = Some(language.trim().to_owned()),
            (Some(_), Some(_)) => fence = None,
            (None, Some(language)) if language == "sh" => match line.strip_suffix('\\') {
                Some(start) => continued += start,
                None => page.commands.push(std::mem::take(&mut continued) + line),
            },
            (None, Some(_)) => {}
            (None, None) => {
                for (number, part) in line.split('`').enumerate() {
                    match number % 2 {
                        0 => page.prose += part,
                        _ => page.spans.push(part.to_owned()),
                    }
                }
                page.prose.push('\n');
            }
        }
    }
    page
}

/// The shell's words, as far as documentation uses it: quotes, comments, and what ends a command.
/// `None` is the end of one.
fn words(line: &str) -> Vec<Option<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => word.get_or_insert_default().push(letter),
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            ('|' | '&' | ';' | '>' | '<' | '(' | ')', None) => {
                words.extend(word.take().map(Some));
                words.push(None);
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take().map(Some)),
            (_, None) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word.map(Some));
    words
}

/// The arguments of each handfast in a line, also of one that another one starts.
fn calls(line: &str) -> Vec<Vec<String>> {
    let words = words(line);
    let starts = words.iter().enumerate().filter(|(_, word)| {
        word.as_deref().is_some_and(|word| word == "handfast" || word.ends_with("/handfast"))
    });
    let arguments = starts.map(|(at, _)| words[at + 1..].iter().map_while(Clone::clone).collect::<Vec<_>>());
    arguments.filter(|arguments| !arguments.is_empty()).collect()
}

/// Why clap would not take these arguments.
fn mistake(arguments: &[String]) -> Option<String> {
    let all = std::iter::once("handfast".to_owned()).chain(arguments.iter().cloned());
    let error = handfast_cli::command().try_get_matches_from(all).err()?;
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    (!asked).then(|| error.to_string())
}

/// In running text a command may have placeholders, or be left unfinished: subcommands and options
/// must exist.
fn unknown(arguments: &[String]) -> Option<String> {
    let mut command = handfast_cli::command();
    command.build();
    let mut at = &command;
    for word in arguments.iter().take_while(|word| *word != "--") {
        let is_placeholder = !word.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '-');
        if let Some(option) = word.strip_prefix("--") {
            if !has(at, option) {
                return Some(format!("{} has no --{option}", at.get_name()));
            }
        } else if let Some(next) = at.find_subcommand(word) {
            at = next;
        } else if at.has_subcommands() && !is_placeholder {
            return Some(format!("{} has no subcommand {word}", at.get_name()));
        }
    }
    None
}

fn has(command: &Command, option: &str) -> bool {
    let name = option.split('=').next();
    command.get_arguments().any(|argument| argument.get_long() == name)
}

fn anywhere(command: &Command, option: &str) -> bool {
    has(command, option) || command.get_subcommands().any(|inner| anywhere(inner, option))
}

/// Options of other programs that the text speaks of.
const FOREIGN: &[&str] =
    &["privileged", "security-opt", "network", "ulimit", "cap-add", "test-threads", "cache-sim"];

#[test]
fn commands_parse() {
    let mut tried = 0;
    for page in pages() {
        for line in &page.commands {
            for arguments in calls(line) {
                let mistake = mistake(&arguments);
                assert!(mistake.is_none(), "{}: {line}\n{}", page.path.display(), mistake.unwrap());
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "only {tried} commands were found");
}

#[test]
fn commands_and_options_in_the_text_exist() {
    let mut command = handfast_cli::command();
    command.build();
    for page in pages() {
        for span in &page.spans {
            let place = || format!("{}: `{span}`", page.path.display());
            // Others quote what it says.
            let is_command =
                span.starts_with("handfast ") || span.contains("/handfast ") || span.contains("-- ");
            for arguments in calls(span).iter().filter(|_| is_command) {
                assert_eq!(unknown(arguments), None, "{}", place());
            }
            let option = span.strip_prefix("--").and_then(|rest| rest.split([' ', '=']).next());
            let Some(option) = option.filter(|option| !option.is_empty()) else { continue };
            assert!(anywhere(&command, option) || FOREIGN.contains(&option), "{}", place());
        }
    }
}

#[test]
fn mistakes_would_be_found() {
    let found = |line| calls(line).iter().filter_map(|arguments| mistake(arguments)).count();
    assert_eq!(found("handfast lab up --queues 2 && curl http://198.18.1.1/ # handfast nothing"), 0);
    assert_eq!(found("sudo handfast lab upp"), 1);
    assert_eq!(found("handfast lab exec --side server -- handfast respond --listenn 10.0.0.50:80 &"), 1);
    assert_eq!(found("handfast respond --listen '[2001:db8::1]:80=htp'"), 1);
    assert_eq!(found("setcap cap_bpf+ep ~/.local/bin/handfast"), 0);
    let page = page("```sh\nhandfast respond \\\n  --x\n```\n`--y` [a](b.md#c)\n".to_owned(), PathBuf::new());
    assert_eq!(page.commands, ["handfast respond   --x"]);
    assert_eq!((page.spans, links(&page.prose)), (vec!["--y".to_owned()], vec!["b.md#c"]));
    assert!(unknown(&["doctor".to_owned(), "--hugepage".to_owned()]).is_some());
    assert_eq!(unknown(&["lab".to_owned(), "…".to_owned()]), None);
}

/// Where links and pictures lead.
fn links(prose: &str) -> Vec<&str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors of a page, as GitHub makes them.
fn anchors(path: &Path) -> HashSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for page in pages() {
        for link in links(&page.prose) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.path.clone(),
                _ => page.path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link} does not exist", page.path.display());
            let known = heading.is_empty() || anchors(&target).contains(heading);
            assert!(known, "{}: {file} has no heading for #{heading}", page.path.display());
            followed += 1;
        }
    }
    assert!(followed > 60, "only {followed} links were found");
}

#[test]
fn the_readme_leads_to_every_page_and_names_every_command() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_page = name.ends_with(".md");
        assert!(
            !is_page || readme.contains(&format!("(docs/{name})")),
            "the README does not list docs/{name}"
        );
    }
    let command = handfast_cli::command();
    for name in command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(Command::get_name) {
        let is_there = readme.contains(&format!("`handfast {name}"));
        assert!(is_there, "the README's table does not have `handfast {name}`");
    }
}
