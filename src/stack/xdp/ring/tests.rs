//! Both ends of rings in plain memory.

use std::thread;

use super::*;

/// A ring of four whose positions start just below their wrap at 2^32.
fn about_to_wrap() -> (Producer<u64>, Consumer<u64>) {
    let (mut producer, mut consumer) = in_memory(4).expect("a page");
    producer.ring.producer().store(u32::MAX - 1, Release);
    producer.ring.consumer().store(u32::MAX - 1, Release);
    (producer, consumer) = (Producer::new(producer.ring), Consumer::new(consumer.ring));
    (producer, consumer)
}

fn take(consumer: &mut Consumer<u64>, max: usize) -> Vec<u64> {
    let mut out = Vec::with_capacity(max);
    assert_eq!(consumer.consume(&mut out, max, Some), None);
    out
}

#[test]
fn entries_come_out_in_order_over_the_wrap_of_positions_and_of_the_ring() {
    let (mut producer, mut consumer) = about_to_wrap();
    for round in 0..6u64 {
        let entries = [3 * round, 3 * round + 1, 3 * round + 2];
        assert_eq!(producer.produce(&entries), 3);
        assert_eq!(producer.waiting(), 3);
        assert_eq!(take(&mut consumer, 4), entries);
        assert_eq!(producer.waiting(), 0);
    }
}

#[test]
fn a_full_ring_takes_nothing_more() {
    let (mut producer, mut consumer) = about_to_wrap();
    assert_eq!(producer.produce(&[1, 2, 3, 4]), 4);
    assert_eq!((producer.free(1), producer.produce(&[5])), (0, 0));
    assert_eq!(take(&mut consumer, 1), [1]);
    assert_eq!(producer.produce(&[5, 6]), 0, "all or none");
    assert_eq!(producer.produce(&[5]), 1);
    assert_eq!(take(&mut consumer, 9), [2, 3, 4], "filled by the last reading");
    assert_eq!(take(&mut consumer, 9), [5]);
}

#[test]
fn an_entry_is_seen_when_it_is_published() {
    let (mut producer, mut consumer) = about_to_wrap();
    assert!((1..=3).all(|entry| producer.push(entry)));
    assert_eq!((producer.unpublished(), producer.waiting()), (3, 0));
    assert_eq!(producer.written().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(take(&mut consumer, 4).is_empty());
    assert_eq!((producer.publish(), producer.unpublished(), producer.waiting()), (3, 0, 3));
    assert_eq!(take(&mut consumer, 4), [1, 2, 3]);
    assert!(producer.push(4) && !producer.push(5), "full by the last reading");
    assert_eq!((producer.free(2), producer.push(5)), (3, true));
    assert_eq!(producer.produce(&[6]), 1, "after those that were pushed");
    assert_eq!(take(&mut consumer, 4), [4, 5, 6]);
}

#[test]
fn what_is_refused_is_read_and_ends_the_reading() {
    let (mut producer, mut consumer) = about_to_wrap();
    assert_eq!(producer.produce(&[1, 2, 3, 4]), 4);
    let mut out = Vec::with_capacity(9);
    let odd = |entry| (entry % 2 == 1).then_some(10 * entry);
    assert_eq!((consumer.consume(&mut out, 9, odd), &out[..]), (Some(2), &[10][..]));
    assert_eq!((consumer.consume(&mut out, 1, odd), &out[..]), (None, &[10, 30][..]));
    assert_eq!((consumer.consume(&mut out, 9, odd), &out[..]), (Some(4), &[10, 30][..]));
    assert_eq!((consumer.consume(&mut out, 9, odd), producer.waiting()), (None, 0));
}

#[test]
fn what_has_no_room_stays_in_the_ring() {
    let (mut producer, mut consumer) = about_to_wrap();
    assert_eq!(producer.produce(&[1, 2, 3, 4]), 4);
    let mut out = Vec::with_capacity(3);
    out.resize(out.capacity() - 2, 0);
    assert_eq!((consumer.consume(&mut out, 9, Some), out.pop(), out.pop()), (None, Some(2), Some(1)));
    assert_eq!((producer.waiting(), take(&mut consumer, 9)), (2, vec![3, 4]));
}

#[test]
fn more_than_the_ring_holds_is_never_written() {
    let (mut producer, mut consumer) = in_memory(4).expect("a page");
    assert_eq!(producer.produce(&[0; 5]), 0);
    assert_eq!(producer.free(u32::MAX), 4);
    assert!(take(&mut consumer, 9).is_empty());
}

#[test]
fn an_empty_ring_gives_nothing_and_an_empty_slice_takes_nothing() {
    let (mut producer, mut consumer) = about_to_wrap();
    assert!(take(&mut consumer, 4).is_empty());
    assert_eq!(producer.produce(&[]), 0);
    assert_eq!(producer.produce(&[7]), 1);
    assert!(take(&mut consumer, 0).is_empty());
    assert_eq!(take(&mut consumer, 4), [7]);
}

#[test]
fn the_consumer_asks_for_wake_ups() {
    let (producer, consumer) = in_memory::<u64>(4).expect("a page");
    assert!(!producer.needs_wakeup());
    consumer.set_needs_wakeup(true);
    assert!(producer.needs_wakeup());
    consumer.set_needs_wakeup(false);
    assert!(!producer.needs_wakeup());
}

#[test]
fn a_ring_of_another_shape_is_refused() {
    for size in [0, 3, 1000] {
        assert!(in_memory::<u64>(size).is_err(), "{size}");
    }
    let mapping = || {
        let (producer, _) = in_memory::<u64>(4).expect("a page");
        Arc::clone(&producer.ring._mapping)
    };
    for offsets in [
        Offsets { flags: 1 << 20, ..IN_MEMORY }, // outside
        Offsets { consumer: u64::MAX, ..IN_MEMORY },
        Offsets { producer: 2, ..IN_MEMORY }, // not aligned
        Offsets { desc: 200 << 10, ..IN_MEMORY },
    ] {
        assert!(Ring::<u64>::new(mapping(), &offsets, 4).is_err(), "{offsets:?}");
    }
    assert!(Ring::<u64>::new(mapping(), &IN_MEMORY, 1 << 20).is_err(), "longer than the mapping");
}

#[test]
fn two_threads_pass_every_entry_once() {
    const ENTRIES: u64 = 20_000;
    let (mut producer, mut consumer) = in_memory(64).expect("a page");
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0;
            while next < ENTRIES {
                let batch: Vec<u64> = (next..ENTRIES).take(7).collect();
                next += producer.produce(&batch) as u64;
                next += u64::from(next < ENTRIES && producer.push(next));
                producer.publish();
                thread::yield_now();
            }
        });
        let mut expected = 0;
        while expected < ENTRIES {
            for entry in take(&mut consumer, 16) {
                assert_eq!(entry, expected);
                expected += 1;
            }
            thread::yield_now();
        }
    });
}
