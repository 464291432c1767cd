//! Allocates 4-tuples: each is used at most once at a time, and not again before TIME-WAIT has ended on
//! either side (2 MSL: RFC 9293 3.4.1, MUST-13).

use super::TupleSpace;
use super::random::Random;
use handfast_stack::engine::FourTuple;
use handfast_stack::tcp::Time;

/// The maximum number of blocks per core: 256 KiB of state, which stays in a core's second-level cache.
///
/// Why blocks: state for each 4-tuple would be many megabytes, with two cache misses per connection. The
/// cost: a block is free again when its last connection ended long enough ago, so a 4-tuple waits for the
/// slowest of its block, all of which began at nearly the same time. Small spaces have blocks of one
/// 4-tuple.
const MAX_BLOCKS: u64 = 1 << 14;

/// Source addresses in use at a time, on all cores together: the number below which a neighbour table is
/// never collected (`net.ipv4.neigh.default.gc_thresh1`). Used all at once, the sources of a large prefix
/// on the target's link would overflow that table (1,024 entries), and later ones would get no reply. A
/// load balancer or a firewall that distinguishes sources still sees many.
const ADDRESSES_AT_A_TIME: u64 = 128;

/// No block.
const NONE: u32 = u32::MAX;

/// One core's share of the 4-tuples, in an order that jumps between ports and addresses.
///
/// All cores use one [`Permutation`] of the space; each has a range of it, divided into blocks. Unused
/// blocks come first, then a queue of those whose connections have all ended, the longest ended first: its
/// head is the next to be free.
#[derive(Debug)]
pub(super) struct TupleAllocator {
    space: TupleSpace,
    order: Permutation,
    /// This core's range of the permutation.
    begin: u64,
    end: u64,
    block_len: u64,
    blocks: Vec<TupleBlock>,
    /// The first block that was never used.
    next_unused: u32,
    /// The queue of blocks whose connections have all ended.
    head: u32,
    tail: u32,
    current: Current,
    reuse_after_us: u64,
}

/// The block that 4-tuples are taken from.
#[derive(Clone, Copy, Debug)]
struct Current {
    /// [`NONE`] before the first.
    block: u32,
    /// 4-tuples not taken yet.
    left: u64,
    next: Position,
}

#[derive(Clone, Copy, Debug)]
struct TupleBlock {
    /// When the last one of its connections ended, microseconds.
    ended_us: u64,
    /// Connections that have not ended.
    live: u32,
    /// The next one in the queue, or [`NONE`].
    next: u32,
}

/// A 4-tuple in use, to be released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TupleLease(pub(super) u32);

/// No 4-tuple is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted {
    /// When the next one will be free. `None`: after a connection has ended.
    pub(super) free_at: Option<Time>,
}

impl TupleAllocator {
    /// `share`: core and number of cores. All cores must use the same space, seed and number of cores.
    pub(super) fn new(
        space: TupleSpace,
        share: (u32, u32),
        seed: u64,
        reuse_after_us: u64,
    ) -> TupleAllocator {
        TupleAllocator::with_blocks(space, share, seed, reuse_after_us, MAX_BLOCKS)
    }

    fn with_blocks(
        space: TupleSpace,
        (core, cores): (u32, u32),
        seed: u64,
        reuse_after_us: u64,
        max_blocks: u64,
    ) -> TupleAllocator {
        let addresses = (ADDRESSES_AT_A_TIME / u64::from(cores.max(1))).max(1);
        let order = Permutation::new(space.len(), space.of_addresses(addresses), seed);
        let share =
            |core: u32| (u128::from(space.len()) * u128::from(core) / u128::from(cores.max(1))) as u64;
        let (begin, end) = (share(core), share(core + 1));
        let block_len = (end - begin).div_ceil(max_blocks).next_power_of_two();
        let unused = TupleBlock { ended_us: 0, live: 0, next: NONE };
        TupleAllocator {
            order,
            begin,
            end,
            block_len,
            blocks: vec![unused; (end - begin).div_ceil(block_len) as usize],
            next_unused: 0,
            head: NONE,
            tail: NONE,
            current: Current { block: NONE, left: 0, next: Position::default() },
            reuse_after_us,
            space,
        }
    }

    /// The number of 4-tuples of this core.
    #[cfg(test)]
    fn len(&self) -> u64 {
        self.end - self.begin
    }

    /// Returns the next 4-tuple, which stays the next one until it is taken or skipped.
    ///
    /// # Errors
    /// [`Exhausted`]; calling again is cheap.
    #[inline]
    pub(super) fn peek(&mut self, now: Time) -> Result<FourTuple, Exhausted> {
        if self.current.left == 0 {
            self.advance(now)?;
        }
        self.space.at(self.current.next.number).ok_or(Exhausted { free_at: None })
    }

