//! The end of a stack whose core was kept from its frames: they have arrived, so they are counted.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use handfast::lab::{CLIENT_DEVICE, SERVER_DEVICE};
use handfast::service::Service;
use handfast::xdp::{Device, Queue, QueueConfig};
use handfast::{Options, Stack};

use crate::stage::lab;

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
    let options = Options {
        devices: vec![SERVER_DEVICE.to_owned()],
        listen: vec![("198.18.1.1:80".parse().expect("a rule"), Box::new(|| Service::Hold.user()))],
        cores: vec![0],
        max_connections: 1 << 12,
        ..Options::default()
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
