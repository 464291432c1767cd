//! One thing is disturbed at a time: doctor names it, and its command, typed as printed, cures it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use handfast_lab::{CLIENT_DEVICE, KERNEL_V4, Lab, SERVER_DEVICE};
use support::{Process, program};

use crate::examination::{Examination, assert_responds, examine, type_into};

/// Where a command is typed.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Client,
    Server,
}

/// A fault: its side, its command, the check that finds it, and its level.
pub const SPOILT: [(Side, &str, &str, &str); 8] = [
    (Side::Client, "ethtool -K hf-c tx on", "peer-checksum", "error"),
    (Side::Server, "ip link set dev hf-s mtu 9000", "mtu", "error"),
    (Side::Server, "ip link set dev hf-s down", "link", "error"),
    (Side::Client, "ip link set dev hf-c down", "carrier", "error"),
    (Side::Client, "ip link set dev hf-c mtu 9000", "peer-mtu", "warning"),
    (Side::Client, "ethtool -K hf-c txvlan on", "peer-vlan", "warning"),
    (Side::Server, "ethtool -K hf-s rxvlan on", "rx-vlan", "warning"),
    (Side::Server, "echo 20000 > /sys/class/net/hf-s/gro_flush_timeout", "gro-flush-timeout", "warning"),
];

pub fn spoil(lab: &Lab, side: Side, line: &str) {
    type_into(if matches!(side, Side::Client) { lab.client() } else { lab.server() }, line);
}

#[test]
fn a_good_lab_is_content() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let found = examine(&lab);
    found.assert_content();
    assert_eq!(found.json["counts"]["warning"], 0, "{:#}", found.json);
    let names: Vec<&str> = found.json["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .filter_map(|check| check["name"].as_str())
        .collect();
    let known: Vec<&str> =
        handfast_doctor::CATALOGUE.iter().flat_map(|group| group.checks).copied().collect();
    assert_eq!(names, known);
    assert_responds(&lab);
}

#[test]
fn what_is_spoilt_is_named_and_cured_by_what_is_printed() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    for (side, line, name, level) in SPOILT {
        spoil(&lab, side, line);
        let found = examine(&lab);
        assert_eq!(found.level(name), level, "{line}: {:#}", found.json);
        assert_eq!(found.code, Some(i32::from(level == "error")), "{line}");
        assert!(found.check(name)["why"].as_str().is_some_and(|why| why.len() > 20), "{line}");
        type_into(lab.server(), &found.fix(name));
        let cured = examine(&lab);
        assert_eq!(cured.level(name), "ok", "{line}: {:#}", cured.json);
        cured.assert_content();
    }
    assert_responds(&lab);
}

/// With two queues auto takes native mode, in which a veth needs GRO at its other end.
#[test]
fn who_answers_syns_by_cookie_is_named_and_changed_by_what_is_printed() {
    let Some(lab) = support::lab(|spec| handfast_lab::Spec { queues: 2, ..spec }) else { return };
    let found = examine(&lab);
    let check = found.check("syn-cookies");
    assert_eq!((found.level("syn-cookies"), found.code), ("warning", Some(0)), "{check}");
    assert!(check["found"].as_str().is_some_and(|text| text.starts_with("by the cores: in native mode")));
    type_into(lab.server(), &found.fix("syn-cookies"));
    let cured = examine(&lab);
    let check = cured.check("syn-cookies");
    assert_eq!(cured.level("syn-cookies"), "ok", "{check}");
    assert!(check["found"].as_str().is_some_and(|text| text.starts_with("by the eBPF program, in native")));
}

#[test]
fn a_start_that_fails_points_to_doctor() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    spoil(&lab, Side::Server, "ip link set dev hf-s mtu 9000");
    let output =
        lab.server().command(program()).args(crate::examination::respond()).output().expect("ip netns exec");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("handfast doctor --dev hf-s"), "{complaint}");
}

#[test]
fn a_peer_in_a_namespace_without_a_name_is_found_by_its_process() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    // As a container is: a process in a namespace that `ip netns` does not know.
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", "echo ready; exec sleep 60"]);
    let container = Process::ready(command);
    let id = container.id();
    type_into(lab.client(), &format!("ip link set dev {CLIENT_DEVICE} netns {id}"));
    type_into(lab.server(), &format!("nsenter --net=/proc/{id}/ns/net ethtool -K {CLIENT_DEVICE} tx on"));
    let found = examine(&lab);
    let said = found.check("peer")["found"].as_str().expect("text");
    assert_eq!(said, format!("{CLIENT_DEVICE} in the namespace of process {id}"));
    assert_eq!(found.errors(), ["carrier", "peer-checksum"], "moving takes a link down: {:#}", found.json);
    for name in found.errors() {
        type_into(lab.server(), &found.fix(name));
    }
    examine(&lab).assert_content();
}

