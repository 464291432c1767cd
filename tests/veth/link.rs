//! The name of an interface, its MAC, and the announcements of addresses on its link.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use handfast_lab::{CLIENT_DEVICE, Lab, SERVER_DEVICE};
use handfast_stack::wire::{Mac, arp, icmp};
use handfast_stack::xdp::{Device, Queue, QueueConfig};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};
use support::{OWNED_V4, OWNED_V6, Responder, at, lab, owned, wait_until};

const CLIENT: Mac = [2, 0, 0, 0x12, 0, 1];
const SERVER: Mac = [2, 0, 0, 0x12, 0, 2];
const OTHER: Mac = [2, 0, 0, 0x12, 0, 0x99];
const OTHER_TEXT: &str = "02:00:00:12:00:99";
const LONG: &str = "enp0s31f6-uplink-port";

fn connects(lab: &Lab, port: u16) -> bool {
    let to: SocketAddr = at(false, port);
    lab.in_client(|| TcpStream::connect_timeout(&to, Duration::from_secs(5)).is_ok()).expect("the namespace")
}

fn ip(lab: &Lab, words: &[&str]) {
    lab.server().run(&[&["ip"], words].concat()).expect("ip");
}

/// Hears every frame on the client's end.
fn listen(lab: &Lab) -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let open = || socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
    lab.in_client(open).expect("the namespace").expect("root may open a packet socket")
}

/// Announcements from this MAC among the captured frames: of IPv4, of IPv6.
fn announced(socket: &OwnedFd, from: Mac) -> (usize, usize) {
    let (mut v4, mut v6, mut frame) = ([0; 64], [0; 96], [0; 2048]);
    let (IpAddr::V4(four), IpAddr::V6(six)) = (OWNED_V4, OWNED_V6) else { unreachable!("one of each") };
    let len4 = arp::announce(&mut v4, four.octets(), from).expect("room");
    let len6 = icmp::announce(&mut v6, six.octets(), from).expect("room");
    let mut found = (0, 0);
    while let Ok(len) = recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
        found.0 += usize::from(frame[..len].starts_with(&v4[..len4]));
        found.1 += usize::from(frame[..len].starts_with(&v6[..len6]));
    }
    found
}

fn plus(sum: &mut (usize, usize), more: (usize, usize)) {
    (sum.0, sum.1) = (sum.0 + more.0, sum.1 + more.1);
}

#[test]
fn exclusive_addresses_are_announced_at_start_and_from_another_mac() {
    let Some(lab) = lab(|spec| spec) else { return };
    let socket = listen(&lab);
    let listeners = [format!("{OWNED_V4}:7001=hold"), format!("[{OWNED_V6}]:7001=hold")];
    let mut responder = Responder::start(&lab, &["--listen", &listeners[0], "--listen", &listeners[1]]);
    let mut first = (0, 0);
    wait_until("two of each", || {
        plus(&mut first, announced(&socket, SERVER));
        first.0 >= 2 && first.1 >= 2
    });
    // The client's kernel learns the MAC, old and new, from the announcements.
    assert!(connects(&lab, 7001));
    ip(&lab, &["link", "set", SERVER_DEVICE, "address", OTHER_TEXT]);
    let line = responder.await_line_where(|line| line.contains("the MAC of hf-s"));
    assert!(line.contains(OTHER_TEXT), "{line}");
    let mut then = (0, 0);
    wait_until("one of each", || {
        plus(&mut then, announced(&socket, OTHER));
        then.0 >= 1 && then.1 >= 1
    });
    assert!(connects(&lab, 7001));
    let summary = responder.stop();
    assert_eq!(first, (2, 2), "and no more:\n{}", summary.text);
    assert!(summary.total("announcements") >= 6, "{}", summary.text);
}

