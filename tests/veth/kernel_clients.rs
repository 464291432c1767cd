//! Whole connections of the Linux kernel, thousands one after another and a thousand at once,
//! over IPv4, IPv6 and a VLAN, closed first by either side.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use handfast_lab::load::{ClientScript, Plan};
use handfast_lab::{Lab, Spec};
use support::{Responder, at, attempts, clients, lab, owned};

const SEQUENTIAL: u64 = 10_000;
const AT_ONCE: u64 = 1_000;
const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const CLOSE: u16 = 7001;

#[test]
fn ipv4() {
    if let Some(lab) = lab(|spec| spec) {
        both_closes(&lab, false);
    }
}

#[test]
fn ipv6() {
    if let Some(lab) = lab(|spec| Spec { ipv6: true, ..spec }) {
        both_closes(&lab, true);
    }
}

#[test]
fn vlan() {
    if let Some(lab) = lab(|spec| Spec { vlan: Some(42), ..spec }) {
        both_closes(&lab, false);
    }
}

fn both_closes(lab: &Lab, ipv6: bool) {
    one_after_another(lab, ipv6);
    many_at_once(lab, ipv6);
}

/// Nothing is lost here, but the client's cores may send an ACK after the FIN that follows it.
/// That old ACK is answered in TIME-WAIT, and the RST it gets ignored (RFC 9293 3.10.7.4, RFC
/// 1337).
const SWAPPED: [&str; 3] = ["out_of_window", "paws", "rst_time_wait"];

fn one_after_another(lab: &Lab, ipv6: bool) {
    let mut responder = start(lab, ipv6);
    let server_first = attempts(lab, &Plan::sequential(at(ipv6, CLOSE), SEQUENTIAL));
    let plan = Plan::sequential(at(ipv6, DISCARD), SEQUENTIAL).script(ClientScript::CloseFirst);
    let client_first = attempts(lab, &plan);
    responder.await_open(0);
    let summary = responder.stop();
    for (tally, closed) in [(server_first, "active"), (client_first, "passive")] {
        assert_eq!((tally.completed, tally.failed()), (SEQUENTIAL, 0), "{tally}\n{}", summary.text);
        assert_eq!(summary.closed(closed), SEQUENTIAL, "{}", summary.text);
    }
    assert_eq!(summary.total("established"), 2 * SEQUENTIAL, "{}", summary.text);
    summary.assert_no_drops_but(&SWAPPED);
}

/// Thousands of frames arrive in one burst: where the machine is slow some find no free frame,
/// and are sent again. The connections must come through all the same.
fn many_at_once(lab: &Lab, ipv6: bool) {
    let mut responder = start(lab, ipv6);
    clients(lab, &Plan::parallel(at(ipv6, CLOSE), AT_ONCE, AT_ONCE as usize));
    let send = ClientScript::Send(b"thrown away".into());
    clients(lab, &Plan::parallel(at(ipv6, DISCARD), AT_ONCE, AT_ONCE as usize).script(send));
    lab.in_client(|| all_open_at_once(at(ipv6, ECHO))).expect("the namespace");
    responder.await_open(0);
    let summary = responder.stop();
    assert_eq!(summary.total("established"), 3 * AT_ONCE, "{}", summary.text);
    assert_eq!(summary.closed("active"), AT_ONCE, "the server first: {}", summary.text);
    assert_eq!(summary.closed("passive"), 2 * AT_ONCE, "the client first: {}", summary.text);
}

fn start(lab: &Lab, ipv6: bool) -> Responder {
    let listeners = ["7=echo", "9=discard", "7001=close"].map(|listener| owned(ipv6, listener));
    let mut arguments = vec!["--interval", "0.2"];
    arguments.extend(listeners.iter().flat_map(|listener| ["--listen", listener]));
    Responder::start(lab, &arguments)
}

/// Opens all, then speaks on each, then closes each.
fn all_open_at_once(target: SocketAddr) {
    let mut streams: Vec<TcpStream> =
        (0..AT_ONCE).map(|_| TcpStream::connect(target).expect("established")).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
        stream.write_all(number.to_string().as_bytes()).expect("sent");
        stream.shutdown(Shutdown::Write).expect("our FIN");
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the echo, then a FIN");
        assert_eq!(answer, number.to_string());
    }
}
