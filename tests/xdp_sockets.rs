//! AF_XDP queues against the kernel: opening, refusals, the ledger under traffic, and a device
//! that vanishes. Each test makes network namespaces, prefix `hf-`, and removes them.

use std::{
    fs::File,
    os::fd::AsFd,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::{
    CopyMode, Device, DeviceError, Frame, MAX_BATCH, Mode, Preference, Program, Queue, QueueConfig, Route,
    RouteError, XdpError, next_hop_mac, route,
};
use nix::sched::{CloneFlags, setns};

/// A veth pair with both ends in one namespace, so that one thread can hold both.
struct Pair {
    netns: String,
}

const NEAR: &str = "near";
const FAR: &str = "far";

impl Pair {
    /// Makes the pair and moves the calling thread into its namespace.
    fn enter(queues: u32) -> Pair {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let netns = format!("hf-xsk-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        ip(&["netns", "add", &netns]);
        let pair = Pair { netns };
        let (n, q) = (&pair.netns, queues.to_string());
        ip(&[
            "-n",
            n,
            "link",
            "add",
            NEAR,
            "numrxqueues",
            &q,
            "numtxqueues",
            &q,
            "type",
            "veth",
            "peer",
            "name",
            FAR,
            "numrxqueues",
            &q,
            "numtxqueues",
            &q,
        ]);
        for (end, address) in [(NEAR, "10.0.0.1/24"), (FAR, "10.0.1.1/24")] {
            ip(&["-n", n, "address", "add", address, "dev", end]);
            ip(&["-n", n, "link", "set", end, "up"]);
        }
        let file = File::open(format!("/run/netns/{n}")).expect("the namespace was just made");
        setns(file, CloneFlags::CLONE_NEWNET).expect("entering the namespace");
        pair
    }

    fn ip(&self, arguments: &[&str]) {
        ip(&[&["-n", &self.netns], arguments].concat());
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.netns]).status();
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a test on a new thread: the namespace a thread has entered ends with it.
fn privileged(test: fn()) {
    let Some(()) = support::root() else { return };
    if let Err(panic) = thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}

fn config(end: &str, queue: u32) -> QueueConfig {
    QueueConfig::new(end, Device::open(end).expect(end).index, queue)
}

fn open(end: &str) -> Queue {
    Queue::open(&config(end, 0)).expect(end).0
}

fn refusal(config: &QueueConfig) -> String {
    let started = Instant::now();
    let text = Queue::open(config).expect_err("must be refused").to_string();
    assert!(started.elapsed() < Duration::from_secs(5), "{text}");
    text
}

/// A TCP segment to 10.0.0.1:80, which the program gives to the near socket.
fn segment() -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 1, 1], [10, 0, 0, 1], 64)
        .tcp(40_000, 80, 7, 1024)
        .write(&mut frame, b"handfast")
        .expect("writing to a vector");
    frame
}

/// A near queue that receives what `segment` makes, and a far one to send it.
fn wired(mode: Mode) -> (Queue, Queue, Program) {
    let (near, far) = (open(NEAR), open(FAR));
    let owned = ["10.0.0.0/24:80".parse::<EndpointRange>().expect("a rule")];
    let mut program = Program::load(&owned, &[]).expect("loading");
    program.set_socket(0, near.as_fd()).expect("the socket map");
    program.attach(config(NEAR, 0).ifindex, NEAR, mode).expect("attaching");
    (near, far, program)
}

#[test]
fn a_queue_reports_its_active_settings_and_opens_again_after_closing() {
    privileged(|| {
        let _pair = Pair::enter(1);
        for _ in 0..3 {
            let (queue, opened) = Queue::open(&config(NEAR, 0)).expect("opening");
            assert!(!opened.zero_copy, "veth has no zero-copy");
            assert!(opened.notes.iter().any(|note| note.contains("copied")), "{:?}", opened.notes);
            let ledger = queue.ledger();
            assert!(ledger.balanced(), "{ledger:?}");
            assert_eq!((ledger.receiving, ledger.free, queue.lost()), (2048, 2048, 0));
            assert_eq!(queue.statistics().expect("statistics"), Default::default());
        }
    });
}

