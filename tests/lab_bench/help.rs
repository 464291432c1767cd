//! The help and the errors of these programs. Needs no privileges.

use std::process::Command;

use support::program;

fn help(arguments: &[&str]) -> String {
    let output =
        Command::new(program()).args(arguments).arg("--help").env("COLUMNS", "100").output().expect("runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_kernels_server_is_shown_and_the_ceilings_are_hidden() {
    let lab = help(&["lab"]);
    for part in ["serve-kernel", "--bridge", "bench"] {
        assert!(lab.contains(part), "{part}: {lab}");
    }
    assert!(!lab.contains("ceiling") && !help(&[]).contains("serve-kernel"), "{lab}");
    for (arguments, part) in [
        (&["lab", "serve-kernel"][..], "SO_REUSEPORT"),
        (&["lab", "ceiling"], "replay-server"),
        (&["lab", "ceiling", "replay-client"], "--peer-mac"),
        (&["lab", "ceiling", "xdp-tx"], "--tcp-port"),
        (&["lab", "flood"], "--flood"),
        (&["lab", "ceiling", "flood"], "--kind"),
        (&["lab", "up"], "--bridge"),
        (&["lab", "bench"], "--servers"),
        (&["lab", "bench"], "--syn-rate"),
        (&["bench"], "--syn-options"),
    ] {
        let text = help(arguments);
        assert!(text.contains(part), "{arguments:?} does not say {part}:\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn wrong_values_are_named_with_what_would_be_right() {
    for (arguments, part) in [
        (&["serve-kernel", "--listen", "198.18.255.1"][..], "198.18.255.1"),
        (
            &["serve-kernel", "--listen", "198.18.255.1:7", "--workload", "talk"],
            "establish, handshake, lifecycle",
        ),
        (
            &["serve-kernel", "--listen", "198.18.255.1:7", "--workload", "syn"],
            "handshake, lifecycle or request",
        ),
        (
            &["serve-kernel", "--listen", "198.18.255.1:7", "--closer", "both"],
            "possible values: client, server",
        ),
        (
            &["ceiling", "replay-client", "--dev", "lo", "--peer", "10.0.0.1:7", "--peer-mac", "2:0:0"],
            "six pairs",
        ),
        (
            &[
                "ceiling",
                "replay-client",
                "--dev",
                "lo",
                "--peer",
                "10.0.0.1:7",
                "--peer-mac",
                "02:00:00:00:00:01",
            ],
            "--count or --seconds",
        ),
        (&["bench", "--servers", "kernel,other"], "xdp-tx"),
        (&["bench", "--cores", "1"], "two cores"),
        (&["bench", "--workloads", "talk"], "handshake, lifecycle, lifecycle-server, request, syn"),
        (&["bench", "--workloads", "syn", "--syn-rate", "fast"], "as in 262144, 100k"),
        (&["bench", "--ipv6", "--both-families"], "cannot be used with"),
        (&["flood", "--flood", "udp"], "syn, ack or mixed"),
        (&["flood", "--cores", "1"], "two or three cores"),
        (&["flood", "--json", "/nowhere/x.json"], "directory that you may write to"),
        (
            &["ceiling", "flood", "--dev", "lo", "--peer", "10.0.0.1:7", "--peer-mac", "02:00:00:00:00:01"],
            "lo is not a veth",
        ),
        (&["bench", "--rounds", "0"], "1..=1000"),
        (&["bench", "--json", "/nowhere/x.json"], "directory that you may write to"),
    ] {
        let output = Command::new(program()).arg("lab").args(arguments).output().expect("runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && complaint.contains(part), "{arguments:?}: {complaint}");
    }
}
