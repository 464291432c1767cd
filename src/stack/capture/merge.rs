//! Merges the frames of several rings in the order of their timestamps.
//!
//! The frames of a connection may be received on one queue and sent on another; without merging, an
//! answer could precede its request in the file. Each ring is ordered, so taking the oldest head first
//! gives the order, once every queue has written its frames up to that time.

use rtrb::Consumer;

use super::pcapng::{self, STAMPED};

/// The reading end of a ring.
pub(super) struct MergeSource {
    ring: Consumer<u8>,
    /// Time and length of the next block, if it was read.
    next: Option<(u64, usize)>,
}

impl MergeSource {
    pub(super) fn new(ring: Consumer<u8>) -> MergeSource {
        MergeSource { ring, next: None }
    }

    fn next(&mut self) -> Option<(u64, usize)> {
        if self.next.is_none() {
            let chunk = self.ring.read_chunk(STAMPED).ok()?;
            let (one, other) = chunk.as_slices();
            let mut bytes = [0; STAMPED];
            for (place, byte) in bytes.iter_mut().zip(one.iter().chain(other)) {
                *place = *byte;
            }
            let (_, length, at) = pcapng::begin(&bytes);
            self.next = Some((at, length));
        }
        self.next
    }

    /// Whether the ring is more than half full.
    pub(super) fn is_crowded(&self) -> bool {
        2 * self.ring.slots() > self.ring.buffer().capacity()
    }

    /// Appends the next block to `to`.
    fn pop(&mut self, length: usize, to: &mut Vec<u8>) {
        self.next = None;
        // A block is written as a whole.
        if let Ok(chunk) = self.ring.read_chunk(length) {
            let (one, other) = chunk.as_slices();
            to.extend_from_slice(one);
            to.extend_from_slice(other);
            chunk.commit_all();
        }
    }
}

/// Moves blocks with timestamps up to `until` into a buffer until it is full. Returns false if there
/// are no more.
pub(super) fn merge(sources: &mut [MergeSource], until: u64, buffer: &mut impl Buffer) -> bool {
    while !buffer.is_full() {
        let heads = sources.iter_mut().enumerate();
        let heads = heads.filter_map(|(index, source)| source.next().map(|(at, length)| (at, index, length)));
        match heads.min() {
            Some((at, index, length)) if at <= until => {
                if let Some(source) = sources.get_mut(index) {
                    source.pop(length, buffer.room());
                }
                buffer.added(index);
            }
            _ => return false,
        }
    }
    true
}

/// The destination of blocks.
pub(super) trait Buffer {
    fn room(&mut self) -> &mut Vec<u8>;

    /// A block of this interface was appended.
    fn added(&mut self, interface: usize);

    /// Whether it must be flushed first.
    fn is_full(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Direction;
    use crate::capture::pcapng::Packet;
    use crate::capture::start::ring;

    #[derive(Default)]
    struct Order {
        room: Vec<u8>,
        of: Vec<(usize, u64)>,
    }

    impl Buffer for Order {
        fn room(&mut self) -> &mut Vec<u8> {
            self.room.clear();
            &mut self.room
        }

        fn added(&mut self, interface: usize) {
            let (_, length, at) = pcapng::begin(self.room.first_chunk().expect("a block"));
            assert_eq!(length, self.room.len());
            self.of.push((interface, at));
        }

        fn is_full(&self) -> bool {
            self.of.len() == 6
        }
    }

    fn block(at: u64) -> Vec<u8> {
        let mut block = Vec::new();
        let packet =
            Packet { interface: 0, at, direction: Direction::In, length: 4, data: &[1; 4], lost_before: 0 };
        pcapng::packet(&mut block, &packet);
        block
    }

    /// One queue received the request, the other sent the answer; later frames wait.
    #[test]
    fn the_oldest_comes_first_whatever_its_queue() {
        let (mut one, first) = ring(1024);
        let (mut other, second) = ring(1024);
        for (at, producer) in [(1, true), (2, false), (2, true), (5, true), (3, false), (9, false), (8, true)]
        {
            let producer = if producer { &mut one } else { &mut other };
            producer.push_entire_slice(&block(at)).expect("room");
        }
        let (mut sources, mut order) = (vec![first, second], Order::default());
        assert!(!merge(&mut sources, 5, &mut order));
        assert_eq!(order.of, [(0, 1), (0, 2), (1, 2), (1, 3), (0, 5)]);
        assert!(merge(&mut sources, u64::MAX, &mut order), "the buffer is full before the rings are empty");
        assert_eq!(order.of.last(), Some(&(0, 8)));
    }

    #[test]
    fn a_ring_says_when_it_is_more_than_half_full() {
        let (mut one, source) = ring(128);
        one.push_entire_slice(&block(7)).expect("room");
        assert!(!source.is_crowded());
        one.push_entire_slice(&block(7)).expect("room");
        assert!(source.is_crowded());
    }
}