/// The kernel releases a closed queue late: a busy one is tried again for a while.
#[test]
fn a_bind_waits_for_a_queue_that_is_released_soon() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let held = open(NEAR);
        let released = &AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(150)); // the delay under test
                released.store(true, Relaxed);
                drop(held);
            });
            let _queue = open(NEAR);
            assert!(released.load(Relaxed), "it was busy until then");
        });
    });
}

#[test]
fn every_refusal_names_the_place_and_the_cause() {
    privileged(|| {
        let pair = Pair::enter(2);
        let held = open(NEAR);
        let text = refusal(&config(NEAR, 0));
        assert!(text.contains("near queue 0 is in use"), "{text}");
        drop(held);

        let text = refusal(&config(NEAR, 2));
        assert!(text.contains("near has no queue 2") && text.contains("it has 2"), "{text}");

        let text = refusal(&QueueConfig { copy: CopyMode::ZeroCopy, ..config(NEAR, 0) });
        assert!(text.contains("near queue 0: zero-copy was refused"), "{text}");

        let text = refusal(&QueueConfig { ifname: "gone".into(), ..config(NEAR, 0) });
        assert!(text.contains("\"gone\"") && text.contains("far lo near"), "{text}");

        pair.ip(&["link", "set", NEAR, "down"]);
        let error = Device::open(NEAR).expect("still there").check(2048).expect_err("down");
        assert!(matches!(error, XdpError::InterfaceDown { .. }), "{error}");
        assert_eq!(error.to_string(), "near is down");
    });
}

#[test]
fn devices_are_described() {
    privileged(|| {
        let _pair = Pair::enter(2);
        let device = Device::open(NEAR).expect("near");
        assert!(device.up && device.is_veth() && device.mac.is_some(), "{device:?}");
        assert_eq!((device.rx_queues, device.paired_queues, device.mtu), (2, 2, 1500));
        assert!(device.addresses.contains(&([10, 0, 0, 1].into(), 24)), "{device:?}");
        assert_eq!(device.preference(), Preference::Native, "generic mode would leave queue 1 empty");
    });
}

#[test]
fn hugepages_are_used_or_missed_with_a_note() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let (_queue, opened) =
            Queue::open(&QueueConfig { hugepages: true, ..config(NEAR, 0) }).expect("falls back");
        let noted = opened.notes.iter().any(|note| note.contains("vm.nr_hugepages"));
        assert_ne!(opened.hugepages, noted, "{opened:?}");
    });
}

/// Frames of 4,096 bytes hold what 2,048 do not.
#[test]
fn large_frames_hold_large_packets() {
    privileged(|| {
        let pair = Pair::enter(1);
        for end in [NEAR, FAR] {
            pair.ip(&["link", "set", end, "mtu", "3046"]);
        }
        let large = |end| {
            let config = QueueConfig { frame_size: 4096, ..config(end, 0) };
            Queue::open(&config).expect(end).0
        };
        let (mut near, mut far) = (large(NEAR), large(FAR));
        let owned = ["10.0.0.0/24:80".parse::<EndpointRange>().expect("a rule")];
        let mut program = Program::load(&owned, &[]).expect("loading");
        program.set_socket(0, near.as_fd()).expect("the socket map");
        program.attach(config(NEAR, 0).ifindex, NEAR, Mode::Generic).expect("attaching");
        let mut segment = Vec::new();
        etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([10, 0, 1, 1], [10, 0, 0, 1], 64)
            .tcp(40_000, 80, 7, 1024)
            .write(&mut segment, &[7; 3006])
            .expect("writing to a vector");
        send(&mut far, &segment, 8);
        let mut batch = Vec::with_capacity(MAX_BATCH);
        assert!(near.wait(5_000).expect("poll"));
        near.receive(&mut batch, MAX_BATCH);
        for frame in batch.drain(..) {
            assert!(near.bytes(&frame) == segment, "{} bytes", frame.len());
            near.release(frame);
        }
        assert!(near.counters().received > 0 && near.ledger().balanced());
    });
}

