//! Two links to one client, as to a router that spreads flows or has lost one of them: a core serves
//! each, and a connection goes on over whichever link its peer uses.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::available_parallelism;

use handfast_lab::{CLIENT_DEVICE, Lab, SERVED_V4, SERVER_DEVICE, Spec};
use support::{Responder, TIMEOUT, at, lab, owned, skipped, wait_until};

const CONNECTIONS: usize = 20;
const SECOND_CLIENT: &str = "hf-c2";
const SECOND_SERVER: &str = "hf-s2";

#[test]
fn connections_move_between_links_and_survive_the_loss_of_one() {
    if available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        skipped::<()>("it takes two cores");
        return;
    }
    for mode in ["generic", "native"] {
        let Some(lab) = lab(|spec| Spec { queues: 1, ..spec }) else { return };
        second_link(&lab);
        let listen = owned(false, "7=echo");
        let arguments = ["--dev", SECOND_SERVER, "--mode", mode, "--cores", "0,1", "--listen", &listen];
        let mut responder = Responder::start(&lab, &arguments);
        lab.in_client(|| moves(&lab)).expect("the namespace");
        responder.await_open(0);
        let summary = responder.stop();
        assert_eq!(summary.total("established"), CONNECTIONS as u64, "{mode}: {}", summary.text);
        assert_eq!(summary.closed("passive"), CONNECTIONS as u64, "{mode}: {}", summary.text);
        // Each echo over the link that the connection did not begin on, at least.
        assert!(summary.total("relayed_out") >= 3 * CONNECTIONS as u64, "{mode}: {}", summary.text);
        assert_eq!(summary.dropped("not_for_us"), 0, "{mode}: {}", summary.text);
        assert_eq!(summary.dropped("no_hop"), 0, "{mode}: {}", summary.text);
    }
}

/// The client's side. Every echo must come, over either link.
fn moves(lab: &Lab) {
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS)
        .map(|_| {
            let stream = TcpStream::connect_timeout(&at(false, 7), TIMEOUT).expect("the handshake");
            stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
            stream
        })
        .collect();
    echo(&mut streams, "over the first link");
    for device in [SECOND_CLIENT, CLIENT_DEVICE, SECOND_CLIENT, CLIENT_DEVICE] {
        route(lab, device);
        echo(&mut streams, device);
    }
    // For good. The route follows, as a router's would.
    lab.server().run(&["ip", "link", "set", SERVER_DEVICE, "down"]).expect("ip");
    route(lab, SECOND_CLIENT);
    echo(&mut streams, "after the first link went down");
}

fn echo(streams: &mut [TcpStream], what: &str) {
    for stream in streams.iter_mut() {
        stream.write_all(what.as_bytes()).expect(what);
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut heard = vec![0; what.len()];
        stream.read_exact(&mut heard).unwrap_or_else(|error| panic!("{what}, connection {number}: {error}"));
        assert_eq!(heard, what.as_bytes());
    }
}

fn route(lab: &Lab, device: &str) {
    lab.client().run(&["ip", "route", "replace", SERVED_V4, "dev", device]).expect("ip");
}

fn second_link(lab: &Lab) {
    let (client, server) = (lab.client(), lab.server());
    let add = ["ip", "link", "add", SECOND_CLIENT, "type", "veth", "peer", "name", SECOND_SERVER, "netns"];
    client.run(&[&add[..], &[server.name()]].concat()).expect("a second veth pair");
    for (namespace, device) in [(client, SECOND_CLIENT), (server, SECOND_SERVER)] {
        namespace.run(&["ethtool", "-K", device, "tx", "off", "rx", "off"]).expect("ethtool");
        namespace.run(&["ip", "link", "set", device, "up"]).expect("ip");
    }
    wait_until("the second link is up", || {
        let shown = client.run(&["ip", "-br", "link", "show", SECOND_CLIENT]);
        shown.is_ok_and(|line| line.contains(" UP "))
    });
}
