//! `handfast lab trace` as it is typed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use handfast_lab::trace::SCENARIOS;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{lab_name, root};
use tempfile::TempDir;

use crate::output::{complaint, printed};

#[test]
fn without_a_name_it_lists_every_scenario() {
    let listing = printed(&["lab", "trace"]);
    for scenario in SCENARIOS {
        let line = listing.lines().find(|line| line.trim_start().starts_with(&format!("{} ", scenario.name)));
        assert!(line.is_some_and(|line| line.contains(scenario.title)), "{}: {listing}", scenario.name);
    }
}

#[test]
fn wrong_arguments_are_named_with_a_fix() {
    for (arguments, expected) in [
        (&["lab", "trace", "handshak"][..], "fix: handfast lab trace lists them"),
        (&["lab", "trace", "reset", "--closer", "server"], "fix: handfast lab trace close --closer server"),
        (&["lab", "trace", "old-duplicate-syn", "--peer", "handfast"], "fix: omit --peer"),
    ] {
        let text = complaint(arguments);
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
}

/// At 60 columns, at 80, and with times.
#[test]
fn a_drawing_fits_its_columns() {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    for width in ["62", "80", "120"] {
        let text = printed(&["lab", "trace", "close", "--name", &lab, "--width", width]);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= width.parse().ok(), "{widest:?} in {width}:\n{text}");
        assert_eq!(text.contains(" µs"), width == "120", "{text}");
        for state in ["FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT"] {
            assert!(text.contains(state), "{state} in\n{text}");
        }
    }
}

#[test]
fn ascii_is_nothing_but_ascii() {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    let text = printed(&["lab", "trace", "lost-syn", "--name", &lab, "--ascii", "--width", "100"]);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains(" -X ") && text.contains(" -->") && text.contains("<-- "), "{text}");
}

/// By the first of the locale's variables that is set.
#[test]
fn a_locale_without_utf8_gets_ascii() {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    for (all, ctype, lang, is_ascii) in [
        ("C", "", "C.UTF-8", true),
        ("", "C", "C.UTF-8", true),
        ("", "", "C", true),
        ("C.UTF-8", "C", "C", false),
    ] {
        let output = Command::new(support::program())
            .args(["lab", "trace", "reset", "--name", &lab, "--width", "100"])
            .envs([("LC_ALL", all), ("LC_CTYPE", ctype), ("LANG", lang)])
            .output()
            .expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && text.contains("ESTABLISHED"), "{text}");
        assert_eq!(text.is_ascii(), is_ascii, "LC_ALL={all} LC_CTYPE={ctype} LANG={lang}\n{text}");
    }
}

#[test]
fn the_closer_is_chosen_and_both_files_are_written() {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    let directory = TempDir::new().expect("a directory");
    let [svg, html] = ["close.svg", "close.html"].map(|name| directory.path().join(name));
    let paths = [svg.to_str().expect("UTF-8"), html.to_str().expect("UTF-8")];
    let arguments = [
        "lab", "trace", "close", "--closer", "server", "--name", &lab, "--svg", paths[0], "--html", paths[1],
    ];
    assert_eq!(printed(&arguments), "", "what goes to files does not go to the terminal");
    let (svg, html) = (fs::read_to_string(svg).expect("SVG"), fs::read_to_string(html).expect("HTML"));
    assert!(svg.starts_with("<svg ") && svg.contains("the server first"), "{svg}");
    assert!(html.contains(svg.trim_end()) && html.contains("<pre>"), "{html}");
}

/// Ctrl-C while a scenario plays: nothing is drawn, and its network is gone.
#[test]
fn an_interrupted_scenario_leaves_no_network_behind() {
    let Some(lab) = root().map(|()| lab_name()) else { return };
    let namespaces = || {
        let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with(&format!("hf-{lab}-"))).count()
    };
    let mut command = std::process::Command::new(support::program());
    // The one that takes longest: a second in CLOSE-WAIT, and two in TIME-WAIT.
    let child = command.args(["lab", "trace", "close", "--name", &lab]).stdout(Stdio::piped()).spawn();
    let child = child.expect("runs");
    let deadline = Instant::now() + Duration::from_secs(20);
    while namespaces() < 3 {
        assert!(Instant::now() < deadline, "no network was made");
        thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("a child of ours");
    assert_eq!((output.status.code(), output.stdout.len(), namespaces()), (Some(130), 0, 0));
}
