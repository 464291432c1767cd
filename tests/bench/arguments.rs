//! Errors about wrong arguments. Needs no rights.

use std::process::Command;

const RIGHT: [&str; 6] = ["bench", "--dev", "lo", "--source", "10.9.0.0/24", "10.8.0.1:80"];

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(support::program()).args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn says(arguments: &[&str], code: i32, parts: &[&str]) {
    let (ended, out, error) = bench(arguments);
    assert_eq!(ended, Some(code), "{arguments:?}: {error}");
    for part in parts {
        assert!(error.contains(part), "{arguments:?} does not say {part:?}:\n{error}");
    }
    assert!(out.is_empty(), "{arguments:?} writes errors to standard output");
}

#[test]
fn wrong_values_are_named_with_what_would_be_right() {
    for (wrong, parts) in [
        (&["--rate", "fast"][..], &["`fast`", "--rate"][..]),
        (&["--rate", "0"], &["from 1 to"]),
        (&["--rate", "5", "--concurrency", "3"], &["--rate", "cannot be used with", "--concurrency"]),
        (&["--find-max", "--rate", "5"], &["--find-max", "cannot be used with"]),
        (&["--find-max", "--connections", "5"], &["--find-max", "cannot be used with"]),
        (&["--poisson"], &["--rate"]),
        (&["--loss", "0.1"], &["--find-max"]),
        (&["--find-max", "--loss", "1"], &["invalid share `1`"]),
        (&["--source", "10.9.1.1/24"], &["has host bits set", "10.9.1.0/24"]),
        (&["--source", "example.org"], &["neither an IPv4 nor an IPv6"]),
        (&["--source", "10.9.1.0/24:90-80"], &["run backwards"]),
        (&["--workload", "sleep"], &["handshake, lifecycle, request, hold, flood"]),
        (&["--closer", "nobody"], &["client, server"]),
        (&["--http", "/", "--payload", "x"], &["--http", "cannot be used with", "--payload"]),
        (&["--duration", "soon"], &["invalid duration `soon`"]),
        (&["--timeout", "0"], &["write more"]),
        (&["--gateway", "02:00"], &["02:00"]),
        (&["--connections", "many"], &["`many`"]),
        (&["--syn-retries", "11"], &["0..=10"]),
        (&["10.8.0.2:80"], &["10.8.0.2:80"]),
        (&["--http", "index.html"], &["invalid path `index.html`", "begins with /"]),
    ] {
        says(&[&RIGHT[..], wrong].concat(), 2, parts);
    }
    for (target, part) in
        [("10.8.0.1", "has no port"), ("10.8.0.0/24:80", "a whole network"), ("10.8.0.1:0", "port 0")]
    {
        says(&["bench", "--dev", "lo", target], 2, &[part]);
    }
    says(&["bench", "--dev", "lo", "https://10.8.0.1/"], 2, &["TLS is not implemented", "HOST:443"]);
    says(&["bench", "--dev", "lo"], 2, &["<TARGET>"]);
}

#[test]
fn what_says_nothing_to_the_workload_is_refused() {
    for (wrong, parts) in [
        (
            &["--http", "/", "--workload", "lifecycle"][..],
            &["--http does not apply to --workload lifecycle", "fix: --workload request"][..],
        ),
        (&["--workload", "hold", "--payload", "x"], &["--payload does not apply to --workload hold"]),
        (&["--workload", "request", "--closer", "server"], &["--closer", "fix: --workload lifecycle"]),
        (&["--http", "/", "--closer", "server"], &["--closer does not apply to --workload request"]),
        (&["--workload", "hold", "--find-max"], &["--find-max does not apply to --workload hold"]),
        (&["--workload", "flood"], &["lo is not a veth", "fix: handfast lab up"]),
    ] {
        says(&[&RIGHT[..], wrong].concat(), 1, parts);
    }
}

#[test]
fn a_url_says_itself_what_to_request() {
    const URL: [&str; 6] = ["bench", "--dev", "lo", "--source", "10.9.0.0/24", "http://10.8.0.1:8080/a"];
    for (wrong, parts) in [
        (
            &["--http", "/b"][..],
            &["--http conflicts with the target, a URL", "write the target as 10.8.0.1:8080"][..],
        ),
        (&["--payload", "b"], &["--payload conflicts with"]),
        (&["--workload", "hold"], &["--workload hold does not request a URL", "fix: --workload request"]),
        // What is left to complain about is the interface: the URL is taken, and is a request by itself.
        (&["--gateway", "02:00:00:00:00:01"], &["lo is the loopback"]),
        (&["--gateway", "02:00:00:00:00:01", "--workload", "request"], &["lo is the loopback"]),
    ] {
        says(&[&URL[..], wrong].concat(), 1, parts);
    }
}

#[test]
fn help_explains_with_examples_and_fits_the_terminal() {
    for help in ["--help", "-h"] {
        let mut command = Command::new(support::program());
        let output = command.args(["bench", help]).env("COLUMNS", "100").output().expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        for part in ["--source", "--workload", "flood", "--rate", "--find-max", "--json"] {
            assert!(text.contains(part), "{help} does not say {part}");
        }
        let long = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{help}");
    }
    let (_, text, _) = bench(&["bench", "--help"]);
    assert!(text.contains("Examples:") && text.contains("Exit status:"));
}
