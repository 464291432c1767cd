//! The fix for an interface on which a handfast is running already. It never detaches that program.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

use super::Listen;
use handfast_stack::xdp::kernel_tcp::Process;
use handfast_text::printable;

/// How to get the listeners there. `process`: the running one, if this process may see it.
pub(super) fn fix(process: Option<&Process>, listeners: &[Listen]) -> String {
    let Some(process) = process else {
        return "its process belongs to another user or container: `sudo bpftool link` shows it".into();
    };
    let command = StopCommand::of(process.pid);
    let known = format!("it runs `{}`; {}", command.text(), command.control(process.pid));
    format!("{}\n{known}", command.change(process.pid, listeners))
}

/// The command line of the running process.
struct StopCommand(Vec<String>);

impl StopCommand {
    fn of(pid: i32) -> StopCommand {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        StopCommand(
            words.map(|word| OsString::from_vec(word.to_vec()).to_string_lossy().into_owned()).collect(),
        )
    }

    fn text(&self) -> String {
        self.0.iter().map(|word| quoted(&printable(word))).collect::<Vec<_>>().join(" ")
    }

    /// The value of an option: the next word, or the text after `=`.
    fn value(&self, option: &str) -> Option<&str> {
        let words = self.0.iter().enumerate();
        words
            .filter_map(|(at, word)| match word.strip_prefix(option)? {
                "" => self.0.get(at + 1).map(String::as_str),
                rest => rest.strip_prefix('='),
            })
            .next()
    }

    fn runs(&self, subcommand: &str) -> bool {
        self.0.get(1).is_some_and(|word| word == subcommand)
    }

    /// Its control socket.
    fn control(&self, pid: i32) -> String {
        let socket = match self.value("--control") {
            Some("none") => None,
            // A relative path is relative to the directory of that process.
            Some(path) => Some(fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default().join(path)),
            None => handfast_control::find(Some(pid.unsigned_abs())).ok().map(|found| found.socket),
        };
        socket.map_or_else(
            || "it has no control socket".to_owned(),
            |path| {
                let path = quoted(&printable(&path.display().to_string()));
                format!("its control socket is {path} (handfast top --socket {path})")
            },
        )
    }

    fn change(&self, pid: i32, listeners: &[Listen]) -> String {
        if self.runs("bench") || listeners.is_empty() {
            return format!("wait until it ends, or end it: kill {pid}; or use another interface");
        }
        let file = self.value("--config").filter(|_| self.value("--listen").is_none());
        if let Some(file) = file {
            let named = listeners.iter().map(|listen| format!("\"{listen}\"")).collect::<Vec<_>>().join(", ");
            let file = quoted(&printable(file));
            return format!("add {named} to `listen` in {file}, then: kill -HUP {pid}");
        }
        let more: Vec<String> =
            listeners.iter().map(|listen| format!("--listen {}", quoted(&listen.to_string()))).collect();
        format!(
            "start one program with the listeners of both: kill {pid}; {} {} (with --config FILE, listeners can be \
             added while it runs)",
            self.text(),
            more.join(" ")
        )
    }
}

/// Quoted for a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(command: &str, listeners: &[&str]) -> String {
        let command = StopCommand(command.split(' ').map(str::to_owned).collect());
        command.change(7, &listeners.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn listeners_are_added_to_the_file_or_the_command_line() {
        let more = ["10.0.0.2:80=http"];
        for command in ["handfast respond --config h.toml --dev eth0", "handfast respond --config=h.toml"] {
            assert_eq!(
                change(command, &more),
                "add \"10.0.0.2:80=http\" to `listen` in h.toml, then: kill -HUP 7"
            );
        }
        // Listeners on the command line override those of the file.
        for command in [
            "handfast respond --dev eth0 --listen 10.0.0.1:80",
            "handfast respond --config h.toml --listen=10.0.0.1:80",
        ] {
            let fix = change(command, &more);
            let again = format!("kill 7; {command} --listen 10.0.0.2:80=http");
            assert!(fix.contains(&again), "{fix}");
        }
        for fix in [
            change("handfast bench --dev eth0 10.0.0.1:80", &more),
            change("handfast respond --dev eth0", &[]),
        ] {
            assert!(fix.starts_with("wait until it ends, or end it: kill 7"), "{fix}");
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let command =
            StopCommand(["handfast", "respond", "--listen", "[2001:db8::1]:80"].map(str::to_owned).into());
        assert_eq!(command.text(), "handfast respond --listen '[2001:db8::1]:80'");
    }
}