/// Every frame has one owner at every step, in both modes, while three UMEMs' worth goes through.
#[test]
fn the_ledger_balances_under_traffic() {
    privileged(|| {
        let _pair = Pair::enter(1);
        for mode in [Mode::Generic, Mode::Native] {
            let (mut near, mut far, _program) = wired(mode);
            let segment = segment();
            let mut batch = Vec::with_capacity(MAX_BATCH);
            let (mut echoed, deadline) = (0u64, Instant::now() + Duration::from_secs(10));
            while echoed < 3 * 4096 {
                assert!(Instant::now() < deadline, "{mode}: only {echoed}, {:?}", near.counters());
                send(&mut far, &segment, 64);
                near.receive(&mut batch, 64);
                assert_eq!(near.ledger().held as usize, batch.len());
                for frame in batch.drain(..) {
                    assert_eq!(near.bytes(&frame), segment);
                    echoed += 1;
                    // Some go back, some end here.
                    if echoed % 3 == 0 { near.release(frame) } else { near.transmit(frame, segment.len()) }
                }
                near.flush().expect("near");
                for queue in [&near, &far] {
                    let ledger = queue.ledger();
                    assert!(ledger.balanced() && queue.lost() == 0, "{mode}: {ledger:?}");
                }
            }
            let counters = near.counters();
            assert_eq!((counters.bad_descriptors, counters.misused), (0, 0));
            assert_eq!(near.statistics().expect("statistics").tx_invalid_descs, 0);
            await_completions(&mut near);
        }
    });
}

/// Flushes until all sent frames are completed. That is mostly so when the sending call returns, but may take
/// longer on a busy core.
fn await_completions(queue: &mut Queue) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while queue.ledger().transmitting > 0 {
        assert!(Instant::now() < deadline, "{:?} {:?}", queue.ledger(), queue.counters());
        queue.flush().expect("flushing");
        thread::yield_now();
    }
}

fn send(queue: &mut Queue, segment: &[u8], frames: usize) {
    for _ in 0..frames {
        let Some(mut frame) = queue.allocate() else { break };
        queue.bytes_mut(&mut frame)[..segment.len()].copy_from_slice(segment);
        queue.transmit(frame, segment.len());
    }
    queue.flush().expect("sending");
}

#[test]
fn a_dropped_frame_is_counted_as_lost_and_nothing_else() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let mut queue = open(NEAR);
        let before = queue.ledger();
        let _forgotten = queue.allocate();
        assert_eq!(queue.lost(), 1);
        assert!(queue.ledger().balanced());
        let frames: Vec<Frame> = std::iter::from_fn(|| queue.allocate()).collect();
        assert_eq!(frames.len() as u32, before.free - 1);
        frames.into_iter().for_each(|frame| queue.release(frame));
        queue.flush().expect("nothing to send");
        assert_eq!((queue.lost(), queue.ledger().free), (1, before.free - 1));
    });
}

#[test]
fn misuse_is_counted_and_harmless() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let (mut near, mut far) = (open(NEAR), open(FAR));
        let mut frame = near.allocate().expect("free");
        assert!(far.bytes(&frame).is_empty() && far.bytes_mut(&mut frame).is_empty());
        assert_eq!(near.bytes_mut(&mut frame).len(), 1792);
        let twin = far.allocate().expect("free");
        assert_eq!(twin.address(), frame.address(), "the same place in another memory");
        far.release(frame); // not its own: lost to near, counted by far
        assert_eq!((near.lost(), far.counters().misused, far.lost()), (1, 1, 1));
        far.release(twin);
        assert_eq!((far.counters().misused, far.lost()), (1, 0));
        for len in [0, 13, 1793, usize::MAX] {
            let frame = near.allocate().expect("free");
            near.transmit(frame, len);
        }
        near.flush().expect("nothing to send");
        assert_eq!((near.counters().misused, near.counters().transmitted, near.lost()), (4, 0, 1));
    });
}

