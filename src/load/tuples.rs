//! Which 4-tuple comes next: each at most once at a time, and not again before either end may have
//! forgotten it (TIME-WAIT, 2 MSL: RFC 9293 3.4.1, MUST-13).

use super::Space;
use super::random::Random;
use crate::engine::Ends;
use crate::tcp::Now;

/// So many blocks of a core at most: 256 KiB of state, which stays in a core's second cache.
///
/// Why blocks: state for each 4-tuple would be many megabytes that miss the cache twice for every
/// connection. What it costs: a block is free again when its last connection has been gone for long
/// enough, so a 4-tuple waits for the slowest of its block, which began within moments of it. Small
/// spaces have blocks of one, and lose nothing.
const MOST_BLOCKS: u64 = 1 << 14;

/// No block.
const NONE: u32 = u32::MAX;

/// One core's share of the 4-tuples, in an order that jumps between ports and addresses.
///
/// All cores see the space in one order, a walk in steps of `stride` round it, and each takes a
/// piece of it of its own. The piece is cut into blocks. Blocks never used come first; then those
/// whose connections have all ended, the longest ended first, so the head of the queue says when
/// the next one is free.
#[derive(Debug)]
pub struct Tuples {
    space: Space,
    order: Order,
    /// Where this core's piece begins and ends in the order.
    begin: u64,
    end: u64,
    block_len: u64,
    blocks: Vec<Block>,
    /// Blocks from this one on have never been used.
    fresh: u32,
    /// The queue of blocks all of whose connections have ended.
    head: u32,
    tail: u32,
    current: Current,
    reuse_after_us: u64,
}

/// The block that 4-tuples are given out of.
#[derive(Clone, Copy, Debug)]
struct Current {
    /// [`NONE`] before the first.
    block: u32,
    /// Not given out yet.
    left: u64,
    /// The next one's number in the space.
    index: u64,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    /// When the last one of its connections ended, microseconds.
    ended_us: u64,
    /// Connections that live.
    live: u32,
    /// The next one in the queue, or [`NONE`].
    next: u32,
}

/// What a 4-tuple that lives is given back by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket(pub(super) u32);

/// No 4-tuple is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// When the next one will be. `None`: when a connection has ended, and the time after it.
    pub free_at: Option<Now>,
}

impl Tuples {
    /// `share`: which core of how many. Every other core must be given the same space, seed and number.
    pub fn new(space: Space, share: (u32, u32), seed: u64, reuse_after_us: u64) -> Tuples {
        Tuples::with_blocks(space, share, seed, reuse_after_us, MOST_BLOCKS)
    }

    fn with_blocks(
        space: Space,
        (core, cores): (u32, u32),
        seed: u64,
        reuse_after_us: u64,
        most_blocks: u64,
    ) -> Tuples {
        let order = Order::new(space.len(), seed);
        let share =
            |core: u32| (u128::from(space.len()) * u128::from(core) / u128::from(cores.max(1))) as u64;
        let (begin, end) = (share(core), share(core + 1));
        let block_len = (end - begin).div_ceil(most_blocks).next_power_of_two();
        let unused = Block { ended_us: 0, live: 0, next: NONE };
        Tuples {
            order,
            begin,
            end,
            block_len,
            blocks: vec![unused; (end - begin).div_ceil(block_len) as usize],
            fresh: 0,
            head: NONE,
            tail: NONE,
            current: Current { block: NONE, left: 0, index: 0 },
            reuse_after_us,
            space,
        }
    }

    /// How many this core has.
    pub fn len(&self) -> u64 {
        self.end - self.begin
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next 4-tuple, which stays the next one until it is taken or skipped.
    ///
    /// # Errors
    /// [`Exhausted`]: asking again is cheap.
    #[inline]
    pub fn peek(&mut self, now: Now) -> Result<Ends, Exhausted> {
        if self.current.left == 0 {
            self.advance(now)?;
        }
        self.space.at(self.current.index).ok_or(Exhausted { free_at: None })
    }

    /// Takes what [`Tuples::peek`] showed. It lives until it is given back.
    #[inline]
    pub fn take(&mut self) -> Ticket {
        let Some(block) = self.blocks.get_mut(self.current.block as usize) else { return Ticket(NONE) };
        block.live += 1;
        self.current.left = self.current.left.saturating_sub(1);
        self.current.index = self.order.next(self.current.index);
        Ticket(self.current.block)
    }

    /// Passes over what [`Tuples::peek`] showed: somebody else uses it.
    pub fn skip(&mut self, now: Now) {
        let ticket = self.take();
        self.give_back(ticket, now);
    }

    /// Its connection has ended.
    #[inline]
    pub fn give_back(&mut self, ticket: Ticket, now: Now) {
        let Some(block) = self.blocks.get_mut(ticket.0 as usize) else { return };
        block.live = block.live.saturating_sub(1);
        block.ended_us = now.micros;
        // The current block joins the queue when all of it has been given out.
        if block.live == 0 && (ticket.0 != self.current.block || self.current.left == 0) {
            if ticket.0 == self.current.block {
                self.current.block = NONE;
            }
            self.enqueue(ticket.0);
        }
    }

    /// The next block becomes the current one.
    fn advance(&mut self, now: Now) -> Result<(), Exhausted> {
        let block = if (self.fresh as usize) < self.blocks.len() {
            self.fresh += 1;
            self.fresh - 1
        } else {
            self.dequeue(now)?
        };
        let first = self.begin + u64::from(block) * self.block_len;
        let left = self.block_len.min(self.end - first);
        self.current = Current { block, left, index: self.order.at(first) };
        Ok(())
    }

    fn dequeue(&mut self, now: Now) -> Result<u32, Exhausted> {
        let head = self.head;
        let block = self.blocks.get_mut(head as usize).ok_or(Exhausted { free_at: None })?;
        let free_at = Now { micros: block.ended_us.saturating_add(self.reuse_after_us) };
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

/// A walk that visits every number below `len` once a round, and jumps far with every step.
#[derive(Clone, Copy, Debug)]
struct Order {
    len: u64,
    /// Has no factor in common with `len`.
    stride: u64,
    offset: u64,
}

impl Order {
    fn new(len: u64, seed: u64) -> Order {
        let mut random = Random::new(seed, 0x7475_706c_6573);
        let len = len.max(1);
        // Between a third and two thirds of a round: neighbours in time are far apart.
        let mut stride = len / 3 + random.word() % (len / 3).max(1);
        while gcd(stride, len) != 1 {
            stride += 1;
        }
        Order { len, stride, offset: random.word() % len }
    }

    /// The number at `position`.
    fn at(&self, position: u64) -> u64 {
        let walked = u128::from(position) * u128::from(self.stride) + u128::from(self.offset);
        (walked % u128::from(self.len)) as u64
    }

    /// The number after this one.
    #[inline]
    fn next(&self, index: u64) -> u64 {
        let next = index + self.stride;
        if next >= self.len { next - self.len } else { next }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
