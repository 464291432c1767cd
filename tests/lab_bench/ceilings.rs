//! The ceilings: each pattern completes with its counterpart and with handfast, without losses.

use std::process::Command;

use handfast_lab::{Lab, SERVER_DEVICE, Spec};

use crate::server::{Server, counts, replay_client};

const V4: &str = "198.18.1.1:7000";
const V6: &str = "[2001:db8:18::1:1]:7000";

#[test]
fn every_pattern_is_replayed_to_its_end() {
    let Some(lab) = support::lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    for (workload, closer, out, back) in [
        ("establish", "client", 2, 1),
        ("handshake", "client", 3, 1),
        ("lifecycle", "client", 4, 2),
        ("lifecycle", "server", 3, 3),
        ("request", "server", 4, 3),
        ("request", "client", 5, 3),
    ] {
        for (peer, options) in [(V4, &[][..]), (V4, &["--timestamps"]), (V6, &["--timestamps"])] {
            let pattern = [&["--workload", workload, "--closer", closer], options].concat();
            let server = replay_server(&lab, peer, "generic", &pattern);
            let report =
                replay_client(&lab, peer, &[&["--count", "2000", "--window", "128"], &pattern[..]].concat());
            let names = ["completed", "lost", "duplicate", "other", "frames_out", "frames_in", "lost_frames"];
            let expected = [2000, 0, 0, 0, 2000 * out, 2000 * back, 0];
            assert_eq!(counts(&report, names), expected, "{peer} {pattern:?}: {report}");
            assert_eq!(counts(&server.stop(), ["syns", "lost_frames"]), [2000, 0], "{peer} {pattern:?}");
        }
    }
}

#[test]
fn native_mode_replays_as_well() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    let server = replay_server(&lab, V4, "native", &["--workload", "lifecycle"]);
    let report = replay_client(&lab, V4, &["--count", "2000", "--window", "128", "--mode", "native"]);
    assert_eq!(counts(&report, ["completed", "lost"]), [2000, 0], "{report}");
    assert_eq!((&report["mode"], server.stop()["mode"].as_str()), (&"native".into(), Some("native")));
}

#[test]
fn our_own_responder_takes_the_bare_client_for_a_tcp() {
    let Some(lab) = support::lab(|spec| spec) else { return };
    for (workload, closer, service) in [
        ("handshake", "client", "hold"),
        ("lifecycle", "client", "discard"),
        ("lifecycle", "server", "close"),
        ("request", "server", "http"),
        ("request", "client", "echo"),
    ] {
        for options in [&[][..], &["--timestamps"]] {
            let listen = format!("{V4}={service}");
            let json = format!("/tmp/hf-{}.json", lab.name());
            let arguments = ["respond", "--dev", SERVER_DEVICE, "--listen", &listen, "--json", &json];
            let server = Server::start(lab.server(), &arguments);
            let pattern =
                [&["--count", "1000", "--workload", workload, "--closer", closer], options].concat();
            let report = replay_client(&lab, V4, &[&["--window", "64"], &pattern[..]].concat());
            let found = counts(&report, ["completed", "rst", "lost", "in_flight"]);
            assert_eq!(found, [1000, 0, 0, 0], "{pattern:?}: {report}");
            server.end();
            let summary = std::fs::read_to_string(&json).expect("a summary");
            std::fs::remove_file(&json).expect("it was there");
            let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
            assert_eq!(summary["total"]["established"], 1000, "{pattern:?}: {summary}");
        }
    }
}

#[test]
fn the_links_ceilings_answer_every_syn() {
    let Some(lab) = support::lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    for mode in ["generic", "native"] {
        for (program, peer, own, counter) in [
            ("reflector", V4, &["--own", V4][..], "reflected"),
            ("reflector", V4, &["--own", V4, "--swap-ip"], "reflected"),
            ("xdp-tx", V4, &["--tcp-port", "7000"], "syn_ack"),
            ("xdp-tx", V6, &["--tcp-port", "7000"], "syn_ack"),
            ("xdp-tx", V4, &["--tcp-port", "7000", "--reflect-syns"], "reflected"),
        ] {
            let arguments = ["lab", "ceiling", program, "--dev", SERVER_DEVICE, "--mode", mode];
            let server = Server::start(lab.server(), &[&arguments[..], own].concat());
            let client = ["--workload", "syn", "--count", "2000", "--window", "128", "--mode", mode];
            let report = replay_client(&lab, peer, &[&client[..], &["--timeout-ms", "5000"]].concat());
            let found = counts(&report, [counter, "lost", "other"]);
            assert_eq!(found, [2000, 0, 0], "{program} {own:?} {peer} {mode}: {report}");
            let answered = server.stop();
            let answered = answered["answered"].as_u64().or(answered["received"].as_u64());
            assert_eq!(answered, Some(2000), "{program} {own:?} {mode}");
        }
    }
}

#[test]
fn the_syn_acks_of_the_driver_are_taken_for_real_by_a_tcp() {
    let Some(lab) = support::lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    // In generic mode its frames reach a client that has no XDP.
    let arguments =
        ["lab", "ceiling", "xdp-tx", "--dev", SERVER_DEVICE, "--mode", "generic", "--tcp-port", "7000"];
    let server = Server::start(lab.server(), &arguments);
    for peer in ["198.18.255.1:7000", "[2001:db8:18::ff:1]:7000"] {
        let address = peer.parse().expect("an address");
        let limit = std::time::Duration::from_secs(2);
        let connected = lab.in_client(|| std::net::TcpStream::connect_timeout(&address, limit).map(drop));
        connected.expect("inside").unwrap_or_else(|error| panic!("{peer}: {error}"));
    }
    drop(server);
}

#[test]
fn a_real_network_is_refused() {
    let Some(()) = support::root() else { return };
    for arguments in [
        &["reflector", "--own", "10.9.9.9:7000"][..],
        &["xdp-tx", "--tcp-port", "7000"],
        &["replay-server", "--own", "10.9.9.9:7000"],
        &["replay-client", "--peer", "10.9.9.9:7000", "--peer-mac", "02:00:00:12:00:02", "--count", "1"],
    ] {
        let mut command = Command::new(support::program());
        let output =
            command.args(["lab", "ceiling"]).args(arguments).args(["--dev", "lo"]).output().expect("runs");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && complaint.contains("--force"), "{arguments:?}: {complaint}");
    }
}

fn replay_server(lab: &Lab, own: &str, mode: &str, pattern: &[&str]) -> Server {
    let arguments = ["lab", "ceiling", "replay-server", "--dev", SERVER_DEVICE, "--own", own, "--mode", mode];
    Server::start(lab.server(), &[&arguments[..], pattern].concat())
}
