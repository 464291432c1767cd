//! The end: what had arrived is counted, also by a core that was kept from its frames, and the peers of
//! open connections get to know.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use handfast::{Stack, StackConfig};
use handfast_lab::{CLIENT_DEVICE, Lab, SERVER_DEVICE};
use handfast_stack::service::Service;
use handfast_stack::xdp::{Device, Queue, QueueConfig};

use nix::sys::signal::Signal;
use support::{Responder, at, lab, owned};

/// More than a turn takes, less than a ring holds.
const FRAMES: u64 = 1000;

/// A SYN to an address and port of the stack.
fn syn(number: u64) -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 78, 0, 1], [198, 18, 1, 1], 64)
        .tcp(10_000 + number as u16, 80, 7, 1024)
        .syn()
        .write(&mut frame, &[])
        .expect("writing to a vector");
    frame
}

/// From the client's end, past its kernel.
fn send_all() {
    let index = Device::open(CLIENT_DEVICE).expect("the client's end").index;
    let mut queue = Queue::open(&QueueConfig::new(CLIENT_DEVICE, index, 0)).expect("a queue").0;
    for number in 0..FRAMES {
        let (syn, mut frame) = (syn(number), queue.allocate().expect("free"));
        queue.bytes_mut(&mut frame)[..syn.len()].copy_from_slice(&syn);
        queue.transmit(frame, syn.len());
    }
    while queue.unsent() {
        queue.flush().expect("sending");
    }
}

#[test]
fn what_arrived_before_the_end_is_counted() {
    let Some(lab) = lab(|spec| spec) else { return };
    let options = StackConfig {
        devices: vec![SERVER_DEVICE.to_owned()],
        listen: vec![("198.18.1.1:80".parse().expect("a rule"), Box::new(|| Service::Hold.user()))],
        cores: vec![0],
        max_connections: 1 << 12,
        ..StackConfig::default()
    };
    let finished = lab.in_server(|| {
        let running = Stack::open(options).expect("a stack").run().expect("its core");
        let (held, is_held) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let hold = move || {
            held.send(()).expect("somebody waits");
            // Also when the test is over.
            let _ = may_go.recv();
        };
        running.order(0, Box::new(move |_| hold())).expect("it takes orders");
        is_held.recv().expect("the core is held");
        lab.in_client(send_all).expect("the namespace");
        // Told to stop first, then free.
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            drop(go);
        });
        running.stop()
    });
    let total = finished.expect("the namespace").snapshot.total();
    assert_eq!((total.frames_in, total.frames_lost), (FRAMES, 0));
}

const PEERS: usize = 20;

/// Kernel clients, each with a connection.
fn connected(lab: &Lab, timeout: Duration) -> Vec<TcpStream> {
    let connect = |_| {
        let stream = TcpStream::connect(at(false, 7)).expect("connected");
        stream.set_read_timeout(Some(timeout)).expect("a time-out");
        stream
    };
    lab.in_client(|| (0..PEERS).map(connect).collect()).expect("the namespace")
}

/// What a client reads that waits for data; its socket is closed then.
fn read(mut stream: TcpStream) -> Result<usize, ErrorKind> {
    stream.read(&mut [0]).map_err(|error| error.kind())
}

#[test]
fn kernel_clients_hear_of_the_end() {
    let timeout = Duration::from_secs(20);
    for (on_stop, timeout, wanted, closed) in [
        ("reset", timeout, Err(ErrorKind::ConnectionReset), "stopped"),
        ("fin", timeout, Ok(0), "active"),
        ("none", Duration::from_millis(300), Err(ErrorKind::WouldBlock), ""),
    ] {
        let Some(lab) = lab(|spec| spec) else { return };
        let listener = owned(false, "7=hold");
        let responder = Responder::start(&lab, &["--listen", &listener, "--on-stop", on_stop]);
        let streams = connected(&lab, timeout);
        let readers: Vec<_> = streams.into_iter().map(|stream| thread::spawn(move || read(stream))).collect();
        let summary = responder.stop();
        let got: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("a reader")).collect();
        assert_eq!(got, [wanted; PEERS], "{on_stop}");
        let notices = if closed.is_empty() { 0 } else { PEERS as u64 };
        let counted = [summary.total("stop_notices"), summary.total("left_open")];
        assert_eq!(counted, [notices, 0], "{on_stop}\n{}", summary.text);
        assert!(closed.is_empty() || summary.closed(closed) == notices, "{on_stop}\n{}", summary.text);
    }
}

#[test]
fn a_second_signal_cuts_the_end_short_and_what_is_left_is_counted() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "7=hold");
    let slowly = ["--on-stop-rate", "1", "--on-stop-within", "300"];
    let mut responder = Responder::start(&lab, &[&["--listen", &listener], &slowly[..]].concat());
    let streams = connected(&lab, Duration::from_secs(1));
    responder.await_open(PEERS as u64);
    responder.signal(Signal::SIGTERM);
    let line = responder.await_line_where(|line| line.starts_with("ending"));
    assert!(line.contains(&format!("{PEERS} open")), "{line}");
    // Signals once more, waits, and reads the summary.
    let summary = responder.stop();
    let (sent, left) = (summary.total("stop_notices"), summary.total("left_open"));
    assert!(sent + left == PEERS as u64 && left > 0, "{sent} sent, {left} left\n{}", summary.text);
    drop(streams);
}
