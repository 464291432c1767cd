//! Targets that are not there, and arguments that cannot be had: each ends with a report or an error
//! that names it, and the interface is left as it was found.

use handfast_lab::{CLIENT_DEVICE, KERNEL_V4};
use support::{Ended, OWNED_V4};

use crate::programs::{Stage, stage};

/// The default's retransmissions would take longer than a test may.
const SHORT: &str = "--connections 200 --timeout 1";
const UNUSED_MAC: &str = "02:00:00:99:00:99";

#[test]
fn a_target_that_does_not_answer_is_a_time_out() {
    let Some(stage) = stage(|spec| spec) else { return };
    // No interface has it, so there is no ARP answer: without a next hop there is nothing to try.
    let absent = stage.start(&format!("{OWNED_V4}:80 {SHORT}")).ended();
    ended_with(5, &absent, &["the next hop 198.18.1.1 does not answer on hf-c", "--gateway"]);

    stage.server().run(&["ip", "route", "add", "blackhole", "198.18.77.0/24"]).expect("ip");
    for target in ["198.18.77.1:80", "198.18.255.1:80"] {
        // To a MAC that no interface has.
        let results = stage.unreachable(&format!("{target} {SHORT} --gateway {UNUSED_MAC}"));
        assert_eq!((results.failed("connect-timeout"), results.failures()), (200, 200), "{}", results.text);
        assert_eq!((results.number("packets.received"), results.connections("established")), (0.0, 0));
        results.assert_says(&["connect timeout", "the target (or the path to it) was the limit"]);
    }
    stage.client().run(&["ip", "route", "add", "198.18.77.0/24", "via", "198.18.255.1"]).expect("ip");
    let results = stage.unreachable(&format!("198.18.77.1:80 {SHORT}"));
    assert_eq!((results.failed("connect-timeout"), results.failures()), (200, 200), "{}", results.text);
}

#[test]
fn a_closed_port_refuses_and_a_router_says_unreachable() {
    let Some(stage) = stage(|spec| spec) else { return };
    let closed = stage.unreachable(&format!("{KERNEL_V4}:9 --connections 200 --timeout 25"));
    assert_eq!((closed.failed("refused"), closed.failures()), (200, 200), "{}", closed.text);
    assert!(closed.number("duration_s") < 20.0, "a RST is no time-out");

    // The server's kernel as a router without a route. It limits its errors (RFC 1812 4.3.2.8), but for
    // those that are not in the mask.
    stage
        .server()
        .run(&["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratemask=0"])
        .expect("sysctl");
    stage.server().run(&["ip", "route", "add", "unreachable", "198.18.78.0/24"]).expect("ip");
    stage.client().run(&["ip", "route", "add", "198.18.78.0/24", "via", "198.18.255.1"]).expect("ip");
    let results = stage.unreachable(&format!("198.18.78.1:80 {SHORT} --concurrency 50"));
    let (told, silent) = (results.failed("unreachable"), results.failed("connect-timeout"));
    assert_eq!((told + silent, results.failures()), (200, 200), "{}", results.text);
    // One for each route would do; most have their own.
    assert!(told >= 100, "{}", results.text);
    results.assert_says(&["unreachable"]);
}

#[test]
fn what_cannot_be_had_ends_with_code_1_and_its_cure() {
    let Some(stage) = stage(|spec| spec) else { return };
    let target = format!("{KERNEL_V4}:80");
    let from = |source: &str, more: &str| {
        stage.start_at((stage.client(), CLIENT_DEVICE, source), &format!("{target} {more}")).ended()
    };
    refused(&from("198.18.255.0/24", ""), &["the target 198.18.255.1:80 lies within", "choose other source"]);
    refused(&from("2001:db8:78::/64", ""), &["different address families"]);
    refused(&from("10.78.0.0/16", "--source 10.78.1.0/24"), &["overlap"]);
    refused(&from("10.78.0.1:5000-5009", "--concurrency 11"), &["11 connections at a time", "there are 10"]);
    refused(&from("10.78.0.1:5000-5009", "--workload hold"), &["--connections N"]);
    refused(
        &from("10.78.0.1:5000-5009", "--workload hold --connections 11"),
        &["11 connections to hold need"],
    );
    refused(&from("198.18.0.1:2000-3000", ""), &["overlap with the kernel's ephemeral ports", "sysctl -w"]);
    refused(
        &from("198.18.0.1", ""),
        &["leaves none", "address that no interface has", "fix: --source ", "--source 10.78.0.0/16"],
    );
    refused(&from("10.78.0.0/16", "--html /nowhere/x.html"), &["cannot write /nowhere/x.html"]);

    // Nor is what an earlier run has left lost to one that cannot start.
    std::fs::write(stage.file("bench.json"), "earlier").expect("written");
    refused(&from("198.18.255.0/24", ""), &["lies within"]);
    assert_eq!(std::fs::read_to_string(stage.file("bench.json")).expect("there"), "earlier");

    let elsewhere = stage.bare(&[&target, "--source", "10.78.0.0/16", "--json", "/nowhere/x.json"]).ended();
    refused(&elsewhere, &["cannot write /nowhere/x.json", "a directory that you may write to"]);
    let beyond = stage.bare(&["192.0.2.1:80", "--source", "10.78.0.0/16"]).ended();
    refused(&beyond, &["no route to 192.0.2.1 through hf-c", "ip route add"]);
    let own = stage.bare(&["198.18.0.5:80", "--source", "10.78.0.0/16"]).ended();
    refused(&own, &["198.18.0.5 is an address of this host's own kernel", "two namespaces"]);
    let device = stage.start_at((stage.client(), "hf-x", "10.78.0.0/16"), &target).ended();
    refused(&device, &["no interface", "hf-x", "ip link"]);
    let core = stage.bare(&[&target, "--source", "10.78.0.0/16", "--cores", "4000"]).ended();
    refused(&core, &["CPU 4000", "--cores"]);

    assert_untouched(&stage);
    stage.client().run(&["ip", "link", "set", CLIENT_DEVICE, "down"]).expect("ip");
    refused(&from("10.78.0.0/16", ""), &["hf-c is down", "ip link set hf-c up"]);
}

fn refused(ended: &Ended, parts: &[&str]) {
    ended_with(1, ended, parts);
}

fn ended_with(code: i32, ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.text);
    for part in parts {
        assert!(ended.text.contains(part), "no {part:?} in\n{}", ended.text);
    }
}

/// No program of ours is on the interface.
fn assert_untouched(stage: &Stage) {
    let shown = stage.client().run(&["ip", "-d", "link", "show", CLIENT_DEVICE]).expect("ip");
    assert!(!shown.contains("xdp") && !shown.contains("prog/"), "{shown}");
}
