//! Addresses that the machine has are shared with its kernel, on whichever interface they are and
//! whenever they came.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use handfast_lab::{Lab, SERVER_DEVICE};
use support::{Responder, lab};

/// The kernel of the server listens here, on all its addresses.
const KERNEL: u16 = 22;
/// handfast does here, and holds what connects.
const OURS: u16 = 7001;

/// A lab whose server's kernel listens.
fn with_kernel_listener() -> Option<(Lab, TcpListener)> {
    let lab = lab(|spec| spec)?;
    let listener = lab.in_server(|| TcpListener::bind(("0.0.0.0", KERNEL))).expect("the namespace");
    Some((lab, listener.expect("a listener")))
}

fn ip(lab: &Lab, command: &str) {
    let words: Vec<&str> = ["ip"].into_iter().chain(command.split(' ')).collect();
    lab.server().run(&words).expect(command);
}

/// From the client's kernel; it may take as long as two SYNs.
fn connect(lab: &Lab, address: &str, port: u16) -> Result<TcpStream, ErrorKind> {
    let to = SocketAddr::new(address.parse::<IpAddr>().expect("an address"), port);
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(5));
    lab.in_client(connect).expect("the namespace").map_err(|error| error.kind())
}

fn connects(lab: &Lab, address: &str, port: u16) -> bool {
    connect(lab, address, port).is_ok()
}

#[test]
fn every_interface_s_addresses_keep_their_other_ports() {
    let Some((lab, _listener)) = with_kernel_listener() else { return };
    let label = format!("{SERVER_DEVICE}:1");
    ip(&lab, &format!("address add 198.18.5.1/32 dev {SERVER_DEVICE} label {label}"));
    ip(&lab, "address add 198.18.5.2/32 dev lo");
    ip(&lab, "link add hf-other type veth peer name hf-another");
    ip(&lab, "address add 198.18.5.3/24 dev hf-other");
    let listener = format!("198.18.5.0/24:{OURS}=hold");
    let responder = Responder::start(&lab, &["--listen", &listener]);
    for address in ["198.18.5.1", "198.18.5.2", "198.18.5.3"] {
        assert!(connects(&lab, address, OURS), "{address}");
        assert!(connects(&lab, address, KERNEL), "{address}: the kernel's port");
    }
    // What is on no interface is taken whole.
    assert!(connects(&lab, "198.18.5.4", OURS));
    assert_eq!(connect(&lab, "198.18.5.4", KERNEL).expect_err("closed"), ErrorKind::ConnectionRefused);
    let summary = responder.stop();
    let note = summary.text.lines().find(|line| line.contains("shared with the kernel"));
    let note = note.unwrap_or_else(|| panic!("no note:\n{}", summary.text));
    for part in ["198.18.5.1 (hf-s)", "198.18.5.2 (lo)", "198.18.5.3 (hf-other)"] {
        assert!(note.contains(part), "{note}");
    }
}

/// The bridge has the address, and its own MAC; handfast is on its port.
#[test]
fn a_bridge_s_address_keeps_its_other_ports() {
    let Some((lab, _listener)) = with_kernel_listener() else { return };
    ip(&lab, "link add hf-bridge address 02:00:00:12:00:77 type bridge stp_state 0 forward_delay 0");
    ip(&lab, &format!("link set {SERVER_DEVICE} master hf-bridge"));
    ip(&lab, &format!("address flush dev {SERVER_DEVICE}"));
    ip(&lab, "link set hf-bridge up");
    ip(&lab, "address add 198.18.255.1/16 dev hf-bridge");
    let listeners = [format!("198.18.255.1:{OURS}=hold"), format!("198.18.5.4:{OURS}=hold")];
    let responder = Responder::start(&lab, &["--listen", &listeners[0], "--listen", &listeners[1]]);
    assert!(connects(&lab, "198.18.255.1", KERNEL), "the kernel's port");
    assert!(connects(&lab, "198.18.255.1", OURS), "to the bridge's MAC");
    assert!(connects(&lab, "198.18.5.4", OURS), "ours alone");
    responder.stop();
}

#[test]
fn addresses_that_come_and_go_are_followed() {
    let Some((lab, _listener)) = with_kernel_listener() else { return };
    let listener = format!("198.18.5.1:{OURS}=hold");
    let mut responder = Responder::start(&lab, &["--listen", &listener, "--announce", "0"]);
    let mut held = connect(&lab, "198.18.5.1", OURS).expect("ours alone");
    let refused = |lab: &Lab| connect(lab, "198.18.5.1", KERNEL).err() == Some(ErrorKind::ConnectionRefused);
    assert!(refused(&lab));

    ip(&lab, "address add 198.18.5.1/32 dev lo");
    let line =
        responder.await_line_where(|line| line.contains("198.18.5.1 is an address of this machine now"));
    assert!(line.starts_with("note: ") && line.contains("(lo)"), "{line}");
    assert!(connects(&lab, "198.18.5.1", KERNEL) && connects(&lab, "198.18.5.1", OURS));

    ip(&lab, "address del 198.18.5.1/32 dev lo");
    responder.await_line_where(|line| line.contains("198.18.5.1 is on no interface any more"));
    assert!(refused(&lab) && connects(&lab, "198.18.5.1", OURS));
    // What was there from the start still is.
    held.set_nonblocking(true).expect("a socket");
    assert_eq!(held.read(&mut [0]).expect_err("open").kind(), ErrorKind::WouldBlock);
    let summary = responder.stop();
    assert_eq!(summary.total("established"), 3, "{}", summary.text);
}
