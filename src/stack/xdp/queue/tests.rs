//! Descriptors that a kernel could put into the receive ring, and batches against a kernel in memory.

use super::*;
use crate::xdp::DeviceError;

fn queue() -> Queue {
    wired().0
}

fn wired() -> (Queue, KernelEnd) {
    Queue::in_memory(&QueueConfig::new("memory", 1, 0)).expect("some MiB")
}

/// A descriptor in the frame of this number.
fn desc(frame: u64, len: u32, options: u32) -> Descriptor {
    Descriptor { addr: frame * 2048 + 256, len, options }
}

#[test]
fn every_piece_of_a_packet_is_dropped_and_what_follows_is_not() {
    let mut queue = queue();
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
}

#[test]
fn a_descriptor_outside_of_its_frame_is_dropped_under_another_name() {
    let mut queue = queue();
    for bad in [desc(0, 1793, 0), desc(1 << 40, 60, 0), desc(u64::from(4096u32), 60, 0)] {
        assert!(queue.take(bad).is_none(), "{bad:?}");
    }
    let counters = queue.counters();
    assert_eq!((counters.split, counters.bad_descriptors), (0, 3));
    assert!(queue.ledger().balanced() && queue.lost() == 0);
}

#[test]
fn a_batch_goes_through_the_rings_and_back() {
    let (mut queue, mut kernel) = wired();
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // Three times the UMEM's frames.
    for round in 0..200u8 {
        let packets = [[round; 60], [round ^ 0xff; 60]];
        (0..64).for_each(|at| assert!(kernel.deliver(&packets[at % 2])));
        assert_eq!(queue.receive(&mut batch, MAX_BATCH), 64);
        for (at, frame) in batch.drain(..).enumerate() {
            assert_eq!(queue.bytes(&frame), packets[at % 2]);
            if at % 3 == 0 { queue.release(frame) } else { queue.transmit(frame, 60) }
        }
        queue.flush().expect("nothing fails in memory");
        assert!(queue.unsent(), "the kernel has not looked");
        let mut at = 0..64;
        let sent = kernel.collect(|bytes| {
            let at = at.by_ref().find(|at| at % 3 != 0).expect("no more than were sent");
            assert_eq!(bytes, packets[at % 2]);
        });
        assert_eq!(sent, 42);
        assert!(queue.ledger().balanced() && !queue.unsent());
    }
    queue.flush().expect("takes back the last ones");
    let ledger = queue.ledger();
    assert_eq!((ledger.receiving, ledger.transmitting, queue.lost()), (2048, 0, 0));
    let counters = queue.counters();
    assert_eq!((counters.received, counters.transmitted), (200 * 64, 200 * 42));
    assert_eq!((counters.wakeups, kernel.wakeups()), (0, 0), "it was not asked for any");
}

#[test]
fn a_kernel_that_asks_is_woken_once_a_batch() {
    let (mut queue, mut kernel) = wired();
    kernel.set_needs_wakeup(true);
    for _ in 0..3 {
        for _ in 0..32 {
            let frame = queue.copy_in(&[7; 60]).expect("free");
            queue.transmit(frame, 60);
        }
        queue.flush().expect("nothing fails in memory");
        assert_eq!((kernel.wakeups(), kernel.collect(|_| {})), (1, 32));
    }
    assert_eq!(queue.counters().wakeups, 3);
}

#[test]
fn a_kernel_that_takes_nothing_keeps_frames_waiting_and_loses_none() {
    let config = QueueConfig { tx_ring: 64, ..QueueConfig::new("memory", 1, 0) };
    let (mut queue, mut kernel) = Queue::in_memory(&config).expect("some MiB");
    for _ in 0..100 {
        let frame = queue.copy_in(&[7; 60]).expect("free");
        queue.transmit(frame, 60);
    }
    queue.flush().expect("nothing fails in memory");
    assert_eq!((queue.counters().transmitted, queue.counters().tx_ring_full), (64, 1));
    assert_eq!(kernel.collect(|_| {}), 64);
    queue.flush().expect("nothing fails in memory");
    assert_eq!((queue.counters().transmitted, kernel.collect(|_| {}), queue.unsent()), (100, 36, false));
    queue.flush().expect("nothing fails in memory");
    assert!(queue.ledger().balanced() && queue.ledger().transmitting == 0);
}

#[test]
fn a_kernel_without_buffers_receives_nothing() {
    let (mut queue, mut kernel) = wired();
    assert_eq!((0..3000).filter(|_| kernel.deliver(&[1; 60])).count(), 2048);
    let mut batch = Vec::with_capacity(MAX_BATCH);
    assert_eq!(queue.receive(&mut batch, MAX_BATCH), MAX_BATCH);
    batch.drain(..).for_each(|frame| queue.release(frame));
    queue.flush().expect("nothing fails in memory");
    assert_eq!((0..3000).filter(|_| kernel.deliver(&[1; 60])).count(), MAX_BATCH);
}

#[test]
fn a_kernel_that_is_gone_is_a_device_that_is_gone() {
    let (mut queue, kernel) = wired();
    drop(kernel);
    assert!(matches!(queue.check(), Err(DeviceError::Wakeup { .. })));
    assert_eq!(queue.flush(), queue.check(), "once it has failed, it always fails");
}
