//! Which 4-tuple comes next: each at most once at a time, and not again before either end may have
//! forgotten it (TIME-WAIT, 2 MSL: RFC 9293 3.4.1, MUST-13).

use super::Space;
use super::random::Random;
use handfast_stack::engine::FourTuple;
use handfast_stack::tcp::Time;

/// So many blocks of a core at most: 256 KiB of state, which stays in a core's second cache.
///
/// Why blocks: state for each 4-tuple would be many megabytes that miss the cache twice for every
/// connection. What it costs: a block is free again when its last connection has been gone for long
/// enough, so a 4-tuple waits for the slowest of its block, which began within moments of it. Small
/// spaces have blocks of one, and lose nothing.
const MOST_BLOCKS: u64 = 1 << 14;

/// Source addresses in use at a time, of all cores: as many as a neighbour table never clears out
/// (`net.ipv4.neigh.default.gc_thresh1`). All at once, the sources of a large prefix on the target's
/// link would overflow that table (1,024 entries), and no later one were answered. Whoever tells sources
/// apart, a load balancer or a firewall, still sees many.
const ADDRESSES_AT_A_TIME: u64 = 128;

/// No block.
const NONE: u32 = u32::MAX;

/// One core's share of the 4-tuples, in an order that jumps between ports and addresses.
///
/// All cores see the space in one order ([`Order`]), and each takes a piece of it of its own. The piece is cut into blocks. Blocks never used come first; then those
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
    next: Place,
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
    pub free_at: Option<Time>,
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
        let addresses = (ADDRESSES_AT_A_TIME / u64::from(cores.max(1))).max(1);
        let order = Order::new(space.len(), space.of_addresses(addresses), seed);
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
            current: Current { block: NONE, left: 0, next: Place::default() },
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
    pub fn peek(&mut self, now: Time) -> Result<FourTuple, Exhausted> {
        if self.current.left == 0 {
            self.advance(now)?;
        }
        self.space.at(self.current.next.number).ok_or(Exhausted { free_at: None })
    }

    /// Takes what [`Tuples::peek`] showed. It lives until it is given back.
    #[inline]
    pub fn take(&mut self) -> Ticket {
        let Some(block) = self.blocks.get_mut(self.current.block as usize) else { return Ticket(NONE) };
        block.live += 1;
        self.current.left = self.current.left.saturating_sub(1);
        self.current.next = self.order.after(self.current.next);
        Ticket(self.current.block)
    }

    /// Passes over what [`Tuples::peek`] showed: somebody else uses it.
    pub fn skip(&mut self, now: Time) {
        let ticket = self.take();
        self.give_back(ticket, now);
    }

    /// Its connection has ended.
    #[inline]
    pub fn give_back(&mut self, ticket: Ticket, now: Time) {
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
    fn advance(&mut self, now: Time) -> Result<(), Exhausted> {
        let block = if (self.fresh as usize) < self.blocks.len() {
            self.fresh += 1;
            self.fresh - 1
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

/// Every number below `len` once a round, window after window; within a window a walk that jumps far with
/// every step. A window is what a few addresses have, since numbers count ports before addresses.
#[derive(Clone, Copy, Debug)]
struct Order {
    len: u64,
    window: u64,
    /// Where a round begins.
    offset: u64,
    stride: u64,
    /// Of the last window, which may be shorter.
    last_stride: u64,
}

/// Where the order has come to.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// From 0, in the order.
    position: u64,
    /// In the space.
    number: u64,
    /// The window's first number.
    base: u64,
    /// Steps until the window is left.
    left: u64,
}

impl Order {
    fn new(len: u64, window: u64, seed: u64) -> Order {
        let mut random = Random::new(seed, 0x7475_706c_6573);
        let len = len.max(1);
        let window = window.clamp(1, len);
        let word = random.word();
        let last = if len.is_multiple_of(window) { window } else { len % window };
        Order {
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

    /// The place at `position`.
    fn at(&self, position: u64) -> Place {
        let at = ((u128::from(position) + u128::from(self.offset)) % u128::from(self.len)) as u64;
        let base = at - at % self.window;
        let (len, stride) = self.walk(base);
        let walked = u128::from(at - base) * u128::from(stride) % u128::from(len);
        Place { position, number: base + walked as u64, base, left: len - (at - base) }
    }

    /// The place after this one.
    #[inline]
    fn after(&self, place: Place) -> Place {
        if place.left <= 1 {
            return self.at(place.position + 1);
        }
        let (len, stride) = self.walk(place.base);
        let next = place.number - place.base + stride;
        let next = if next >= len { next - len } else { next };
        Place {
            position: place.position + 1,
            number: place.base + next,
            base: place.base,
            left: place.left - 1,
        }
    }
}

/// Between a third and two thirds of a round, so that neighbours in time are far apart; without a factor
/// in common with `len`.
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