/// More frames than the transmit ring holds: what finds no room waits for the next flush.
#[test]
fn a_short_transmit_ring_delays_and_loses_nothing() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let _far = open(FAR);
        let mut near = Queue::open(&QueueConfig { tx_ring: 64, ..config(NEAR, 0) }).expect("near").0;
        let segment = segment();
        send(&mut near, &segment, 1000);
        await_completions(&mut near);
        assert_eq!(near.counters().transmitted, 1000);
        assert!(near.counters().tx_ring_full > 0);
        assert!(near.ledger().balanced());
    });
}

/// A wake-up sends a budget's worth: the flush goes on until the ring is empty.
#[test]
fn one_flush_sends_many_budgets() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let _far = open(FAR);
        let (mut near, opened) =
            Queue::open(&QueueConfig { tx_budget: 32, ..config(NEAR, 0) }).expect("near");
        assert_eq!(opened.tx_budget, 32);
        send(&mut near, &segment(), 200);
        assert_eq!((near.counters().transmitted, near.unsent()), (200, false));
        assert!((7..=8).contains(&near.counters().wakeups), "{:?}", near.counters());
        await_completions(&mut near);
    });
}

/// Another thread reads the queue's counters and the kernel's, and does not keep the socket open: the queue
/// is free at once after it is dropped.
#[test]
fn a_watch_reads_counters_and_does_not_keep_the_socket() {
    privileged(|| {
        let _pair = Pair::enter(1);
        let _far = open(FAR);
        let mut near = open(NEAR);
        let watch = near.watch();
        assert_eq!((watch.ifname(), watch.queue_id(), watch.counters().transmitted), (NEAR, 0, 0));
        send(&mut near, &segment(), 8);
        let (counters, kernel) = thread::scope(|scope| {
            scope.spawn(|| (watch.counters(), watch.statistics())).join().expect("no panic")
        });
        assert_eq!((counters.transmitted, counters), (8, near.counters()));
        assert_eq!(kernel.expect("the socket is open"), near.statistics().expect("and here"));
        drop(near);
        assert!(watch.statistics().is_err() && watch.counters().transmitted == 8);
        drop(open(NEAR));
    });
}

#[test]
fn a_link_that_goes_down_is_reported_and_survived() {
    privileged(|| {
        let pair = Pair::enter(1);
        let _far = open(FAR);
        let mut near = open(NEAR);
        pair.ip(&["link", "set", NEAR, "down"]);
        send(&mut near, &segment(), 8);
        assert!(near.link_down() && near.counters().link_down > 0);
        pair.ip(&["link", "set", NEAR, "up"]);
        near.flush().expect("up again");
        assert!(!near.link_down());
        await_completions(&mut near);
        assert_eq!(near.lost(), 0);
    });
}

#[test]
fn a_device_that_vanishes_is_a_fault_and_not_a_crash() {
    privileged(|| {
        let pair = Pair::enter(1);
        let (mut near, mut far, _program) = wired(Mode::Generic);
        send(&mut far, &segment(), 8);
        pair.ip(&["link", "delete", NEAR]);
        let gone = |queue: &str| DeviceError::DeviceGone { ifname: queue.to_owned(), queue: 0 };
        // Idle: the check finds out. Sending: the flush does. Both finally.
        assert_eq!(near.check(), Err(gone(NEAR)));
        assert_eq!(near.flush(), Err(gone(NEAR)));
        let mut frame = far.allocate().expect("free");
        far.bytes_mut(&mut frame)[..60].fill(0);
        far.transmit(frame, 60);
        assert_eq!(far.flush(), Err(gone(FAR)));
        let mut batch = Vec::with_capacity(MAX_BATCH);
        near.receive(&mut batch, MAX_BATCH); // what had arrived may still be read
        batch.drain(..).for_each(|frame| near.release(frame));
        assert!(near.ledger().balanced() && far.ledger().balanced());
    });
}

