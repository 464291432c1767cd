//! Descriptors that a kernel could put into the receive ring, and batches against a kernel in memory.

use super::*;
use crate::xdp::DeviceError;

mod random;

fn wired() -> (Queue, KernelEnd) {
    Queue::in_memory(&QueueConfig::new("memory", 1, 0)).expect("some MiB")
}

/// A descriptor in the frame of this number.
fn desc(frame: u64, len: u32, options: u32) -> Descriptor {
    Descriptor::new(frame * 2048 + 256, len, options)
}

/// The numbers of the frames of which the queue receives something, of these descriptors.
fn received(queue: &mut Queue, kernel: &mut KernelEnd, descs: &[Descriptor]) -> Vec<usize> {
    assert_eq!(kernel.rx.produce(descs), descs.len());
    let mut batch = Vec::with_capacity(MAX_BATCH);
    queue.receive(&mut batch, MAX_BATCH);
    let numbers = batch.iter().map(|frame| frame.address() / 2048).collect();
    batch.into_iter().for_each(|frame| queue.release(frame));
    numbers
}

#[test]
fn every_piece_of_a_packet_is_dropped_and_what_follows_is_not() {
    let (mut queue, mut kernel) = wired();
    let before = queue.ledger();
    let came = [
        desc(0, 60, 0),
        desc(1, 1024, 1), // the first piece
        desc(2, 1024, 1),
        desc(3, 100, 0), // the last one has no mark
        desc(4, 60, 0),
        desc(5, 1024, 1), // goes on in the next batch
    ];
    assert_eq!(received(&mut queue, &mut kernel, &came), [0, 4]);
    assert_eq!(
        received(&mut queue, &mut kernel, &[desc(6, 60, 0), desc(7, 60, 0)]),
        [7],
        "6: the last piece"
    );
    let counters = queue.counters();
    assert_eq!((counters.split, counters.bad_descriptors, counters.received), (5, 0, 3));
    let ledger = queue.ledger();
    assert!(ledger.balanced() && queue.lost() == 0, "{ledger:?}");
    assert_eq!((ledger.free, ledger.receiving), (before.free + 8, before.receiving - 8));
}

#[test]
fn a_descriptor_outside_of_its_frame_is_dropped_under_another_name() {
    let (mut queue, mut kernel) = wired();
    let bad = [
        desc(0, 1793, 0),
        desc(1, u32::MAX, 0),
        desc(1 << 40, 60, 0),
        desc(4096, 60, 0), // past the last frame
        desc(4095, 60, 0), // free
        desc(2, 60, 0),
        desc(2, 60, 0), // repeated
        desc(3, 60, 2), // an option that is not known yet
    ];
    assert_eq!(received(&mut queue, &mut kernel, &bad), [2, 3]);
    let counters = queue.counters();
    assert_eq!((counters.split, counters.bad_descriptors), (0, 6));
    assert!(queue.ledger().balanced() && queue.lost() == 0);
}

#[test]
fn a_batch_ends_at_its_limit_and_at_the_capacity_of_its_vector() {
    let (mut queue, mut kernel) = wired();
    let odd = |frame| desc(frame, 60, u32::from(frame % 2 == 0));
    assert_eq!(kernel.rx.produce(&(0..8).map(odd).collect::<Vec<_>>()), 8);
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // 0 and 1 are one packet, 2 and 3 the next one.
    assert_eq!((queue.receive(&mut batch, 3), queue.counters().split), (0, 3));
    assert_eq!((queue.receive(&mut batch, 0), queue.counters().split), (0, 3));
    assert_eq!(kernel.rx.produce(&[desc(8, 60, 0), desc(9, 60, 0), desc(10, 60, 0)]), 3);
    let mut full = Vec::with_capacity(1);
    full.extend((full.capacity() > 1).then(|| queue.allocate()).flatten());
    let room = full.capacity() - full.len();
    assert_eq!((queue.receive(&mut full, MAX_BATCH), queue.counters().split), (room, 8));
    assert_eq!(queue.receive(&mut batch, MAX_BATCH), 3 - room);
    batch.into_iter().chain(full).for_each(|frame| queue.release(frame));
    assert_eq!((queue.lost(), queue.counters().bad_descriptors), (0, 0));
}

#[test]
fn a_frame_of_another_queue_is_neither_read_nor_taken() {
    let ((mut near, _a), (mut far, _b)) = (wired(), wired());
    let mut frame = near.allocate().expect("free");
    assert!(far.bytes(&frame).is_empty() && far.bytes_mut(&mut frame).is_empty());
    let free = far.ledger().free;
    far.transmit(frame, 60);
    far.release(near.allocate().expect("free"));
    far.flush().expect("nothing to send");
    assert_eq!((far.counters().misused, far.lost(), far.ledger().free), (2, 0, free));
    assert_eq!((near.counters().misused, near.lost()), (0, 2));
    assert!(near.ledger().balanced());
}

/// A number is used again only by a queue that no frame of an earlier one can reach.
#[test]
fn a_queue_with_frames_outside_keeps_its_number() {
    let (mut queue, _kernel) = wired();
    let (number, frame) = (queue.pool, queue.allocate().expect("free"));
    drop(queue);
    let queues: Vec<_> = (0..8).map(|_| wired()).collect();
    assert!(queues.iter().all(|(queue, _)| queue.pool != number && queue.bytes(&frame).is_empty()));
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
fn a_kernel_that_takes_nothing_keeps_frames_waiting_in_order_and_loses_none() {
    let config = QueueConfig { tx_ring: 64, ..QueueConfig::new("memory", 1, 0) };
    let (mut queue, mut kernel) = Queue::in_memory(&config).expect("some MiB");
    let send = |queue: &mut Queue, number: u8| {
        let frame = queue.copy_in(&[number; 60]).expect("free");
        queue.transmit(frame, 60);
    };
    (0..100).for_each(|number| send(&mut queue, number));
    queue.flush().expect("nothing fails in memory");
    assert_eq!((queue.counters().transmitted, queue.counters().tx_ring_full), (64, 1));
    let mut sent = Vec::new();
    assert_eq!(kernel.collect(|bytes| sent.push(bytes[0])), 64);
    send(&mut queue, 100); // after those that wait, although there is room now
    queue.flush().expect("nothing fails in memory");
    assert_eq!(queue.counters().transmitted, 101);
    assert_eq!((kernel.collect(|bytes| sent.push(bytes[0])), queue.unsent()), (37, false));
    assert!(sent.into_iter().eq(0..=100));
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
