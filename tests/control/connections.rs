//! Connections of the client's kernel, in every state that it can be brought into.

use std::io::Read;
use std::net::{Shutdown, TcpStream};

use handfast_lab::{Lab, Spec};
use serde_json::{Value, json};
use support::{OWNED_V4, OWNED_V6, at, lab, owned, wait_until};

use crate::asked::Asked;

const HOLD: u16 = 7;
const CLOSE: u16 = 9;

#[test]
fn ipv4_connections_are_listed_with_their_states() {
    if let Some(lab) = lab(|spec| spec) {
        each_state(&lab, false);
    }
}

#[test]
fn ipv6_connections_are_listed_with_their_states() {
    if let Some(lab) = lab(|spec| Spec { ipv6: true, ..spec }) {
        each_state(&lab, true);
    }
}

fn start(lab: &Lab, ipv6: bool) -> Asked {
    let listeners = [owned(ipv6, "7=hold"), owned(ipv6, "9=close")];
    Asked::start(lab, &["--listen", &listeners[0], "--listen", &listeners[1]])
}

fn connect(lab: &Lab, ipv6: bool, port: u16) -> TcpStream {
    lab.in_client(move || TcpStream::connect(at(ipv6, port))).expect("the namespace").expect("it answers")
}

/// What is listed of the only connection that passes.
fn only(asked: &Asked, arguments: &[&str]) -> Value {
    let listed = asked.listed(arguments);
    assert_eq!(listed.len(), 1, "{arguments:?}: {listed:?}");
    listed.into_iter().next().expect("one")
}

fn each_state(lab: &Lab, ipv6: bool) {
    let asked = start(lab, ipv6);
    let established = connect(lab, ipv6, HOLD);
    let half_closed = connect(lab, ipv6, HOLD);
    half_closed.shutdown(Shutdown::Write).expect("FIN");
    let fin_wait = connect(lab, ipv6, CLOSE);
    let mut time_wait = connect(lab, ipv6, CLOSE);
    assert_eq!(time_wait.read_to_end(&mut Vec::new()).expect("FIN"), 0);
    let gone = time_wait.local_addr().expect("bound");
    drop(time_wait);
    let all = json!({"ESTABLISHED": 1, "CLOSE-WAIT": 1, "FIN-WAIT-2": 1, "TIME-WAIT": 1});
    wait_until("each is in its state", || asked.counted(&[]) == all);

    for (stream, state, port) in [
        (&established, "established", HOLD),
        (&half_closed, "close_wait", HOLD),
        (&fin_wait, "FIN-WAIT-2", CLOSE),
    ] {
        let one = only(&asked, &["--state", state]);
        assert_eq!(one["peer"], stream.local_addr().expect("bound").to_string(), "{one}");
        assert_eq!(one["local"], at(ipv6, port).to_string(), "{one}");
        assert_eq!(one["core"], 0, "{one}");
        let listener = owned(ipv6, if port == HOLD { "7=hold" } else { "9=close" });
        assert_eq!(one["listener"], listener, "{one}");
    }
    let waits = only(&asked, &["--state", "time-wait"]);
    assert_eq!(waits["peer"], gone.to_string(), "{waits}");
    assert_eq!(waits["timer"]["name"], "time_wait", "{waits}");
    let left = waits["timer"]["left_ms"].as_u64().expect("milliseconds");
    assert!((10_000..=60_000).contains(&left), "of 2 MSL, 60 s: {waits}");
    filters(&asked, ipv6, &established);
    text(&asked);
    drop((established, half_closed, fin_wait));
    asked.responder.stop();
}

fn filters(asked: &Asked, ipv6: bool, established: &TcpStream) {
    let owned = if ipv6 { OWNED_V6 } else { OWNED_V4 };
    let net = if ipv6 { "2001:db8:18::/64" } else { "198.18.1.0/24" };
    let peer = established.local_addr().expect("bound").to_string();
    for (arguments, count) in [
        (&["--local", ":7"][..], 2),
        (&["--local", net], 4),
        (&["--local", &owned.to_string()], 4),
        (&["--local", &at(ipv6, CLOSE).to_string()], 2),
        (&["--peer", net, "--local", ":80"], 0),
        (&["--peer", &peer], 1),
        (&["--state", "established", "--state", "time-wait"], 2),
        (&["--state", "time-wait", "--local", ":7"], 0),
        (&["--state", "last-ack"], 0),
        (&["--limit", "3"], 3),
        (&["--limit", "0"], 0),
        (&["--limit", "4"], 4),
    ] {
        assert_eq!(asked.listed(arguments).len(), count, "{arguments:?}");
    }
    assert_eq!(asked.counted(&["--local", ":9"]), json!({"FIN-WAIT-2": 1, "TIME-WAIT": 1}));
}

fn text(asked: &Asked) {
    let said = asked.connections(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines.len() == 5 && lines[0].starts_with("STATE "), "{}", said.out);
    assert!(said.out.contains("time-wait ") && said.out.contains("=hold"), "{}", said.out);
    let limited = asked.connections(&["--limit", "1"]);
    assert!(limited.err.contains("1 listed; there are more"), "{limited:?}");
    let counted = asked.connections(&["--count"]);
    assert!(counted.out.ends_with("total                   4\n"), "{}", counted.out);
}

/// A handshake that is never completed: the client's kernel has no socket for it.
#[test]
fn a_half_open_connection_shows_what_it_waits_for() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = start(&lab, false);
    let mut command = lab.client().command(support::program());
    command.args(["bench", "--dev", handfast_lab::CLIENT_DEVICE, "--source", handfast_lab::SOURCES_V4]);
    command.args([
        "--workload",
        "flood",
        "198.18.1.1:7",
        "--connections",
        "5",
        "--rate",
        "50",
        "--control",
        "none",
        "--quiet",
    ]);
    let flood = support::run(&mut command);
    assert_eq!(flood.code, Some(0), "{flood:?}");
    let all = json!({"SYN-RECEIVED": 5});
    wait_until("each SYN is taken", || asked.counted(&[]) == all);
    let half_open = asked.listed(&["--state", "syn-received"]);
    assert_eq!(half_open.len(), 5, "{half_open:?}");
    assert!(half_open.iter().all(|one| one["timer"]["name"] == "syn_ack"), "{half_open:?}");
    asked.responder.stop();
}

#[test]
fn wrong_filters_are_named() {
    for (arguments, part) in [
        (
            &["--state", "open"][..],
            "invalid state `open`: the states are SYN-SENT, SYN-RECEIVED, ESTABLISHED",
        ),
        (&["--local", "here"], "invalid address `here`: write 10.0.0.1"),
        (&["--peer", "10.0.0.1:99999"], "invalid address `10.0.0.1:99999`"),
        (&["--count", "--limit", "1"], "cannot be used with"),
        (&["--pid", "1", "--socket", "/tmp/x"], "cannot be used with"),
    ] {
        let said = crate::asked::handfast(&[&["connections"], arguments].concat());
        assert!(said.code == Some(2) && said.err.contains(part), "{arguments:?}: {said:?}");
    }
}
