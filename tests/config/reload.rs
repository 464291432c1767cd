//! SIGHUP: what changes, what goes on, and what a bad file does.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use handfast_lab::{Lab, Spec};
use nix::sys::signal::Signal;
use support::{Responder, at, lab, owned, wait_until_within};

use crate::file::{File, listening, reload, respond};

/// The interface's own address: a segment that went to the kernel would be answered by a RST.
const OWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, 255, 1)), 7);

fn connect(lab: &Lab, to: SocketAddr) -> std::io::Result<TcpStream> {
    let stream =
        lab.in_client(|| TcpStream::connect_timeout(&to, Duration::from_secs(2))).expect("namespace")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

#[track_caller]
fn echoes(stream: &mut TcpStream) {
    let mut heard = [0; 5];
    stream.write_all(b"hello").expect("sent");
    stream.read_exact(&mut heard).expect("echoed");
    assert_eq!(&heard, b"hello");
}

#[track_caller]
fn refused(lab: &Lab, to: SocketAddr) {
    let kind = connect(lab, to).err().map(|error| error.kind());
    assert_eq!(kind, Some(ErrorKind::ConnectionRefused), "{to}");
}

#[track_caller]
fn answers(lab: &Lab, to: SocketAddr) {
    echoes(&mut connect(lab, to).unwrap_or_else(|error| panic!("{to}: {error}")));
}

#[test]
fn a_removed_listeners_connections_go_on_and_a_new_listener_answers() {
    for ipv6 in [false, true] {
        let Some(lab) = lab(|spec| Spec { ipv6, ..spec }) else { return };
        let (old, new) = (owned(ipv6, "7=echo"), owned(ipv6, "9=echo"));
        let file = File::new(listening("", &[&old, "198.18.255.1:7=echo"]));
        let mut responder = respond(&lab, &file, &[]);
        let mut streams = vec![connect(&lab, at(ipv6, 7)).expect("listens")];
        streams.push(connect(&lab, OWN).expect("listens"));
        refused(&lab, at(ipv6, 9));

        let line = reload(&mut responder, &file, &listening("", &[&new]), "reloaded");
        assert!(line.contains(&format!("+{new}, -{old} -198.18.255.1:7=echo, 0 unchanged")), "{line}");
        streams.iter_mut().for_each(echoes);
        refused(&lab, at(ipv6, 7));
        refused(&lab, OWN);
        answers(&lab, at(ipv6, 9));
        streams.iter_mut().for_each(echoes);

        // Again and again, the one that goes on in between.
        let line = reload(&mut responder, &file, &listening("", &[&new]), "reloaded");
        assert!(line.contains("the listeners are the same"), "{line}");
        reload(&mut responder, &file, &listening("", &[&old, &new]), "reloaded");
        answers(&lab, at(ipv6, 7));
        streams.iter_mut().for_each(echoes);
        let summary = responder.stop();
        assert_eq!(summary.total("established"), 4, "{}", summary.text);
    }
}

/// Once no connection is left, an address that was given up is the kernel's again.
#[test]
fn what_was_given_up_goes_back_to_the_kernel_when_its_last_connection_ends() {
    let Some(lab) = lab(|spec| spec) else { return };
    let other = owned(false, "9=echo");
    // A small table is looked through at once, also by a debug build on a busy machine.
    let small = "max-connections = 4096";
    let file = File::new(listening(small, &["198.18.255.1:7=echo", &other]));
    let mut responder = respond(&lab, &file, &[]);
    let mut stream = connect(&lab, OWN).expect("listens");
    reload(&mut responder, &file, &listening(small, &[&other]), "reloaded");
    // Longer than two looks.
    std::thread::sleep(Duration::from_secs(11));
    echoes(&mut stream);
    // The kernel's own server gets nothing yet.
    let server = lab.in_server(|| std::net::TcpListener::bind(OWN)).expect("namespace").expect("free");
    refused(&lab, OWN);
    drop(stream);
    // The more a look has cost, the later is the next one: on a busy machine it costs a pause.
    wait_until_within(Duration::from_secs(120), "the kernel answers", || connect(&lab, OWN).is_ok());
    drop(server);
    responder.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_a_good_one_is_taken_after_it() {
    let Some(lab) = lab(|spec| spec) else { return };
    let (seven, nine) = (owned(false, "7=echo"), owned(false, "9=echo"));
    let file = File::new(listening("", &[&seven]));
    let mut responder = respond(&lab, &file, &[]);
    let mut stream = connect(&lab, at(false, 7)).expect("listens");
    let path = file.path();
    for (text, place) in [
        (listening("", &[&seven, &owned(false, "7=http")]), ":3:35: port 7 of"),
        (listening("rings = 5", &[&nine]), ":2:1: unknown key"),
        (listening("", &[]), ": no listener"),
        (String::from("dev = "), ":1:"),
    ] {
        reload(&mut responder, &file, &text, &format!("handfast: {path}{place}"));
        responder.await_line_where(|line| {
            line == "nothing was changed: the previous configuration stays in force"
        });
        echoes(&mut stream);
        answers(&lab, at(false, 7));
        refused(&lab, at(false, 9));
    }
    std::fs::remove_file(&path).expect("there");
    responder.signal(Signal::SIGHUP);
    responder.await_line_where(|line| line.contains("cannot read"));
    reload(&mut responder, &file, &listening("", &[&nine]), "reloaded");
    echoes(&mut stream);
    answers(&lab, at(false, 9));
    responder.stop();
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_goes_on() {
    let Some(lab) = lab(|spec| spec) else { return };
    let (seven, nine) = (owned(false, "7=echo"), owned(false, "9=echo"));
    let file = File::new(listening("ring = 1024\nmss = 1000", &[&seven]));
    let mut responder = respond(&lab, &file, &["--mss", "900"]);
    let text = listening("ring = 512\nmss = 1200\nprefault = true", &[&seven, &nine]);
    let line = reload(&mut responder, &file, &text, "reloaded");
    assert!(line.ends_with(&format!("+{nine}, 1 unchanged")), "{line}");
    // The command line's wins as before, so that it differs in nothing.
    for key in ["prefault", "ring"] {
        let wanted = format!("note: the new value of `{key}` takes effect after a restart");
        assert_eq!(responder.await_line_where(|line| line.starts_with("note:")), wanted);
    }
    answers(&lab, at(false, 9));
    let all = listening("ring = 1024\nfault = 'drop=100%'", &[&seven, &nine]);
    let line = reload(&mut responder, &file, &all, "reloaded");
    assert!(line.ends_with("2 unchanged, new faults"), "{line}");
    assert!(connect(&lab, at(false, 9)).is_err(), "every SYN is dropped");
    let summary = responder.stop();
    assert!(summary.dropped("fault_drop") > 0, "{}", summary.text);
}

#[test]
fn a_new_service_at_the_same_place_is_for_new_connections() {
    let Some(lab) = lab(|spec| spec) else { return };
    let file = File::new(listening("", &[&owned(false, "7=echo")]));
    let mut responder = respond(&lab, &file, &[]);
    let mut old = connect(&lab, at(false, 7)).expect("listens");
    for _ in 0..3 {
        reload(&mut responder, &file, &listening("", &[&owned(false, "7=close")]), "reloaded");
        let mut closing = connect(&lab, at(false, 7)).expect("listens");
        assert_eq!(closing.read_to_end(&mut Vec::new()).expect("closed in order"), 0);
        echoes(&mut old);
        reload(&mut responder, &file, &listening("", &[&owned(false, "7=echo")]), "reloaded");
        answers(&lab, at(false, 7));
    }
    responder.stop();
}

/// Without a file there is nothing to read again: SIGHUP ends it, as SIGTERM does.
#[test]
fn without_a_file_a_hangup_ends_it() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = Responder::start(&lab, &["--listen", &owned(false, "7=echo")]);
    responder.signal(Signal::SIGHUP);
    let ended = responder.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("summary of"), "{}", ended.text);
}

#[test]
fn a_new_listener_that_would_cut_off_the_kernels_connections_is_refused() {
    let Some(lab) = lab(|spec| spec) else { return };
    let ours = owned(false, "9=echo");
    let file = File::new(listening("", &[&ours]));
    let mut responder = respond(&lab, &file, &[]);
    let server = lab.in_server(|| std::net::TcpListener::bind(OWN)).expect("namespace").expect("free");
    let stream = connect(&lab, OWN).expect("the kernel listens");
    let range = "198.18.255.1:1-99=echo";
    let line = reload(&mut responder, &file, &listening("", &[&ours, range]), "handfast: ");
    assert!(line.contains("would cut off 1 established connection"), "{line}");
    responder
        .await_line_where(|line| line == "nothing was changed: the previous configuration stays in force");
    drop((stream, server));

    let server =
        lab.in_server(|| std::net::TcpListener::bind("0.0.0.0:80")).expect("namespace").expect("free");
    let one = "198.18.255.1:80=echo";
    let line = reload(&mut responder, &file, &listening("", &[&ours, one]), "note: taken from ");
    assert!(line.contains("198.18.255.1:80"), "{line}");
    responder.await_line_where(|line| line.contains("reloaded"));
    drop(server);
    responder.stop();
}