#[test]
fn an_interface_of_another_namespace_is_found_there() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    // A name that no other lab has.
    let name = format!("hfd{}", std::process::id());
    type_into(lab.server(), &format!("ip link add {name} up type veth peer name {name}p"));
    type_into(lab.server(), &format!("ip link set dev {name}p up && ethtool -K {name}p tx off txvlan off"));
    let mut command = lab.client().command(program());
    let output = command.args(["doctor", "--json", "--dev", &name]).output().expect("ip netns exec");
    let found = Examination::read(&output);
    assert_eq!((found.errors(), found.code), (vec!["interface"], Some(1)));
    assert!(found.check("interface")["found"].as_str().is_some_and(|text| text.contains(CLIENT_DEVICE)));
    let fix = found.fix("interface");
    assert!(fix.contains(lab.server().name()) && fix.contains(&name), "{fix}");
    type_into(lab.client(), &fix);
}

#[test]
fn an_interface_that_is_nowhere_is_an_error_with_those_that_are() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let mut command = lab.server().command(program());
    let output = command.args(["doctor", "--json", "--dev", "hf-nowhere"]).output().expect("ip netns exec");
    let found = Examination::read(&output);
    assert_eq!((found.errors(), found.code), (vec!["interface"], Some(1)));
    assert!(found.check("interface")["found"].as_str().is_some_and(|text| text.contains(SERVER_DEVICE)));
    type_into(lab.server(), &found.fix("interface"));
}

#[test]
fn partial_checksums_are_seen_as_they_arrive() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let address = SocketAddr::new(KERNEL_V4.into(), 7100);
    let listener = lab.in_server(|| TcpListener::bind(address)).expect("inside").expect("a listener");
    for (switch, level) in [("on", "error"), ("off", "ok")] {
        type_into(lab.client(), &format!("ethtool -K {CLIENT_DEVICE} tx {switch}"));
        let over = AtomicBool::new(false);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                lab.in_client(|| {
                    while !over.load(Ordering::Relaxed) {
                        let connection = TcpStream::connect_timeout(&address, Duration::from_secs(10));
                        let connection = connection.expect("the kernel answers");
                        // The server first: TIME-WAIT at the client would use up its ports.
                        drop(listener.accept());
                        drop(connection);
                    }
                })
            });
            // On a busy machine a moment may pass without a segment.
            let found =
                (0..20).map(|_| examine(&lab)).find(|found| found.level("partial-checksums") != "unknown");
            over.store(true, Ordering::Relaxed);
            found
        });
        let found = found.expect("segments arrive");
        assert_eq!(found.level("partial-checksums"), level, "tx {switch}: {:#}", found.json);
    }
}

#[test]
fn every_offload_of_a_peer_is_named() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    spoil(&lab, Side::Client, "ethtool -K hf-c tx on tso on gso on");
    let found = examine(&lab);
    assert_eq!(found.level("peer-checksum"), "error", "{:#}", found.json);
    assert_eq!(found.check("peer-segmentation")["found"], "tso and gso on", "{:#}", found.json);
    type_into(lab.server(), &found.fix("peer-segmentation"));
    type_into(lab.server(), &found.fix("peer-checksum"));
    examine(&lab).assert_content();
    assert_responds(&lab);
}

#[test]
fn labelled_and_foreign_addresses_are_named() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    type_into(lab.server(), "ip address add 198.18.5.1/32 dev hf-s label hf-s:1");
    type_into(lab.server(), "ip address add 198.18.5.2/32 dev lo");
    let found = examine(&lab);
    let said = found.check("addresses")["found"].as_str().expect("text");
    for part in ["198.18.255.1 (hf-s)", "198.18.5.1 (hf-s, labelled hf-s:1)", "198.18.5.2 (lo)"] {
        assert!(said.contains(part), "{said}");
    }
    // A label is no interface.
    let output = lab.server().command(program()).args(["doctor", "--dev", "hf-s:1"]).output();
    let said = String::from_utf8_lossy(&output.expect("ip netns exec").stderr).into_owned();
    assert!(said.contains("if it is the label of an address, write `hf-s`"), "{said}");
}

#[test]
fn a_listener_over_a_running_server_is_named() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let server = lab.in_server(|| TcpListener::bind("0.0.0.0:80")).expect("the namespace").expect("free");
    let this = format!("pid {})", std::process::id());
    let found = examine(&lab);
    let said = found.check("listeners")["found"].as_str().expect("text");
    assert!(said.contains("0.0.0.0:80 (") && said.contains(&this), "{said}");

    let ask = |listener: &str| {
        let arguments = ["doctor", "--dev", SERVER_DEVICE, "--json", "--listen", listener];
        Examination::read(&lab.server().command(program()).args(arguments).output().expect("ip netns exec"))
    };
    let taken = ask("198.18.255.1:80=http");
    let check = taken.check("listeners");
    assert_eq!((check["level"].as_str(), taken.code), (Some("warning"), Some(0)), "{check:#}");
    let said = check["found"].as_str().expect("text");
    assert!(said.starts_with("taken from ") && said.contains(&this), "{said}");
    assert_eq!(ask("198.18.1.1:80=http").level("listeners"), "ok");

    let to: SocketAddr = "198.18.255.1:80".parse().expect("an address");
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(20));
    let _stream = lab.in_client(connect).expect("the namespace").expect("it listens");
    let _accepted = server.accept().expect("a client");
    let cut = ask("198.18.255.1:1-1000");
    assert_eq!((cut.level("listeners"), cut.code), ("error", Some(1)), "{:#}", cut.json);
    let said = cut.check("listeners")["found"].as_str().expect("text");
    assert!(said.contains("would cut off 1 established connection"), "{said}");
}
