use super::*;
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

fn frames(frames: u64) -> Counted {
    Counted { frames: Some(frames), hides_tags: false }
}

/// Each look's program total and interface count, and whether it speaks at the last.
#[test]
fn a_driver_that_hands_over_nothing_is_named_and_others_traffic_is_no_sign() {
    for (looks, speaks) in [
        (&[(0, 0), (0, 500), (0, 900), (0, 1382)][..], true),
        (&[(9, 100), (9, 120), (9, 140), (9, 160)], true), // it worked before
        (&[(0, 0), (0, 500), (0, 900)], false),            // not yet
        (&[(0, 0), (100, 100), (200, 200), (300, 300), (400, 400)], false), // none of it ours, all of it seen
        (&[(0, 0), (0, 0), (0, 0), (0, 0), (0, 0)], false), // nothing comes
        (&[(0, 0), (0, 2), (0, 4), (0, 6)], false),        // a few frames before the program was there
        (&[(800, 0), (800, 700), (800, 800), (800, 800), (800, 800), (800, 800)], false), // it lags
        (&[(0, 0), (0, 500), (1, 900), (1, 1000), (1, 1100)], false), // it has begun to
    ] {
        let mut trouble = Trouble::new(&igb(true, 4096));
        let mut said = Vec::new();
        for (program, counted) in looks {
            said.extend(trouble.look(&snapshot(&[("pass_other", *program)], 0), |_| frames(*counted)));
        }
        assert_eq!(said.len(), usize::from(speaks), "{looks:?}: {said:?}");
        if speaks {
            let text = &said[0];
            assert!(text.contains("eth0") && text.contains("igb") && text.contains("--copy"), "{text}");
            assert!(text.contains("ip link set eth0 down; ip link set eth0 up"), "{text}");
        }
    }
}

#[test]
fn it_says_nothing_of_the_program_where_the_verdicts_cannot_be_read() {
    let mut trouble = Trouble::new(&igb(true, 4096));
    for counted in [0, 500, 900, 1382, 2000] {
        let mut snapshot = snapshot(&[], 7);
        snapshot.steering[0].unreadable = Some("not permitted".into());
        assert_eq!(trouble.look(&snapshot, |_| frames(counted)), Vec::<String>::new());
    }
}

#[test]
fn what_is_redirected_must_arrive_or_be_counted() {
    let look = |received: fn(u64) -> u64, dropped: fn(u64) -> u64| {
        let mut trouble = Trouble::new(&igb(false, 2048));
        let said = (0..6).flat_map(|at| {
            let mut snapshot = snapshot(&[("socket_tcp", at * 10)], received(at));
            snapshot.queues[0].kernel =
                Some(KernelSnapshot { rx_ring_full: dropped(at), ..Default::default() });
            trouble.look(&snapshot, |_| Counted::default())
        });
        said.collect::<Vec<_>>()
    };
    assert!(look(|at| at * 10, |_| 0).is_empty());
    assert!(look(|_| 0, |at| at * 10).is_empty(), "it is counted already");
    let said = look(|_| 0, |_| 0);
    assert!(said.len() == 1 && said[0].contains("--mode generic"), "{said:?}");
}

#[test]
fn a_piece_of_a_packet_is_said_at_once_with_what_cures_it() {
    for (zero_copy, frame_size, cure) in [
        (true, 2048, "--frame-size 4096, or --copy"),
        (true, 4096, "ip link set eth0 mtu 3046, or --copy"),
        (false, 2048, "--mode generic"),
    ] {
        let mut trouble = Trouble::new(&igb(zero_copy, frame_size));
        assert!(trouble.look(&snapshot(&[("socket_tcp", 5)], 5), |_| frames(5)).is_empty());
        let said = trouble.look(&snapshot(&[("drop_split", 1)], 5), |_| frames(6));
        assert!(said.len() == 1 && said[0].contains(cure), "{said:?}");
        assert!(trouble.look(&snapshot(&[("drop_split", 2)], 5), |_| frames(7)).is_empty(), "said once");
    }
    let mut continued = snapshot(&[], 5);
    continued.queues[0].split = 3;
    assert_eq!(Trouble::new(&igb(true, 4096)).look(&continued, |_| frames(8)).len(), 1);
}

#[test]
fn questions_that_are_never_followed_point_to_a_hidden_tag() {
    let look = |verdicts: &[(&'static str, u64)], hides_tags| {
        let counted = Counted { frames: None, hides_tags };
        Trouble::new(&igb(false, 2048)).look(&snapshot(verdicts, 9), |_| counted)
    };
    let said = look(&[("socket_arp", 6)], true);
    assert!(said.len() == 1 && said[0].contains("ethtool -K eth0 rxvlan off"), "{said:?}");
    assert!(look(&[("socket_arp", 6)], false).is_empty());
    assert!(look(&[("socket_arp", 3)], true).is_empty());
    assert!(look(&[("socket_arp", 6), ("socket_tcp", 1)], true).is_empty());
}

/// One look at a device whose counts are these; what is said, and again at the next look.
fn said(active: &Effective, snapshot: &Snapshot) -> Vec<String> {
    let mut trouble = Trouble::new(active);
    let said = trouble.look(snapshot, |_| Counted::default());
    assert!(trouble.look(snapshot, |_| Counted::default()).is_empty(), "said once");
    said
}

#[test]
fn partial_checksums_are_said_at_the_first_one() {
    let mut snapshot = snapshot(&[("socket_tcp", 5)], 5);
    let active = igb(false, 2048);
    assert!(said(&active, &snapshot).is_empty());
    let drops = Named(vec![("tcp_partial_checksum".into(), 1)]);
    snapshot.cores = vec![CoreSnapshot { drops, ..CoreSnapshot::default() }];
    let said = said(&active, &snapshot);
    assert!(said.len() == 1 && said[0].starts_with("1 TCP segments had only a partial checksum"), "{said:?}");
}

#[test]
fn packets_that_no_frame_holds_are_said_at_the_first_one() {
    for (driver, cure) in [
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
            said(&active, &snapshot)
        };
        assert!(dropped(7, 7).is_empty(), "for want of a frame, not of its size");
        let said = dropped(8, 7);
        assert!(
            said.len() == 1 && said[0].contains("1 packets were larger than a frame of 2048"),
            "{said:?}"
        );
        assert!(said[0].contains(cure), "{said:?}");
    }
}

#[test]
fn a_queue_that_stays_silent_beside_many_connections_is_named() {
    let look = |driver: &str, mode, received: &[u64], established| {
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
        said(&active, &snapshot)
    };
    let said = look("igb", Mode::Native, &[900, 0, 800, 0], 1000);
    assert!(said.len() == 1 && said[0].contains("nothing arrives on queues 1 3"), "{said:?}");
    assert!(said[0].contains("ethtool -X eth0 equal 4"), "{said:?}");
    let said = look("veth", Mode::Generic, &[900, 0], 1000);
    assert!(said.len() == 1 && said[0].contains("--mode native"), "{said:?}");
    // Few connections may all fall on one queue; one queue is all there is; all have something.
    for (received, established) in [(&[5000, 0][..], 100), (&[900], 1000), (&[900, 1], 1000), (&[0, 0], 1000)]
    {
        assert!(look("igb", Mode::Native, received, established).is_empty(), "{received:?}");
    }
}
