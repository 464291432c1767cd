use std::fmt;

use super::catalogue::CATALOGUE;
use super::check::{Check, Fix, Level};
use super::report::{CheckCounts, Report};
use handfast_text::{ansi, counted, wrapped};

/// Columns of the level, and of the name.
const LEVEL: usize = 9;
const NAME: usize = 19;
const INDENT: usize = 2;
/// Minimum columns for text next to level and name; with fewer it goes below them.
const MIN_TEXT: usize = 40;
/// Indentation of text below.
const BELOW: usize = 6;

/// A report for a terminal. Commands are never wrapped, so that they can be copied.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub report: &'a Report,
    /// Columns.
    pub width: usize,
    pub colour: bool,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in CATALOGUE {
            let mut checks = self.report.checks.iter().filter(|check| group.checks.contains(&check.name));
            let Some(first) = checks.next() else { continue };
            writeln!(f, "{}", self.paint(ansi::BOLD, group.title))?;
            std::iter::once(first).chain(checks).try_for_each(|check| self.check(f, check))?;
        }
        self.sum(f)
    }
}

impl Table<'_> {
    fn check(&self, f: &mut fmt::Formatter<'_>, check: &Check) -> fmt::Result {
        let level = self.paint(colour_of(check.level), &format!("{:<LEVEL$}", check.level));
        let beside = INDENT + LEVEL + NAME;
        let columns = self.width.saturating_sub(beside);
        let indent = if columns >= MIN_TEXT { beside } else { BELOW };
        // Beside its name, if there is room for text at all, or for all of this one.
        let starts_beside = columns >= MIN_TEXT || check.found.chars().count() <= columns;
        let width = if starts_beside { columns } else { self.width.saturating_sub(indent) };
        let mut found = wrapped(&check.found, width).into_iter();
        let first = if starts_beside { found.next().unwrap_or_default() } else { String::new() };
        let line = format!("{:INDENT$}{level}{:<NAME$}{first}", "", check.name);
        writeln!(f, "{}", line.trim_end())?;
        let columns = self.width.saturating_sub(indent);
        let why = if check.level == Level::Ok { Vec::new() } else { wrapped(&check.why, columns) };
        for line in found.chain(why) {
            writeln!(f, "{:indent$}{line}", "")?;
        }
        match &check.fix {
            Some(fix) if check.level != Level::Ok => self.fix(f, indent, fix),
            _ => Ok(()),
        }
    }

    fn fix(&self, f: &mut fmt::Formatter<'_>, indent: usize, fix: &Fix) -> fmt::Result {
        let command = self.paint(ansi::BOLD, &fix.command.to_string());
        writeln!(f, "{:indent$}fix:  {command}", "")?;
        match &fix.undo {
            Some(undo) => writeln!(f, "{:indent$}undo: {undo}", ""),
            None => Ok(()),
        }
    }

    fn sum(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CheckCounts { ok, unknown, warning, error } = self.report.counts;
        let interface = &self.report.interface;
        let worst = match (error, warning) {
            (0, 0) => Level::Ok,
            (0, _) => Level::Warning,
            _ => Level::Error,
        };
        let sum = format!(
            "{interface}: {}, {}, {ok} ok, {unknown} unknown",
            counted(error as u64, "error"),
            counted(warning as u64, "warning")
        );
        write!(f, "\n{}", self.paint(colour_of(worst), &sum))?;
        match self.report.fixable() {
            0 => writeln!(f),
            count => writeln!(f, "; `handfast doctor --dev {interface} --fix` sees to {count}"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        ansi::paint(self.colour, code, text)
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::Ok => ansi::GREEN,
        Level::Unknown => ansi::DIM,
        Level::Warning => ansi::BOLD_YELLOW,
        Level::Error => ansi::BOLD_RED,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Action;
    use super::*;

    fn report() -> Report {
        let set = |mtu| Action::run(["ip", "link", "set", "dev", "hf-s", "mtu", mtu]);
        let checks = vec![
            Check::ok("link", "up").why("never shown"),
            Check::error("mtu", "9000 bytes, 1770 fit")
                .why("A packet must fit one frame of the UMEM, whatever its size on the wire.")
                .fix(Fix::safe(set("1770"), set("9000"))),
            Check::unknown("governor", "the kernel does not report it, as in most virtual machines"),
        ];
        Report::new("hf-s", checks)
    }

    #[test]
    fn a_wide_terminal_has_three_columns() {
        let report = report();
        let text = Table { report: &report, width: 110, colour: false }.to_string();
        let expected = "\
interface
  ok       link               up
  error    mtu                9000 bytes, 1770 fit
                              A packet must fit one frame of the UMEM, whatever its size on the wire.
                              fix:  ip link set dev hf-s mtu 1770
                              undo: ip link set dev hf-s mtu 9000
machine
  unknown  governor           the kernel does not report it, as in most virtual machines

hf-s: 1 error, 0 warnings, 1 ok, 1 unknown; `handfast doctor --dev hf-s --fix` sees to 1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_one_has_the_text_below_and_whole_commands() {
        let report = report();
        let text = Table { report: &report, width: 40, colour: false }.to_string();
        assert!(
            text.contains(
                "link               up\n  error    mtu\n      9000 bytes, 1770 fit\n      A packet must fit"
            ),
            "{text}"
        );
        assert!(text.contains("      fix:  ip link set dev hf-s mtu 1770\n"), "{text}");
        let (checks, _) = text.rsplit_once("\n\n").expect("a sum");
        let long = checks.lines().find(|line| line.len() > 40 && !line.contains("ip link"));
        assert_eq!(long, None, "{text}");
    }

    #[test]
    fn colour_changes_nothing_else() {
        let report = report();
        let text = |colour| Table { report: &report, width: 100, colour }.to_string();
        let mut plain = String::new();
        let mut inside = false;
        for c in text(true).chars() {
            match (inside, c) {
                (_, '\x1b') => inside = true,
                (true, 'm') => inside = false,
                (true, _) => {}
                (false, c) => plain.push(c),
            }
        }
        assert_eq!(plain, text(false));
    }
}