#[test]
fn routes_are_those_of_the_kernel() {
    privileged(|| {
        let pair = Pair::enter(1);
        pair.ip(&["address", "add", "fd00::1/64", "dev", NEAR, "nodad"]);
        pair.ip(&["link", "property", "add", "dev", NEAR, "altname", "a-name-longer-than-fifteen"]);
        for line in [
            "route add 10.5.0.0/16 via 10.0.0.2",
            "route add 10.6.0.0/16 via inet6 fe80::50 dev near",
            "route add 10.7.0.0/16 via 10.1.0.2 dev far onlink",
            "route add unreachable 10.8.0.0/24",
            "route add prohibit 10.8.1.0/24",
            "route add blackhole 10.8.2.0/24",
            "route add throw 10.8.3.0/24",
            "route add fd05::/16 via fd00::2",
            "route add unreachable fd06::/16",
            "route add blackhole fd07::/16",
        ] {
            pair.ip(&line.split(' ').collect::<Vec<_>>());
        }
        let parse = |text: &str| text.parse::<std::net::IpAddr>().expect(text);
        for (device, target, through, router, source) in [
            (None, "10.0.0.9", NEAR, None, "10.0.0.1"),
            (Some(NEAR), "10.0.0.9", NEAR, None, "10.0.0.1"),
            (Some("a-name-longer-than-fifteen"), "10.0.0.9", NEAR, None, "10.0.0.1"),
            (None, "10.5.0.1", NEAR, Some("10.0.0.2"), "10.0.0.1"),
            (None, "10.6.0.1", NEAR, Some("fe80::50"), "10.0.0.1"),
            (Some(FAR), "10.7.0.1", FAR, Some("10.1.0.2"), "10.0.1.1"),
            (None, "fd00::9", NEAR, None, "fd00::1"),
            (None, "fd05::9", NEAR, Some("fd00::2"), "fd00::1"),
        ] {
            let found = route(device, parse(target)).expect(target);
            let router = router.map(parse);
            assert_eq!(
                found,
                Route { device: through.to_owned(), router, source: Some(parse(source)) },
                "{target}"
            );
        }
        for (device, target) in [
            (Some(FAR), "10.0.0.9"),
            (Some("gone"), "10.0.0.9"),
            (None, "10.9.0.1"),
            (None, "10.8.0.1"),
            (None, "10.8.1.1"),
            (None, "10.8.2.1"),
            (None, "10.8.3.1"),
            (Some(FAR), "fd05::9"),
            (None, "fd06::1"),
            (None, "fd07::1"),
            (None, "fd99::1"),
        ] {
            let error = route(device, parse(target)).expect_err(target);
            assert!(matches!(error, RouteError::NoRoute { .. }), "{target}: {error:?}");
        }
        for own in ["10.0.0.1", "fd00::1"] {
            let error = route(None, parse(own)).expect_err(own);
            assert!(matches!(error, RouteError::OwnAddress { .. }), "{error}");
        }
    });
}

#[test]
fn the_next_hop_is_a_neighbour_or_a_router() {
    privileged(|| {
        let pair = Pair::enter(1);
        for line in [
            "neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev near nud permanent",
            "neighbour add 10.0.0.8 lladdr 02:00:00:00:00:08 dev near nud stale",
            "neighbour add fe80::50 lladdr 02:00:00:00:00:50 dev near nud reachable",
            "route add 10.6.0.0/16 via inet6 fe80::50 dev near",
        ] {
            pair.ip(&line.split(' ').collect::<Vec<_>>());
        }
        for (target, last) in [([10, 0, 0, 9], 0x09), ([10, 0, 0, 8], 0x08), ([10, 6, 0, 1], 0x50)] {
            let target = target.into();
            let found = next_hop_mac(&route(None, target).expect("a route"), target).expect("known");
            assert_eq!(found, [2, 0, 0, 0, 0, last]);
        }
        let target = [10, 0, 0, 77].into();
        let began = Instant::now();
        let error = next_hop_mac(&route(None, target).expect("a route"), target).expect_err("no such host");
        assert!(matches!(error, RouteError::NoAnswer { .. }), "{error}");
        assert!(began.elapsed() >= Duration::from_secs(2), "the kernel asks three times");
        pair.ip(&["link", "set", NEAR, "down"]);
        let gone = Route { device: NEAR.into(), router: None, source: None };
        let error = next_hop_mac(&gone, target).expect_err("down");
        assert!(matches!(error, RouteError::Send { .. } | RouteError::NoAnswer { .. }), "{error}");
    });
}