    /// Takes the 4-tuple that [`TupleAllocator::peek`] returned.
    #[inline]
    pub(super) fn take(&mut self) -> TupleLease {
        let Some(block) = self.blocks.get_mut(self.current.block as usize) else { return TupleLease(NONE) };
        block.live += 1;
        self.current.left = self.current.left.saturating_sub(1);
        self.current.next = self.order.after(self.current.next);
        TupleLease(self.current.block)
    }

    /// Skips the 4-tuple that [`TupleAllocator::peek`] returned.
    pub(super) fn skip(&mut self, now: Time) {
        let lease = self.take();
        self.release(lease, now);
    }

    /// The connection of a 4-tuple has ended.
    #[inline]
    pub(super) fn release(&mut self, lease: TupleLease, now: Time) {
        let Some(block) = self.blocks.get_mut(lease.0 as usize) else { return };
        block.live = block.live.saturating_sub(1);
        block.ended_us = now.micros;
        // The current block joins the queue when all its 4-tuples have been taken.
        if block.live == 0 && (lease.0 != self.current.block || self.current.left == 0) {
            if lease.0 == self.current.block {
                self.current.block = NONE;
            }
            self.enqueue(lease.0);
        }
    }

    /// The next block becomes the current one.
    fn advance(&mut self, now: Time) -> Result<(), Exhausted> {
        let block = if (self.next_unused as usize) < self.blocks.len() {
            self.next_unused += 1;
            self.next_unused - 1
        } else {
            self.dequeue(now)?
        };
        let first = self.begin + u64::from(block) * self.block_len;
        let left = self.block_len.min(self.end - first);
        self.current = Current { block, left, next: self.order.at(first) };
        Ok(())
    }

    fn dequeue(&mut self, now: Time) -> Result<u32, Exhausted> {
        let head = self.head;
        let block = self.blocks.get_mut(head as usize).ok_or(Exhausted { free_at: None })?;
        let free_at = Time { micros: block.ended_us.saturating_add(self.reuse_after_us) };
        if free_at > now {
            return Err(Exhausted { free_at: Some(free_at) });
        }
        self.head = std::mem::replace(&mut block.next, NONE);
        if self.head == NONE {
            self.tail = NONE;
        }
        Ok(head)
    }

    fn enqueue(&mut self, number: u32) {
        match self.blocks.get_mut(self.tail as usize) {
            Some(tail) => tail.next = number,
            None => self.head = number,
        }
        self.tail = number;
    }
}

/// A permutation of the numbers below `len`, window after window; within a window consecutive numbers are
/// far apart. A window is the 4-tuples of a few addresses, since numbers count ports before addresses.
#[derive(Clone, Copy, Debug)]
struct Permutation {
    len: u64,
    window: u64,
    /// Where a round begins.
    offset: u64,
    stride: u64,
    /// Of the last window, which may be shorter.
    last_stride: u64,
}

/// A position in the permutation.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// From 0, in the permutation.
    index: u64,
    /// In the space.
    number: u64,
    /// The window's first number.
    base: u64,
    /// Steps until the window is left.
    left: u64,
}

impl Permutation {
    fn new(len: u64, window: u64, seed: u64) -> Permutation {
        let mut random = Random::new(seed, 0x7475_706c_6573);
        let len = len.max(1);
        let window = window.clamp(1, len);
        let word = random.word();
        let last = if len.is_multiple_of(window) { window } else { len % window };
        Permutation {
            len,
            window,
            offset: random.word() % len,
            stride: stride(window, word),
            last_stride: stride(last, word),
        }
    }

    /// Length and stride of the window that begins at `base`.
    #[inline]
    fn walk(&self, base: u64) -> (u64, u64) {
        let rest = self.len - base;
        if rest < self.window { (rest, self.last_stride) } else { (self.window, self.stride) }
    }

    /// The position with this index.
    fn at(&self, index: u64) -> Position {
        let at = ((u128::from(index) + u128::from(self.offset)) % u128::from(self.len)) as u64;
        let base = at - at % self.window;
        let (len, stride) = self.walk(base);
        let walked = u128::from(at - base) * u128::from(stride) % u128::from(len);
        Position { index, number: base + walked as u64, base, left: len - (at - base) }
    }

    /// The position after this one.
    #[inline]
    fn after(&self, position: Position) -> Position {
        if position.left <= 1 {
            return self.at(position.index + 1);
        }
        let (len, stride) = self.walk(position.base);
        let next = position.number - position.base + stride;
        let next = if next >= len { next - len } else { next };
        Position {
            index: position.index + 1,
            number: position.base + next,
            base: position.base,
            left: position.left - 1,
        }
    }
}

/// A step between a third and two thirds of `len` that has no factor in common with it, so that
/// consecutive numbers are far apart.
fn stride(len: u64, word: u64) -> u64 {
    let mut stride = len / 3 + word % (len / 3).max(1);
    while gcd(stride, len) != 1 {
        stride += 1;
    }
    stride
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
