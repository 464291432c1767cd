//! Help of the command line, and its errors about wrong arguments. Needs no rights.

use std::process::Stdio;

use clap::error::ErrorKind;
use std::process::Command;
use tempfile::TempDir;

struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn handfast(arguments: &[&str]) -> Ended {
    let output = Command::new(support::program()).args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended {
        code: output.status.code().expect("not killed"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

#[test]
fn help_explains_each_command_with_examples() {
    for (arguments, parts) in [
        (&["--help"][..], &["respond", "lab", "handfast lab demo"][..]),
        (
            &["respond", "--help"],
            &[
                "--listen",
                "ADDR[/PREFIX]:PORT[-PORT]",
                "longest prefix",
                "Examples:",
                "Exit status:",
                "--cookies",
            ],
        ),
        (&["respond", "-h"], &["--dev <IF>", "--listen", "--duration"]),
        (&["lab", "--help"], &["hf-NAME-client", "198.18.1.0/24", "Examples:", "exec"]),
        (&["lab", "up", "--help"], &["--queues <N>", "--vlan <ID>", "--ipv6"]),
        (&["lab", "exec", "--help"], &["--side <SIDE>", "client", "server"]),
        (&["--version"], &[env!("CARGO_PKG_VERSION")]),
    ] {
        let ended = handfast(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        for part in parts {
            assert!(ended.out.contains(part), "{arguments:?} does not say {part:?}:\n{}", ended.out);
        }
    }
}

#[test]
fn help_fits_the_terminal() {
    for arguments in [&["respond", "--help"][..], &["lab", "--help"], &["lab", "demo", "--help"]] {
        let mut command = Command::new(support::program());
        let output = command.args(arguments).env("COLUMNS", "100").output().expect("runs");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        let long = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{arguments:?}");
    }
}

#[test]
fn no_arguments_show_help_and_fail() {
    for arguments in [&[][..], &["lab"]] {
        let ended = handfast(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.err.contains("Usage:"), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn wrong_values_are_named_with_what_would_be_right() {
    const LISTEN: [&str; 4] = ["--dev", "lo", "--listen", "10.9.9.9:80"];
    let long = "n".repeat(128);
    for (wrong, parts) in [
        (&["--listen", "10.0.0.1"][..], &["10.0.0.1", "has no port"][..]),
        (&["--listen", ":80"], &["\":80\" has no address", "ADDR:80"]),
        (&["--listen", "10.0.0.1:0"], &["invalid port 0"]),
        (&["--listen", "10.0.0.1:70000"], &["70000", "1 to 65535"]),
        (&["--listen", "10.0.0.1:90-80"], &["run backwards", "80-90"]),
        (&["--listen", "10.0.0.300:80"], &["neither an IPv4 nor an IPv6 address"]),
        (&["--listen", "10.0.0.1/24:80"], &["10.0.0.0/24"]),
        (&["--listen", "::1:80"], &["brackets"]),
        (
            &["--listen", "10.0.0.1:80=telnet"],
            &["unknown service", "hold, discard, close, reset, echo, http"],
        ),
        (&["--dev", long.as_str()], &["127 bytes"]),
        (&["--subnet", "10.0.0.0"], &["10.0.0.0"]),
        (&["--cores", "1,x"], &["invalid core `x`"]),
        (&["--cores", "0-"], &["invalid core `0-`"]),
        (&["--cores", "1,1"], &["core 1 is given twice"]),
        (&["--mode", "fast"], &["auto, native, generic"]),
        (&["--poll", "sometimes"], &["busy, adaptive"]),
        (&["--cookies", "maybe"], &["auto, always, never"]),
        (&["--copy", "--zerocopy"], &["--copy", "cannot be used with", "--zerocopy"]),
        (&["--mss", "10"], &["10", "64..=1730"]),
        (&["--msl", "0"], &["write more"]),
        (&["--msl", "7200"], &["at most one hour"]),
        (&["--max-connections", "0"], &["from 1 to"]),
        (&["--synack-retries", "11"], &["0..=10"]),
        (&["--fault", "drop=5"], &["write a percentage"]),
        (&["--fault", "drop=60%,reset=60%"], &["more than 100%"]),
        (&["--fault", "loss=1%"], &["unknown fault `loss`", "drop, reset and delay"]),
        (&["--duration", "soon"], &["invalid duration `soon`", "500ms"]),
        (&["--duration", "0"], &["write more"]),
        (&["--interval=-1"], &["invalid duration `-1`"]),
        (&["--nonsense"], &["--nonsense"]),
    ] {
        let arguments = [&["respond"], &LISTEN[..], wrong].concat();
        let ended = handfast(&arguments);
        assert_eq!(ended.code, 2, "{wrong:?}: {}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{wrong:?} does not say {part:?}:\n{}", ended.err);
        }
        assert!(ended.out.is_empty(), "{wrong:?} writes errors to standard output");
    }
}

/// A value that is right for one option is right for all: whatever a TIME or a SHARE is called.
#[test]
fn durations_and_shares_are_written_alike_in_every_option() {
    let (mut times, mut shares) = (0, 0);
    for_each_command(handfast_cli::command(), &mut |command| {
        let options: Vec<(String, String)> = command
            .get_arguments()
            .filter_map(|option| {
                Some((option.get_long()?.to_owned(), option.get_value_names()?.first()?.to_string()))
            })
            .collect();
        for (name, takes) in options {
            let (right, wrong): (&[&str], &[&str]) = match takes.as_str() {
                "TIME" => (&["20", "20s", "1.5", "500ms", "0.2m"], &["soon", "-1", "20x", "1e30"]),
                "SHARE" => (&["1%", "0.01", "50%", "0.5"], &["101%", "-1%", "much", "NaN"]),
                _ => continue,
            };
            if takes == "TIME" {
                times += 1
            } else {
                shares += 1
            }
            for (texts, taken) in [(right, true), (wrong, false)] {
                for text in texts {
                    let line = ["x".to_owned(), format!("--{name}={text}")];
                    let refused = command.clone().try_get_matches_from(line).is_err_and(|error| {
                        matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
                    });
                    assert_eq!(!refused, taken, "{} --{name} {text}", command.get_name());
                }
            }
        }
    });
    assert!(times >= 20 && shares >= 4, "{times} {shares}");
}

fn for_each_command(mut command: clap::Command, look: &mut dyn FnMut(&clap::Command)) {
    command.build();
    look(&command);
    command.get_subcommands().for_each(|inner| for_each_command(inner.clone(), look));
}

#[test]
fn required_arguments_are_asked_for() {
    for (arguments, part) in [
        (&["respond", "--dev", "lo"][..], "--listen"),
        (&["respond", "--listen", "10.0.0.1:80"], "--dev"),
        (&["respond"], "a file may set it instead: --config <FILE>"),
        (&["respond", "--check"], "--config"),
        (&["lab", "exec"], "<CMD>"),
    ] {
        let ended = handfast(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.err.contains(part), "{arguments:?}: {}", ended.err);
    }
    let check = handfast(&["respond", "--check"]).err;
    assert!(!check.contains("--listen") && !check.contains("--dev") && !check.contains("instead"), "{check}");
}

#[test]
fn contradictions_fail_with_a_fix() {
    const LISTEN: &str = "10.9.9.9:80";
    for (code, arguments, parts) in [
        (
            2,
            &["respond", "--dev", "lo", "--dev", "lo", "--listen", LISTEN][..],
            &["handfast: --dev lo is given twice", "fix: "][..],
        ),
        (
            2,
            &["respond", "--dev", "lo", "--listen", LISTEN, "--listen", "10.9.9.9/32:80-80=http"],
            &["both claim port 80", "narrow one of them"],
        ),
        (
            1,
            &["lab", "exec", "--name", "hf-none-such", "--", "true"],
            &["handfast: there is no lab named hf-none-such", "fix: handfast lab up --name hf-none-such"],
        ),
        (
            1,
            &["respond", "--dev", "lo", "--listen", LISTEN],
            &["lo is the loopback", "fix: name another interface", "handfast lab up"],
        ),
        (
            1,
            &["respond", "--dev", "lo", "--listen", LISTEN, "--priority", "fifo:10", "--poll", "busy"],
            &["busy polling at a real-time priority", "fix: leave out --poll busy"],
        ),
        (
            2,
            &["respond", "--dev", "lo", "--listen", LISTEN, "--priority", "fifo:100"],
            &["invalid priority `fifo:100`", "from 1 to 99"],
        ),
        (1, &["lab", "down", "--name", "../etc"], &["handfast: ", "letters, digits or dashes"]),
    ] {
        let ended = handfast(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{arguments:?} does not say {part:?}:\n{}", ended.err);
        }
    }
}

/// `| head` is no failure, and what goes to files gets there.
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("results.json");
    let results = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/report/right.json");
    let file_argument = file.to_str().expect("UTF-8");
    for (arguments, written) in [
        (&["report", "show", results, "--json", file_argument][..], true),
        (&["lab", "trace"], false),
        (&["doctor", "--dev", "no-such"], false),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = std::process::Command::new(support::program());
        let output = command.args(arguments).stdout(writer).stderr(Stdio::piped()).spawn().expect("runs");
        let output = output.wait_with_output().expect("ends");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {complaint}");
        assert_eq!(complaint, "", "{arguments:?}");
        assert!(!written || std::fs::metadata(&file).is_ok_and(|file| file.len() > 0), "{arguments:?}");
    }
}

#[test]
fn a_lab_without_its_limits_is_refused() {
    for (arguments, part) in [
        (&["lab", "up", "--queues", "0"][..], "1..=64"),
        (&["lab", "up", "--vlan", "4095"], "1..=4094"),
        (&["lab", "exec", "--side", "middle", "--", "true"], "client, server"),
    ] {
        let ended = handfast(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}");
        assert!(ended.err.contains(part), "{arguments:?}: {}", ended.err);
    }
}
