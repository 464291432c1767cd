//! Whole connections of the Linux kernel, thousands one after another and a thousand at once,
//! over IPv4, IPv6 and a VLAN, closed first by either side.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use handfast::lab::load::{Dialogue, Plan};
use handfast::lab::{Lab, Spec};

use crate::responder::Responder;
use crate::stage::{at, clients, lab, owned};

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
    let listeners = ["7=echo", "9=discard", "7001=close"].map(|listener| owned(ipv6, listener));
    let arguments: Vec<&str> = listeners.iter().flat_map(|listener| ["--listen", listener]).collect();
    let responder = Responder::start(lab, &arguments);

    // The server closes first.
    clients(lab, &Plan::sequential(at(ipv6, CLOSE), SEQUENTIAL));
    clients(lab, &Plan::parallel(at(ipv6, CLOSE), AT_ONCE, AT_ONCE as usize));
    // The client closes first.
    clients(lab, &Plan::sequential(at(ipv6, DISCARD), SEQUENTIAL).dialogue(Dialogue::CloseFirst));
    let parallel = Plan::parallel(at(ipv6, DISCARD), AT_ONCE, AT_ONCE as usize);
    clients(lab, &parallel.dialogue(Dialogue::Send(b"thrown away".into())));
    lab.in_client(|| all_open_at_once(at(ipv6, ECHO))).expect("the namespace");

    let summary = responder.stop();
    let each_way = SEQUENTIAL + AT_ONCE;
    assert_eq!(summary.total("established"), 2 * each_way + AT_ONCE, "{}", summary.text);
    assert_eq!(summary.closed("active"), each_way, "{}", summary.text);
    assert_eq!(summary.closed("passive"), each_way + AT_ONCE, "{}", summary.text);
    summary.assert_no_drops_but(&[]);
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
