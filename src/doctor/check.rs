use std::fmt;

use serde::{Serialize, Serializer};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// The kernel does not say, or not to this process.
    Unknown,
    /// It works, but worse, or only as long as something does not happen.
    Warning,
    /// It does not work like this.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Unknown => "unknown",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// One thing that was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// One of those in the [catalogue](super::CATALOGUE).
    pub name: &'static str,
    pub level: Level,
    /// What is there.
    pub found: String,
    /// What follows from it.
    pub why: String,
    /// The command that changes it, where there is one.
    pub fix: Option<Fix>,
}

impl Check {
    pub fn new(name: &'static str, level: Level, found: impl Into<String>) -> Check {
        Check { name, level, found: found.into(), why: String::new(), fix: None }
    }

    pub fn ok(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Level::Ok, found)
    }

    pub fn unknown(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Level::Unknown, found)
    }

    pub fn warning(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Level::Warning, found)
    }

    pub fn error(name: &'static str, found: impl Into<String>) -> Check {
        Check::new(name, Level::Error, found)
    }

    pub fn why(self, why: impl Into<String>) -> Check {
        Check { why: why.into(), ..self }
    }

    pub fn fix(self, fix: impl Into<Option<Fix>>) -> Check {
        Check { fix: fix.into(), ..self }
    }

    /// Whether `--fix` acts on it.
    pub fn safe_fix(&self) -> Option<&Fix> {
        let asks = matches!(self.level, Level::Warning | Level::Error);
        self.fix.as_ref().filter(|fix| asks && fix.safe)
    }
}

/// What changes a finding, and what takes the change back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    pub command: Action,
    pub undo: Option<Action>,
    /// Whether it may be done unasked for: it stops no program, detaches nothing and can be undone.
    pub safe: bool,
}

impl Fix {
    /// One that `--fix` carries out.
    pub fn safe(command: Action, undo: Action) -> Fix {
        Fix { command, undo: Some(undo), safe: true }
    }

    /// One that is left to the operator.
    pub fn by_hand(command: Action) -> Fix {
        Fix { command, undo: None, safe: false }
    }

    pub fn undone_by(self, undo: Action) -> Fix {
        Fix { undo: Some(undo), ..self }
    }
}

/// A command, as words: what a shell makes of a name in it does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Run(Vec<String>),
    /// `echo VALUE > PATH`.
    Write {
        value: String,
        path: String,
    },
}

impl Action {
    pub fn run<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Action {
        Action::Run(words.into_iter().map(Into::into).collect())
    }
}

/// As it is typed into a shell.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Run(words) => {
                let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                f.write_str(&words.join(" "))
            }
            Action::Write { value, path } => write!(f, "echo {} > {}", quoted(value), quoted(path)),
        }
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_as_a_shell_wants_them() {
        for (words, typed) in [
            (&["ip", "link", "set", "dev", "eth0.7", "up"][..], "ip link set dev eth0.7 up"),
            (&["ethtool", "-K", "a;reboot", "tx", "off"], "ethtool -K 'a;reboot' tx off"),
            (&["echo", "it's", ""], r"echo 'it'\''s' ''"),
        ] {
            assert_eq!(Action::run(words.iter().copied()).to_string(), typed);
        }
        let write = Action::Write { value: "0".into(), path: "/sys/class/net/$x/gro_flush_timeout".into() };
        assert_eq!(write.to_string(), "echo 0 > '/sys/class/net/$x/gro_flush_timeout'");
    }

    #[test]
    fn only_what_asks_for_it_is_fixed_unasked() {
        let fix = || Fix::safe(Action::run(["true"]), Action::run(["false"]));
        assert!(Check::error("mtu", "9000").fix(fix()).safe_fix().is_some());
        assert!(Check::unknown("mtu", "").fix(fix()).safe_fix().is_none());
        let by_hand = Fix::by_hand(Action::run(["kill", "1"]));
        assert!(Check::error("programs", "").fix(by_hand).safe_fix().is_none());
    }
}
