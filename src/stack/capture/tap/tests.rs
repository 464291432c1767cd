use std::cell::Cell;

use super::*;
use crate::capture::Settings;
use crate::capture::merge::{Buffer, MergeSource, merge};
use crate::capture::start::ring;

const MS: u64 = 1_000_000;

struct Bench {
    tap: Tap,
    sources: Vec<MergeSource>,
    now: Cell<u64>,
}

/// Whole blocks, one after another.
#[derive(Default)]
struct Blocks(Vec<u8>, usize);

impl Buffer for Blocks {
    fn room(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn added(&mut self, _: usize) {
        self.1 += 1;
    }

    fn is_full(&self) -> bool {
        false
    }
}

fn bench(room: usize, snaplen: Option<usize>) -> Bench {
    let (ring, source) = ring(room);
    let clock = CaptureClock::new();
    let mut tap = Tap::new(Parts {
        interface: 3,
        filter: CaptureFilter::new(&Settings::default()),
        snaplen,
        cpu_percent: 10,
        clock,
        ring,
        counts: Arc::default(),
        ended: Arc::default(),
    });
    // In virtual time.
    tap.budget = CpuBudget::new(10, 0);
    Bench { tap, sources: vec![source], now: Cell::new(0) }
}

impl Bench {
    /// A batch of frames that takes so long to copy.
    fn batch(&mut self, direction: Direction, frames: &[&[u8]], nanos: u64) {
        let (began, reads) = (self.now.get(), Cell::new(0));
        // At the beginning, and at the end if anything was done between them.
        let clock = || began + nanos * reads.replace(reads.get() + 1);
        self.tap.take_by(direction, frames.iter().copied(), clock);
        self.now.set(began + nanos * reads.get().saturating_sub(1));
    }

    fn written(&mut self) -> Blocks {
        let mut blocks = Blocks::default();
        assert!(!merge(&mut self.sources, u64::MAX, &mut blocks));
        blocks
    }

    /// seen, copied, left out, ring full, over budget, after the end.
    fn counts(&self) -> [u64; 6] {
        let TapCounts { seen, copied, left_out, ring_full, over_budget, after_end, .. } = &*self.tap.counts;
        let counts = [seen, copied, left_out, ring_full, over_budget, after_end].map(Counter::value);
        assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{counts:?}");
        counts
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn a_frame_is_written_with_its_interface_time_and_direction() {
    let mut bench = bench(4096, None);
    bench.now.set(0x0001_0000_0002);
    bench.batch(Direction::Out, &[b"a frame of 21 bytes.."], 1);
    let Blocks(block, number) = bench.written();
    assert_eq!((block.len(), number), (44 + 24, 1));
    let words = [6, 68, 3, 1, 0x0000_0002, 21, 21].map(u32::to_ne_bytes).concat();
    // The time's upper half is the number of 2^32.
    assert_eq!(
        &block[..28],
        [&words[..12], &[0x1_u32, 0x2].map(u32::to_ne_bytes).concat(), &words[20..]].concat()
    );
    assert_eq!(&block[28..52], b"a frame of 21 bytes..\0\0\0");
    assert_eq!((word(&block, 56), word(&block, 60), word(&block, 64)), (2, 0, 68), "flags, end, length");
}

#[test]
fn a_cut_frame_says_how_long_it_was() {
    let mut bench = bench(4096, Some(8));
    bench.batch(Direction::In, &[b"0123456789", b"01234"], 1);
    let Blocks(blocks, number) = bench.written();
    assert_eq!((blocks.len(), number), (2 * (44 + 8), 2));
    assert_eq!((word(&blocks, 20), word(&blocks, 24)), (8, 10));
    assert_eq!((word(&blocks, 52 + 20), word(&blocks, 52 + 24)), (5, 5));
}

/// The ring holds two; the third and the fourth are lost, and the next one in the file says so.
#[test]
fn what_finds_no_room_is_counted_and_the_file_says_where() {
    let mut bench = bench(130, None);
    let frame: &[u8] = &[7; 16];
    bench.batch(Direction::In, &[frame; 4], 1);
    assert_eq!(bench.counts(), [4, 2, 0, 2, 0, 0]);
    assert_eq!(bench.written().0.len(), 2 * 60);
    bench.batch(Direction::In, &[frame], 1);
    let Blocks(block, _) = bench.written();
    assert_eq!(block.len(), 72);
    assert_eq!(
        &block[52..64],
        [&4_u16.to_ne_bytes()[..], &8_u16.to_ne_bytes(), &2_u64.to_ne_bytes()].concat()
    );
    bench.batch(Direction::In, &[frame], 1);
    assert_eq!(bench.written().0.len(), 60, "said once");
}

/// 4 ms of each batch: after the third, 10 ms of 100 are used up.
#[test]
fn once_the_budget_is_used_up_nothing_is_copied_until_the_next_period() {
    let mut bench = bench(1 << 16, None);
    let frame: &[u8] = &[7; 60];
    for _ in 0..10 {
        bench.batch(Direction::In, &[frame; 2], 4 * MS);
    }
    assert_eq!(bench.counts(), [20, 6, 0, 0, 14, 0]);
    bench.now.set(100 * MS);
    bench.batch(Direction::In, &[frame], 4 * MS);
    assert_eq!(bench.counts(), [21, 7, 0, 0, 14, 0]);
    let Blocks(blocks, number) = bench.written();
    let last = &blocks[blocks.len() - (44 + 60 + 12)..];
    assert_eq!((number, word(last, 0), word(last, 100)), (7, 6, 14), "14 lost before the last");
}

#[test]
fn after_the_end_frames_are_only_counted() {
    let mut bench = bench(4096, None);
    bench.tap.ended.store(true, Relaxed);
    bench.batch(Direction::In, &[&[7_u8; 60][..]; 3], 1);
    assert_eq!(bench.counts(), [3, 0, 0, 0, 0, 3]);
    assert_eq!(bench.written().1, 0);
}

/// Room that is used again and again, at every place in the ring.
#[test]
fn blocks_that_wrap_come_out_whole() {
    let mut bench = bench(1000, None);
    for round in 0..200_u64 {
        bench.now.set(200 * MS * round);
        let frame = vec![round as u8; 14 + (round as usize * 7) % 200];
        bench.batch(Direction::In, &[&frame, &frame], 1);
        let Blocks(blocks, number) = bench.written();
        assert_eq!(number, 2);
        let half = blocks.len() / 2;
        assert_eq!(blocks[..half], blocks[half..]);
        assert_eq!(blocks[28..28 + frame.len()], frame);
    }
}

/// Nothing is allocated on the path: the room for a block never grows.
#[test]
fn the_largest_frame_fits_the_room_of_a_block() {
    let mut bench = bench(1 << 16, None);
    let room = bench.tap.block.capacity();
    bench.tap.lost = 1;
    bench.batch(Direction::In, &[&[7; 2 * MAX_FRAME]], 1);
    assert_eq!((bench.tap.block.capacity(), bench.written().1), (room, 1));
    assert_eq!(bench.tap.block.len(), MAX_FRAME + OVERHEAD - 4);
}
