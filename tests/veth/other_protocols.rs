//! What is not TCP, to an address that is the responder's alone: refused, and never passed to the
//! kernel, which would route it back to where it came from.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use handfast_lab::{Lab, Spec};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};
use support::{OWNED_V4, OWNED_V6, Responder, at, lab, owned, tool};

const PORT: u16 = 53;

/// A datagram from the client's kernel, and what its socket is given.
fn send_datagram(lab: &Lab, to: SocketAddr) -> ErrorKind {
    let ask = move || {
        let socket = UdpSocket::bind(if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        socket.connect(to)?;
        socket.send(b"?")?;
        socket.recv(&mut [0; 16])
    };
    lab.in_client(ask).expect("the namespace").expect_err("no answer but an error").kind()
}

/// A counter of the kernel in `/proc/net/snmp`, by the table and its name.
fn snmp(text: &str, table: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(table)?.strip_prefix(": "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let found = names.split(' ').zip(values.split(' ')).find(|(found, _)| *found == name);
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or_else(|| panic!("no {table} {name}"))
}

fn run(lab: &Lab, client: bool, command: &str) -> String {
    let namespace = if client { lab.client() } else { lab.server() };
    let words: Vec<&str> = command.split_whitespace().collect();
    namespace.run(&words).expect("the command")
}

/// An echo reply, and a datagram in two fragments: dropped by name.
fn send_silent(to: SocketAddr) {
    let SocketAddr::V4(to4) = to else { panic!("{to} is not IPv4") };
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Icmp);
    let raw = raw.expect("a raw socket");
    let reply = [0, 0, 0xff, 0xff, 0, 0, 0, 0];
    sendto(raw.as_raw_fd(), &reply, &SockaddrIn::from(to4), MsgFlags::empty()).expect("sent");
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.send_to(&[0; 2000], to).expect("sent");
}

#[test]
fn a_datagram_is_refused() {
    let Some(lab) = lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    let listeners = [owned(false, "80=http"), owned(true, "80=http")];
    let responder = Responder::start(&lab, &["--listen", &listeners[0], "--listen", &listeners[1]]);
    for ipv6 in [false, true] {
        assert_eq!(send_datagram(&lab, at(ipv6, PORT)), ErrorKind::ConnectionRefused, "IPv6: {ipv6}");
    }
    let summary = responder.stop();
    assert_eq!(summary.total("icmp_unreachables_sent"), 2, "{}", summary.text);
    assert_eq!(summary.steering("socket_protocol"), 2, "{}", summary.text);
}

/// nmap -sU, nmap -sO and traceroute find a host.
#[test]
fn scanners_find_a_host() {
    let (Some(()), Some(()), Some(lab)) =
        (tool("nmap"), tool("traceroute"), lab(|spec| Spec { ipv6: true, ..spec }))
    else {
        return;
    };
    let listeners = [owned(false, "80=http"), owned(true, "80=http")];
    let responder = Responder::start(&lab, &["--listen", &listeners[0], "--listen", &listeners[1]]);
    let (v4, v6) = (OWNED_V4.to_string(), OWNED_V6.to_string());
    for scan in [format!("-sU -p {PORT} {v4}"), format!("-6 -sU -p {PORT} {v6}")] {
        let text = run(&lab, true, &format!("nmap -n -Pn -T4 {scan}"));
        assert!(text.contains("53/udp closed"), "{text}");
    }
    // GRE and SCTP are refused; TCP answers with a RST and UDP with its ports: both are spoken.
    let text = run(&lab, true, &format!("nmap -n -Pn -T4 -sO -p 6,17,47,132 {v4}"));
    for (protocol, state) in [("6", "open"), ("17", "open"), ("47", "closed"), ("132", "closed")] {
        let found = text.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(protocol) && words.next() == Some(state)
        });
        assert!(found, "{protocol} is not {state} in\n{text}");
    }
    for probe in ["", "-T -p 80", "-T -p 81", "-I"] {
        let text = run(&lab, true, &format!("traceroute -n -q 1 -m 3 -w 3 {probe} {v4}"));
        let hops: Vec<&str> = text.lines().skip(1).collect();
        assert!(hops.len() == 1 && hops[0].contains(&v4), "traceroute {probe}:\n{text}");
    }
    responder.stop();
}

/// The prefix is routed to the responder's machine, whose own default route leads back. Each thing
/// sent crosses the link once, and each refusal once.
#[test]
fn a_routed_prefix_does_not_loop() {
    let Some(lab) = lab(|spec| spec) else { return };
    for (at_client, command) in [
        (true, "sysctl -qw net.ipv4.ip_forward=1"),
        (false, "sysctl -qw net.ipv4.ip_forward=1"),
        (true, "ip route add 203.0.113.0/24 via 198.18.255.1"),
        (false, "ip route add 203.0.113.0/24 via 198.18.0.1"),
    ] {
        run(&lab, at_client, command);
    }
    let responder = Responder::start(&lab, &["--listen", "203.0.113.0/24:1-65535=discard"]);
    let to = SocketAddr::new([203, 0, 113, 7].into(), PORT);
    assert_eq!(send_datagram(&lab, to), ErrorKind::ConnectionRefused);
    lab.in_client(move || send_silent(to)).expect("the namespace");
    let summary = responder.stop();
    assert_eq!(summary.total("icmp_unreachables_sent"), 1, "{}", summary.text);
    for (verdict, frames) in [("drop_protocol", 1), ("drop_fragment", 2), ("pass_protocol", 0)] {
        assert_eq!(summary.steering(verdict), frames, "{verdict}: {}", summary.text);
    }
    for at_client in [true, false] {
        let counters = run(&lab, at_client, "cat /proc/net/snmp");
        assert_eq!(snmp(&counters, "Ip", "ForwDatagrams"), 0, "client: {at_client}\n{counters}");
    }
}