#[test]
fn nothing_is_said_unasked_if_so_told_and_nothing_asked_with_no_arp() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "7001=hold");
    let responder = Responder::start(&lab, &["--listen", &listener, "--announce", "0"]);
    assert!(connects(&lab, 7001));
    let summary = responder.stop();
    assert_eq!((summary.total("announcements"), summary.total("arp_replies")), (0, 1), "{}", summary.text);

    lab.client().run(&["ip", "neigh", "flush", "dev", CLIENT_DEVICE]).expect("ip");
    let responder = Responder::start(&lab, &["--listen", &listener, "--no-arp"]);
    let unreachable = lab.in_client(|| TcpStream::connect_timeout(&at(false, 7001), Duration::from_secs(1)));
    assert!(unreachable.expect("the namespace").is_err());
    // As a load balancer sends on to it.
    let mac = "02:00:00:12:00:02";
    let entry = ["ip", "neigh", "replace", "198.18.1.1", "lladdr", mac, "dev", CLIENT_DEVICE];
    lab.client().run(&entry).expect("ip");
    assert!(connects(&lab, 7001));
    let summary = responder.stop();
    assert_eq!((summary.total("announcements"), summary.total("arp_replies")), (0, 0), "{}", summary.text);
    assert!(summary.dropped("no_arp") > 0, "{}", summary.text);
}

#[test]
fn a_conflict_is_named() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = format!("{OWNED_V4}:7001=hold");
    let mut responder = Responder::start(&lab, &["--listen", &listener]);
    let claim = || {
        let mut frame = [0; 64];
        let len = arp::announce(&mut frame, [198, 18, 1, 1], CLIENT).expect("room");
        let index = Device::open(CLIENT_DEVICE).expect("the client's end").index;
        let mut queue = Queue::open(&QueueConfig::new(CLIENT_DEVICE, index, 0)).expect("a queue").0;
        for _ in 0..3 {
            let mut room = queue.allocate().expect("free");
            queue.bytes_mut(&mut room)[..len].copy_from_slice(&frame[..len]);
            queue.transmit(room, len);
        }
        while queue.unsent() {
            queue.flush().expect("sending");
        }
    };
    lab.in_client(claim).expect("the namespace");
    let line = responder.await_line_where(|line| line.contains("conflict"));
    assert!(line.contains("02:00:00:12:00:01") && line.contains("198.18.1.1"), "{line}");
    let summary = responder.stop();
    assert_eq!(summary.steered("pass_conflict"), (3, vec!["hf-s"]), "{}", summary.text);
    let lines = summary.text.lines().filter(|line| line.contains("note: conflict"));
    assert_eq!(lines.count(), 1, "{}", summary.text);
}

#[test]
fn an_interface_goes_by_all_its_names() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "7001=hold");
    ip(&lab, &["link", "property", "add", "dev", SERVER_DEVICE, "altname", LONG, "altname", "lan0"]);
    let twice = Responder::run(&lab, &["--dev", LONG, "--dev", SERVER_DEVICE, "--listen", &listener]);
    assert_eq!(twice.code, Some(1));
    assert!(twice.text.contains("given twice"), "{}", twice.text);
    for name in [LONG, "lan0"] {
        let mut responder = Responder::start_alone(&lab, &["--dev", name, "--listen", &listener]);
        assert!(connects(&lab, 7001), "{name}");
        let renamed = format!("hf-{name:.4}");
        let before = lab.server().run(&["ip", "-br", "link"]).expect("ip");
        let real = if before.contains("hf-enp0") { "hf-enp0" } else { SERVER_DEVICE };
        ip(&lab, &["link", "set", real, "name", &renamed]);
        responder
            .await_line_where(|line| line.contains(&format!("interface {real} is called {renamed} now")));
        assert!(connects(&lab, 7001), "{renamed}");
        let summary = responder.stop();
        assert_eq!(summary.steered("socket_tcp").1, [renamed], "{}", summary.text);
        assert!(summary.text.contains(&format!("active: {real} ")), "its real name:\n{}", summary.text);
    }
}

#[test]
fn an_interface_without_ethernet_is_refused_by_name() {
    let Some(lab) = lab(|spec| spec) else { return };
    ip(&lab, &["tuntap", "add", "hf-tun", "mode", "tun"]);
    ip(&lab, &["link", "set", "hf-tun", "up"]);
    let ended = Responder::run(&lab, &["--dev", "hf-tun", "--listen", "10.6.0.50:80"]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    for part in ["hf-tun carries no Ethernet frames", "tun or WireGuard", "mode tap"] {
        assert!(ended.text.contains(part), "{}", ended.text);
    }
}
