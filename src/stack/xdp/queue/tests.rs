//! What a kernel could put into the receive ring, on the loopback of a network namespace that ends
//! with the test's thread.

use std::{process::Command, thread};

use nix::sched::{CloneFlags, unshare};

use super::*;

/// `None`, said loudly, without root.
fn with_queue(test: fn(Queue)) {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "privileged tests must run in CI");
        eprintln!("SKIPPED: needs root for a network namespace and AF_XDP");
        return;
    }
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let up =
            Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("iproute2 is installed");
        assert!(up.success());
        let (queue, _) = Queue::open(&QueueConfig::new("lo", 1, 0)).expect("the loopback");
        test(queue);
    };
    if let Err(panic) = thread::spawn(run).join() {
        std::panic::resume_unwind(panic);
    }
}

/// A descriptor in the frame of this number.
fn desc(frame: u64, len: u32, options: u32) -> Descriptor {
    Descriptor { addr: frame * 2048 + 256, len, options }
}

#[test]
fn every_piece_of_a_packet_is_dropped_and_what_follows_is_not() {
    with_queue(|mut queue| {
        let before = queue.ledger();
        let came = [
            (desc(0, 60, 0), true),
            (desc(1, 1024, 1), false), // the first piece
            (desc(2, 1024, 1), false),
            (desc(3, 100, 0), false), // the last one has no mark
            (desc(4, 60, 0), true),
            (desc(5, 1024, 1), false), // goes on in the next batch
        ];
        let taken: Vec<Frame> = came
            .into_iter()
            .filter_map(|(desc, whole)| {
                let frame = queue.take(desc);
                assert_eq!(frame.is_some(), whole, "{desc:?}");
                frame
            })
            .collect();
        assert!(queue.take(desc(6, 60, 0)).is_none(), "the last piece");
        let counters = queue.counters();
        assert_eq!((counters.split, counters.bad_descriptors), (5, 0));
        taken.into_iter().for_each(|frame| queue.release(frame));
        let ledger = queue.ledger();
        assert!(ledger.balanced() && queue.lost() == 0, "{ledger:?}");
        assert_eq!((ledger.free, ledger.receiving), (before.free + 7, before.receiving - 7));
    });
}

#[test]
fn a_descriptor_outside_of_its_frame_is_dropped_under_another_name() {
    with_queue(|mut queue| {
        for bad in [desc(0, 1793, 0), desc(1 << 40, 60, 0), desc(u64::from(4096u32), 60, 0)] {
            assert!(queue.take(bad).is_none(), "{bad:?}");
        }
        let counters = queue.counters();
        assert_eq!((counters.split, counters.bad_descriptors), (0, 3));
        assert!(queue.ledger().balanced() && queue.lost() == 0);
    });
}
