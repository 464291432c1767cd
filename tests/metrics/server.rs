//! The server alone, on loopback: no privileges, no network.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use handfast_metrics::{BoundServer, MetricsServing};

use crate::http::{connect, get, read, say};

/// Long enough for kernel and clients to have no room for all of it.
const LONG: usize = 8 << 20;

fn serve(length: usize) -> (SocketAddr, MetricsServing) {
    let bound = BoundServer::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
    let address = bound.address();
    (address, bound.serve(Box::new(move || vec![b'x'; length])).expect("a thread"))
}

#[test]
fn each_path_has_its_answer() {
    let (at, _serving) = serve(3);
    let page = get(at, "/metrics").expect("an answer");
    assert_eq!((page.status, page.body.as_str()), (200, "xxx"));
    assert!(page.head.contains("Content-Type: text/plain; version=0.0.4"), "{}", page.head);
    assert_eq!(get(at, "/healthz").expect("an answer").body, "ok\n");
    assert!(get(at, "/").expect("an answer").body.contains("/metrics"));
    assert_eq!(get(at, "/nothing").expect("an answer").status, 404);
    assert_eq!(say(at, b"DELETE /metrics HTTP/1.1\r\n\r\n").expect("an answer").status, 405);
}

#[test]
fn ipv6_too() {
    let Ok(bound) = BoundServer::bind("[::1]:0".parse().expect("an address")) else {
        let _: Option<()> = support::skipped("this machine has no IPv6 loopback");
        return;
    };
    let at = bound.address();
    let _serving = bound.serve(Box::new(|| b"six".to_vec())).expect("a thread");
    assert_eq!(get(at, "/metrics").expect("an answer").body, "six");
}

#[test]
fn an_address_that_cannot_be_had_is_an_error_with_its_fix() {
    let (taken, _serving) = serve(1);
    let error = BoundServer::bind(taken).expect_err("it is taken");
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    assert!(error.fix().contains(&format!("sport = :{}", taken.port())), "{}", error.fix());
    // A documentation address (RFC 5737).
    let error =
        BoundServer::bind("192.0.2.1:9464".parse().expect("an address")).expect_err("no interface has it");
    assert!(error.fix().contains("ip -brief address"), "{}", error.fix());
}

#[test]
fn garbage_is_answered_as_such_and_disturbs_nobody() {
    let (at, _serving) = serve(3);
    for (garbage, status) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        (b"GET\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/9\r\n\r\n".to_vec(), 400),
        (vec![0; 4096], 400),
        ([b"GET /".to_vec(), vec![b'a'; 20_000]].concat(), 431),
        ([b"GET / HTTP/1.1\r\n".to_vec(), b"a: b\r\n".repeat(100)].concat(), 431),
    ] {
        let shown = String::from_utf8_lossy(&garbage[..garbage.len().min(20)]).into_owned();
        assert_eq!(say(at, &garbage).expect("an answer").status, status, "{shown:?}");
        assert_eq!(get(at, "/metrics").expect("an answer").body, "xxx");
    }
    // The head in single bytes.
    let mut slow = connect(at).expect("a connection");
    for byte in b"GET /metrics HTTP/1.1\r\n\r\n" {
        slow.write_all(&[*byte]).expect("room");
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(read(&mut slow).expect("an answer").body, "xxx");
}

/// More clients than are served at a time, of each kind: silent, with half a request, and with a request
/// whose answer they do not read.
#[test]
fn clients_that_do_not_go_on_keep_nobody_out() {
    let (at, _serving) = serve(LONG);
    let mut idle = Vec::new();
    for kind in [&b""[..], b"GET /metr", b"GET /metrics HTTP/1.1\r\n\r\n"] {
        for _ in 0..40 {
            let mut stream = connect(at).expect("a connection");
            // Those that went for newer ones are reset.
            let _ = stream.write_all(kind);
            idle.push(stream);
        }
        let began = Instant::now();
        assert_eq!(get(at, "/metrics").expect("an answer").body.len(), LONG);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[test]
fn a_client_has_ten_seconds() {
    let (at, _serving) = serve(3);
    let mut slow = connect(at).expect("a connection");
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").expect("room");
    let began = Instant::now();
    assert!(read(&mut slow).is_err(), "closed without an answer");
    let took = began.elapsed();
    assert!((9..14).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn its_end_frees_the_address() {
    let (at, serving) = serve(3);
    let idle = connect(at).expect("a connection");
    drop(serving);
    assert!(connect(at).is_err(), "no listener");
    drop(idle);
}
