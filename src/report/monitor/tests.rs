use super::*;
use handfast_stack::engine::stack::ActiveTier;
use handfast_stack::engine::{CoreSnapshot, KernelSnapshot, Polling, Priority, SteeringSnapshot};

fn igb(zero_copy: bool, frame_size: u32) -> Effective {
    let device = EffectiveDevice {
        name: "eth0".into(),
        driver: "igb".into(),
        mode: Mode::Native,
        zero_copy,
        zero_copy_queues: if zero_copy { vec![0] } else { Vec::new() },
        queues: 1,
        frame_size,
        umem_bytes: 1 << 24,
        tx_budget: 32,
        hugepages: false,
        cookie_tier: ActiveTier::None,
    };
    Effective {
        devices: vec![device],
        cpus: vec![0],
        polling: Polling::Busy,
        priority: Priority::default(),
        max_connections: 1,
        table_bytes: 1,
        notes: Vec::new(),
    }
}

fn snapshot(verdicts: &[(&'static str, u64)], received: u64) -> Snapshot {
    let verdicts = Named(verdicts.iter().map(|(name, count)| ((*name).into(), *count)).collect());
    let queue = QueueSnapshot {
        device: "eth0".into(),
        received,
        kernel: Some(KernelSnapshot::default()),
        ..QueueSnapshot::default()
    };
    Snapshot {
        queues: vec![queue],
        steering: vec![SteeringSnapshot { device: "eth0".into(), verdicts, unreadable: None }],
        ..Snapshot::default()
    }
}

fn frames(frames: u64) -> InterfaceCounters {
    InterfaceCounters { frames: Some(frames), hides_tags: false }
}

/// The program's and the interface's counter at each check, and whether the last one warns.
#[test]
fn a_driver_that_delivers_nothing_is_named_and_other_traffic_is_no_sign() {
    for (checks, warns) in [
        (&[(0, 0), (0, 500), (0, 900), (0, 1382)][..], true),
        (&[(9, 100), (9, 120), (9, 140), (9, 160)], true), // it worked before
        (&[(0, 0), (0, 500), (0, 900)], false),            // not yet
        (&[(0, 0), (100, 100), (200, 200), (300, 300), (400, 400)], false), // other traffic, all of it seen
        (&[(0, 0), (0, 0), (0, 0), (0, 0), (0, 0)], false), // nothing comes
        (&[(0, 0), (0, 2), (0, 4), (0, 6)], false),        // a few frames before the program was there
        (&[(800, 0), (800, 700), (800, 800), (800, 800), (800, 800), (800, 800)], false), // it lags
        (&[(0, 0), (0, 500), (1, 900), (1, 1000), (1, 1100)], false), // it has begun to
    ] {
        let mut monitor = InterfaceMonitor::new(&igb(true, 4096));
        let mut reported = Vec::new();
        for (program, counted) in checks {
            reported.extend(monitor.check(&snapshot(&[("pass_other", *program)], 0), |_| frames(*counted)));
        }
        assert_eq!(reported.len(), usize::from(warns), "{checks:?}: {reported:?}");
        if warns {
            let text = &reported[0];
            assert!(text.contains("eth0") && text.contains("igb") && text.contains("--copy"), "{text}");
            assert!(text.contains("ip link set eth0 down; ip link set eth0 up"), "{text}");
        }
    }
}

#[test]
fn it_says_nothing_of_the_program_where_the_verdicts_cannot_be_read() {
    let mut monitor = InterfaceMonitor::new(&igb(true, 4096));
    for counted in [0, 500, 900, 1382, 2000] {
        let mut snapshot = snapshot(&[], 7);
        snapshot.steering[0].unreadable = Some("not permitted".into());
        assert_eq!(monitor.check(&snapshot, |_| frames(counted)), Vec::<String>::new());
    }
}

#[test]
fn what_is_redirected_must_arrive_or_be_counted() {
    let check = |received: fn(u64) -> u64, dropped: fn(u64) -> u64| {
        let mut monitor = InterfaceMonitor::new(&igb(false, 2048));
        let reported = (0..6).flat_map(|at| {
            let mut snapshot = snapshot(&[("socket_tcp", at * 10)], received(at));
            snapshot.queues[0].kernel =
                Some(KernelSnapshot { rx_ring_full: dropped(at), ..Default::default() });
            monitor.check(&snapshot, |_| InterfaceCounters::default())
        });
        reported.collect::<Vec<_>>()
    };
    assert!(check(|at| at * 10, |_| 0).is_empty());
    assert!(check(|_| 0, |at| at * 10).is_empty(), "it is counted already");
    let reported = check(|_| 0, |_| 0);
    assert!(reported.len() == 1 && reported[0].contains("--mode generic"), "{reported:?}");
}

#[test]
fn a_split_packet_is_reported_at_once_with_its_fix() {
    for (zero_copy, frame_size, fix) in [
        (true, 2048, "--frame-size 4096, or --copy"),
        (true, 4096, "ip link set eth0 mtu 3046, or --copy"),
        (false, 2048, "--mode generic"),
    ] {
        let mut monitor = InterfaceMonitor::new(&igb(zero_copy, frame_size));
        assert!(monitor.check(&snapshot(&[("socket_tcp", 5)], 5), |_| frames(5)).is_empty());
        let reported = monitor.check(&snapshot(&[("drop_split", 1)], 5), |_| frames(6));
        assert!(reported.len() == 1 && reported[0].contains(fix), "{reported:?}");
        assert!(monitor.check(&snapshot(&[("drop_split", 2)], 5), |_| frames(7)).is_empty(), "reported once");
    }
    let mut continued = snapshot(&[], 5);
    continued.queues[0].split = 3;
    assert_eq!(InterfaceMonitor::new(&igb(true, 4096)).check(&continued, |_| frames(8)).len(), 1);
}

#[test]
fn questions_that_are_never_followed_point_to_a_hidden_tag() {
    let check = |verdicts: &[(&'static str, u64)], hides_tags| {
        let counted = InterfaceCounters { frames: None, hides_tags };
        InterfaceMonitor::new(&igb(false, 2048)).check(&snapshot(verdicts, 9), |_| counted)
    };
    let reported = check(&[("socket_arp", 6)], true);
    assert!(reported.len() == 1 && reported[0].contains("ethtool -K eth0 rxvlan off"), "{reported:?}");
    assert!(check(&[("socket_arp", 6)], false).is_empty());
    assert!(check(&[("socket_arp", 3)], true).is_empty());
    assert!(check(&[("socket_arp", 6), ("socket_tcp", 1)], true).is_empty());
    assert!(check(&[("socket_arp", 6), ("tx_syn_ack", 1)], true).is_empty());
}

/// The warnings of one check; the next one repeats none.
fn reported(active: &Effective, snapshot: &Snapshot) -> Vec<String> {
    let mut monitor = InterfaceMonitor::new(active);
    let reported = monitor.check(snapshot, |_| InterfaceCounters::default());
    assert!(monitor.check(snapshot, |_| InterfaceCounters::default()).is_empty(), "reported once");
    reported
}

#[test]
fn partial_checksums_are_said_at_the_first_one() {
    let mut snapshot = snapshot(&[("socket_tcp", 5)], 5);
    let active = igb(false, 2048);
    assert!(reported(&active, &snapshot).is_empty());
    let drops = Named(vec![("tcp_partial_checksum".into(), 1)]);
    snapshot.cores = vec![CoreSnapshot { drops, ..CoreSnapshot::default() }];
    let reported = reported(&active, &snapshot);
    assert!(
        reported.len() == 1 && reported[0].starts_with("1 TCP segments had only a partial checksum"),
        "{reported:?}"
    );
}

#[test]
fn packets_that_no_frame_holds_are_said_at_the_first_one() {
    for (driver, fix) in [
        ("veth", "at the peer: ethtool -K PEER tso off gso off"),
        ("virtio_net", "ethtool -K eth0 gro off lro off"),
        ("igb", "ethtool -K eth0 lro off"),
    ] {
        let mut active = igb(false, 2048);
        active.devices[0].driver = driver.into();
        let mut snapshot = snapshot(&[("socket_tcp", 5)], 5);
        let mut dropped = |rx_dropped, rx_fill_ring_empty| {
            let kernel = KernelSnapshot { rx_dropped, rx_fill_ring_empty, ..KernelSnapshot::default() };
            snapshot.queues[0].kernel = Some(kernel);
            reported(&active, &snapshot)
        };
        assert!(dropped(7, 7).is_empty(), "for want of a frame, not of its size");
        let reported = dropped(8, 7);
        assert!(
            reported.len() == 1 && reported[0].contains("1 packets were larger than a frame of 2048"),
            "{reported:?}"
        );
        assert!(reported[0].contains(fix), "{reported:?}");
    }
}

#[test]
fn a_queue_that_stays_silent_beside_many_connections_is_named() {
    let check = |driver: &str, mode, received: &[u64], established| {
        let mut active = igb(false, 2048);
        let device = &mut active.devices[0];
        (device.driver, device.mode, device.queues) = (driver.into(), mode, received.len() as u32);
        let queue = |(number, received): (usize, &u64)| QueueSnapshot {
            device: "eth0".into(),
            queue: number as u32,
            received: *received,
            ..QueueSnapshot::default()
        };
        let snapshot = Snapshot {
            queues: received.iter().enumerate().map(queue).collect(),
            cores: vec![CoreSnapshot { established, ..CoreSnapshot::default() }],
            ..snapshot(&[("socket_tcp", 5000)], 0)
        };
        reported(&active, &snapshot)
    };
    let reported = check("igb", Mode::Native, &[900, 0, 800, 0], 1000);
    assert!(reported.len() == 1 && reported[0].contains("nothing arrives on queues 1 3"), "{reported:?}");
    assert!(reported[0].contains("ethtool -X eth0 equal 4"), "{reported:?}");
    let reported = check("veth", Mode::Generic, &[900, 0], 1000);
    assert!(reported.len() == 1 && reported[0].contains("--mode native"), "{reported:?}");
    // Few connections may all fall on one queue; one queue is all there is; all have something.
    for (received, established) in [(&[5000, 0][..], 100), (&[900], 1000), (&[900, 1], 1000), (&[0, 0], 1000)]
    {
        assert!(check("igb", Mode::Native, received, established).is_empty(), "{received:?}");
    }
}
