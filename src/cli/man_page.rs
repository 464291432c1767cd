//! Manual pages. Their text is that of the commands' help, so the two cannot differ; what is made
//! here is the form: sections, examples as they stand, and which page leads to which.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// For commands whose help does not say it: what `Failure` and clap do. See the table in `cli`.
const EXIT_STATUS: &str = "\
0 success; 1 failure: standard error has the cause, and the fix if it is known; 2 invalid arguments.";

/// Of everything: user commands, although most of them need capabilities.
const SECTION: &str = "1";

/// One page, in man(7).
pub(super) struct Page {
    /// `handfast-lab-up.1`
    pub file: String,
    pub text: String,
}

/// That of the command itself first, then those of all commands below it that help shows.
pub(super) fn pages(command: Command) -> Vec<Page> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, &[], &mut pages);
    pages
}

/// `others`: the names of the related pages.
fn add(command: &Command, others: &[String], pages: &mut Vec<Page>) {
    pages.push(Page { file: format!("{}.{SECTION}", name(command)), text: text(command, others) });
    let below: Vec<String> = shown(command).map(name).collect();
    for inner in shown(command) {
        let beside = below.iter().filter(|other| **other != name(inner)).cloned();
        let others: Vec<String> = std::iter::once(name(command)).chain(beside).collect();
        add(inner, &others, pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

/// `handfast-lab-up`
fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn text(command: &Command, others: &[String]) -> String {
    let sections = sections(&after(command));
    // What comes after the help has sections of its own here.
    let bare = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    let usage = bare.clone().render_usage().to_string();
    let bare = bare.override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let man = Man::new(bare)
        .title(name(command).to_uppercase())
        // None: that of the release would be one more thing to keep true.
        .date("\"\"")
        .source(concat!("handfast ", env!("CARGO_PKG_VERSION")))
        .manual("handfast");
    let mut rendered = Vec::new();
    // A vector takes everything.
    let _ = man.render(&mut rendered);

    let mut roff = Roff::new();
    for (heading, body) in &sections {
        section(&mut roff, heading, body);
    }
    if !sections.iter().any(|(heading, _)| heading == "EXIT STATUS") {
        section(&mut roff, "EXIT STATUS", EXIT_STATUS);
    }
    see_also(&mut roff, others);
    // The apostrophe's string is defined where the page begins; a bare one would become a quotation mark.
    let ours = roff.to_roff().replace('\'', r"\*(Aq");
    tidy(&(String::from_utf8_lossy(&rendered) + ours.as_str()))
}

/// Examples, exit status and what else follows the options.
fn after(command: &Command) -> String {
    command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default()
}

/// Cut where a line that is not indented ends in a colon; the body comes out two columns to the left.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let heading = line.strip_suffix(':').filter(|line| !line.starts_with(' ') && line.len() < 20);
        match (heading, sections.last_mut()) {
            (Some(heading), _) => sections.push((heading.to_uppercase(), String::new())),
            (None, Some((_, body))) => add_line(body, line),
            (None, None) => sections.push(("NOTES".to_owned(), format!("{line}\n"))),
        }
    }
    sections
}

fn add_line(body: &mut String, line: &str) {
    body.push_str(line.strip_prefix("  ").unwrap_or(line));
    body.push('\n');
}

fn section(roff: &mut Roff, heading: &str, body: &str) {
    roff.control("SH", [heading]);
    roff.text([roman(body.trim())]);
}

fn see_also(roff: &mut Roff, others: &[String]) {
    let Some((last, rest)) = others.split_last() else { return };
    roff.control("SH", ["SEE ALSO"]);
    for other in rest {
        roff.text([bold(other), roman(format!("({SECTION}),"))]);
    }
    roff.text([bold(last), roman(format!("({SECTION})"))]);
}

/// Indented lines keep their shape, empty ones part paragraphs inside of whatever they stand in, and a
/// backslash is one for every formatter.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut keeps = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let indented = line.starts_with(' ');
        // The blank lines between two indented ones belong to them.
        let within = line.is_empty() && lines.peek().is_some_and(|next| next.starts_with(' '));
        if indented != keeps && !(keeps && within) {
            out.push_str(if indented { ".nf\n" } else { ".fi\n" });
            keeps = indented;
        }
        match line.trim_end() {
            // One is enough; none before a macro that makes its own.
            "" if out.ends_with(".sp\n") || lines.peek().is_none_or(|next| next.starts_with('.')) => {}
            "" => out.push_str(".sp\n"),
            // Twice in a row it stands for an empty line.
            ".br" if out.ends_with(".br\n") => {
                out.truncate(out.len() - ".br\n".len());
                out.push_str(".sp\n");
            }
            line => {
                out.push_str(&line.replace(r"\\", r"\(rs"));
                out.push('\n');
            }
        }
    }
    if keeps {
        out.push_str(".fi\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Arguments;

    fn page(file: &str) -> String {
        pages(Arguments::command()).into_iter().find(|page| page.file == file).expect("there is one").text
    }

    /// `handfast lab up` as `handfast-lab-up.1`, counted another way than the pages are made.
    fn files(command: &Command, path: &str, found: &mut BTreeSet<String>) {
        found.insert(format!("{path}.1"));
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            files(inner, &format!("{path}-{}", inner.get_name()), found);
        }
    }

    #[test]
    fn every_command_that_help_shows_has_a_page() {
        let mut wanted = BTreeSet::new();
        files(&Arguments::command(), "handfast", &mut wanted);
        let there: BTreeSet<String> = pages(Arguments::command()).into_iter().map(|page| page.file).collect();
        assert_eq!(there, wanted);
        assert!(
            there.contains("handfast-lab-up.1") && !there.contains("handfast-lab-ceiling.1"),
            "{there:?}"
        );
    }

    #[test]
    fn a_page_says_what_the_help_says_in_sections() {
        let page = page("handfast-respond.1");
        for part in [
            ".TH HANDFAST-RESPOND 1 \"\" \"handfast ",
            "handfast respond\\fR [OPTIONS]",
            ".SH \"PACKET PATH\"",
            ".SH EXAMPLES",
            ".nf\n  handfast respond \\-\\-dev eth0",
            ".SH \"EXIT STATUS\"\n0 ended normally; 1 could not start",
            ".SH \"SEE ALSO\"\n\\fBhandfast\\fR(1),",
            // A backslash at a line's end, and quotation marks that a shell takes.
            "\\(rs\n",
            "\\*(Aq[2001:db8:18::1:0]/112:1\\-65535\\*(Aq",
        ] {
            assert!(page.contains(part), "there is no {part:?} in:\n{page}");
        }
        assert_eq!(page.matches(".nf\n").count(), page.matches(".fi\n").count(), "{page}");
    }

    #[test]
    fn a_page_without_an_exit_status_of_its_own_has_the_common_one() {
        assert!(page("handfast-lab-up.1").contains(&format!(".SH \"EXIT STATUS\"\n{EXIT_STATUS}")));
        assert!(page("handfast-lab-bench.1").contains("130 interrupted"));
    }

    #[test]
    fn what_follows_the_help_is_cut_at_its_headings() {
        let cut = sections("Free text.\n\nExamples:\n  One:\n\n    a b\n\nExit status:\n  0 done.");
        let expected =
            [("NOTES", "Free text.\n\n"), ("EXAMPLES", "One:\n\n  a b\n\n"), ("EXIT STATUS", "0 done.\n")];
        let cut: Vec<(&str, &str)> = cut.iter().map(|(heading, body)| (&**heading, &**body)).collect();
        assert_eq!(cut, expected);
    }
}
