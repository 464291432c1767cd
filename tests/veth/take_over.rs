//! What a listener takes from the server's own kernel is printed, and what it would cut off is refused.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use handfast_lab::Lab;
use support::{Responder, lab};

/// The server's own address, on the interface that is taken.
const OWN: &str = "198.18.255.1";

/// A server of the kernel's, in this very process.
fn kernel_listens(lab: &Lab, at: &str) -> TcpListener {
    lab.in_server(|| TcpListener::bind(at)).expect("the namespace").expect("a free port")
}

fn connected(lab: &Lab, to: &str, from_client: bool) -> TcpStream {
    let to: SocketAddr = to.parse().expect("an address");
    let connect = || TcpStream::connect_timeout(&to, Duration::from_secs(20));
    let stream = if from_client { lab.in_client(connect) } else { lab.in_server(connect) };
    stream.expect("the namespace").expect("it listens")
}

/// This process, as the notes name it.
fn this_process() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").expect("/proc");
    format!("{} (pid {})", name.trim(), std::process::id())
}

#[test]
fn the_program_whose_port_it_is_is_named() {
    let Some(lab) = lab(|spec| spec) else { return };
    let _any = kernel_listens(&lab, "0.0.0.0:80");
    let _one = kernel_listens(&lab, "198.18.255.1:443");
    let _both_families = kernel_listens(&lab, "[::]:8080");
    let _loopback = kernel_listens(&lab, "127.0.0.1:631");
    let taken = |listeners: &[&str]| {
        let arguments: Vec<&str> = listeners.iter().flat_map(|listener| ["--listen", listener]).collect();
        let text = Responder::start(&lab, &arguments).stop().text;
        let note = text.lines().find(|line| line.starts_with("note: taken from "));
        note.map_or_else(String::new, str::to_owned)
    };
    for (listeners, listens, places) in [
        (&["198.18.255.1:80=http"][..], "0.0.0.0:80", "198.18.255.1:80"),
        (&["198.18.255.0/24:80=http"], "0.0.0.0:80", "198.18.255.1:80"),
        (&["198.18.255.1:8080=http"], "[::]:8080", "198.18.255.1:8080"),
        (&["198.18.255.1:1-500"], "0.0.0.0:80 198.18.255.1:443", "198.18.255.1:80 198.18.255.1:443"),
    ] {
        let note = taken(listeners);
        let wanted = format!(
            "note: taken from {}, which listens on {listens}: {places}; handfast answers what arrives there on hf-s",
            this_process()
        );
        assert_eq!(note, wanted, "{listeners:?}");
    }
    // Nobody's port, and an address that is handfast's alone.
    assert_eq!(taken(&["198.18.255.1:81=http", "198.18.1.1:80=http"]), "");
}

#[test]
fn a_range_with_connections_of_the_kernel_in_it_is_refused() {
    let Some(lab) = lab(|spec| spec) else { return };
    let server = kernel_listens(&lab, "0.0.0.0:22");
    let stream = connected(&lab, "198.18.255.1:22", true);
    let _accepted = server.accept().expect("a client");
    let client = stream.local_addr().expect("connected");
    let range = format!("{OWN}:1-65535=echo");
    for listener in [range.as_str(), "198.18.255.0/24:22", "0.0.0.0/0:20-30"] {
        let refused = Responder::run(&lab, &["--dev", "hf-s", "--listen", listener]);
        assert_eq!(refused.code, Some(1), "{listener}: {}", refused.text);
        let named = format!(
            "would cut off 1 established connection of this host: {OWN}:22 with {client} ({}, pid {})",
            std::fs::read_to_string("/proc/self/comm").expect("/proc").trim(),
            std::process::id()
        );
        assert!(refused.text.contains(&named), "{listener}: {}", refused.text);
        assert!(refused.text.contains("or --take-over"), "{listener}: {}", refused.text);
        // Refused before anything was attached or announced.
        assert!(!refused.text.contains("active:"), "{listener}: {}", refused.text);
    }
    let split = Responder::run(&lab, &["--dev", "hf-s", "--listen", &range]).text;
    assert!(split.contains(&format!("--listen '{OWN}:1-21=echo' --listen '{OWN}:23-65535=echo'")), "{split}");

    let meant = Responder::start(&lab, &["--listen", &range, "--take-over"]).stop();
    assert!(meant.text.contains("1 established connection of this host cut off"), "{}", meant.text);
    // One port of one address is meant as it is written.
    let one = Responder::start(&lab, &["--listen", &format!("{OWN}:22")]).stop();
    assert!(one.text.contains("1 established connection of this host cut off"), "{}", one.text);
}

/// What the machine sends itself arrives on no interface.
#[test]
fn connections_that_go_another_way_are_none_of_ours() {
    let Some(lab) = lab(|spec| spec) else { return };
    let server = kernel_listens(&lab, "0.0.0.0:22");
    let ip = |command: &str| {
        let words: Vec<&str> = ["ip"].into_iter().chain(command.split(' ')).collect();
        lab.server().run(&words).expect(command);
    };
    ip("link set lo up");
    let _inside = [connected(&lab, "127.0.0.1:22", false), connected(&lab, "198.18.255.1:22", false)];
    let _accepted = [server.accept().expect("one"), server.accept().expect("two")];
    let started = Responder::start(&lab, &["--listen", "0.0.0.0/0:1-65535"]).stop();
    assert!(!started.text.contains("established connection"), "{}", started.text);

    // What arrives for a bridge comes through its ports.
    ip("link add hf-bridge type bridge stp_state 0 forward_delay 0");
    ip("link set hf-s master hf-bridge");
    ip("address flush dev hf-s");
    ip("link set hf-bridge up");
    ip("address add 198.18.255.1/16 dev hf-bridge");
    let _through = connected(&lab, "198.18.255.1:22", true);
    let refused = Responder::run(&lab, &["--dev", "hf-s", "--listen", "198.18.255.0/24:1-100"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("198.18.255.1:22 with 198.18.0."), "{}", refused.text);
}

#[test]
fn what_no_packet_is_sent_to_is_no_place_to_listen() {
    let Some(lab) = lab(|spec| spec) else { return };
    for (listener, code, part) in [
        ("0.0.0.0:80=http", 2, "write 0.0.0.0/0:80=http"),
        ("[::]:80=http", 2, "write [::]/0:80=http"),
        ("127.0.0.1:80", 2, "loopback"),
        ("[::1]:80", 2, "loopback"),
        ("198.18.255.255:80", 1, "broadcast address of 198.18.0.0/16"),
    ] {
        let refused = Responder::run(&lab, &["--dev", "hf-s", "--listen", listener]);
        assert_eq!(refused.code, Some(code), "{listener}: {}", refused.text);
        assert!(refused.text.contains(part), "{listener}: {}", refused.text);
    }
}
