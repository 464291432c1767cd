mod counters;
mod flush;
mod in_memory;

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    sync::Arc,
};

use super::{
    DeviceError, EffectiveConfig, Frame, Ledger, QueueConfig, XdpError,
    frame::Descriptor,
    ledger::{Counts, Owner, Owners},
    open::{self, QueueParts},
    pool,
    rings::Rings,
    socket,
    umem::Umem,
};
use crate::capture::{Direction, Tap};

use counters::LiveCounters;
pub use counters::{QueueCounters, QueueWatch, Statistics};
pub use in_memory::KernelEnd;

/// The maximum number of frames that one call moves to or from a ring.
pub const MAX_BATCH: usize = 256;
/// Bytes of an Ethernet header, the shortest frame that is sent.
const MIN_FRAME: usize = 14;

/// One AF_XDP socket on one receive queue, with a UMEM of its own.
///
/// A batch is: [`receive`](Queue::receive); read and write frames through [`bytes`](Queue::bytes) and
/// [`bytes_mut`](Queue::bytes_mut); pass every frame to [`transmit`](Queue::transmit) or
/// [`release`](Queue::release); one [`flush`](Queue::flush). These calls neither block nor allocate, and
/// no content of the shared memory makes them panic.
///
/// Frames are conserved: see [`Ledger`]. One thread uses a queue at a time; it may be moved to another.
#[derive(Debug)]
pub struct Queue {
    rings: Rings,
    memory: Umem,
    owners: Owners,
    counts: Counts,
    /// Addresses. A stack: the frame that was used last is the one still in the cache.
    free: Vec<u64>,
    /// Addresses and lengths of frames that found no room in the transmit ring: sent in this order, before
    /// any other.
    pending: Vec<(u64, u32)>,
    /// Written by this queue, read through a [`QueueWatch`].
    counters: Arc<LiveCounters>,
    /// A duplicate of the socket's descriptor, for the kernel's counts on another thread.
    watched: Arc<OwnedFd>,
    fault: Option<DeviceError>,
    link_down: bool,
    /// The packet of the last received descriptor continues in the next one.
    continued: bool,
    pool: u16,
    fill_target: u32,
    tx_budget: u32,
    /// Copy mode sends only after a wake-up.
    always_wake: bool,
    ifname: String,
    queue: u32,
    /// Boxed: most queues have none.
    tap: Option<Box<Tap>>,
}

/// The socket, for the program's XSKMAP and for poll(2).
impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.as_fd()
    }
}

impl Queue {
    /// Registers the memory, fills the fill ring, and binds the socket. No program is loaded: the socket
    /// receives once a program redirects to it (see [`fd`](Queue::fd)). Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// [`XdpError`], with the fix; a busy queue is retried for a second.
    pub fn open(config: &QueueConfig) -> Result<(Queue, EffectiveConfig), XdpError> {
        Ok(Queue::of(config, open::open(config)?))
    }

    fn of(config: &QueueConfig, parts: QueueParts) -> (Queue, EffectiveConfig) {
        let QueueParts { memory, rings, filled, watched, pool, effective } = parts;
        let mut owners = Owners::new(config.frames);
        (0..filled).for_each(|frame| owners.marks().give(frame, Owner::Receive));
        // Room for a batch of completions, also if all frames are free.
        let mut free = Vec::with_capacity(config.frames as usize + MAX_BATCH);
        free.extend(memory.addresses().skip(filled).rev());
        let queue = Queue {
            owners,
            counts: Counts { receiving: filled as u32, ..Counts::default() },
            free,
            pending: Vec::with_capacity(config.frames as usize),
            counters: Arc::default(),
            watched: Arc::new(watched),
            fault: None,
            link_down: false,
            continued: false,
            pool,
            fill_target: config.fill_target(),
            tx_budget: effective.tx_budget.max(1),
            always_wake: !effective.zero_copy,
            ifname: config.ifname.clone(),
            queue: config.queue,
            tap: None,
            rings,
            memory,
        };
        (queue, effective)
    }

    /// Appends up to `limit` received frames to `out`, at most [`MAX_BATCH`] and what fits without
    /// growing it. Returns their number. Every piece of a packet that is split over several frames is
    /// dropped and counted.
    #[inline]
    pub fn receive(&mut self, out: &mut Vec<Frame>, limit: usize) -> usize {
        let (before, limit) = (out.len(), limit.min(MAX_BATCH));
        let mut refused = 0;
        while let Some(desc) = self.take_whole(out, limit.saturating_sub(out.len() - before + refused)) {
            match self.take_odd(desc) {
                Some(frame) => out.push(frame), // in the room that it was refused
                None => refused += 1,
            }
        }
        let received = out.len() - before;
        self.counters.received.add(received as u64);
        if let (Some(tap), true) = (&mut self.tap, received > 0) {
            // Before a reply is written over the frame.
            let bytes = |frame: &Frame| self.memory.bytes(frame.addr(), frame.len());
            tap.take(Direction::In, out[before..].iter().map(bytes));
        }
        received
    }

    /// Takes received frames, until a descriptor is anything but a whole packet in a frame that the kernel
    /// had: that descriptor is returned. Not inlined, because the loop needs the registers.
    #[inline(never)]
    fn take_whole(&mut self, out: &mut Vec<Frame>, limit: usize) -> Option<Descriptor> {
        let Queue { rings, memory, owners, counts, .. } = self;
        if self.continued && limit > 0 {
            return rings.receive_one();
        }
        let (layout, pool, mut owners) = (memory.layout(), self.pool, owners.marks());
        let before = out.len();
        let odd = rings.receive(out, limit, |desc| {
            // With options it exceeds every capacity.
            let fits = desc.len_and_options() <= layout.capacity(desc.addr);
            let whole = fits && owners.take(layout.index(desc.addr), Owner::Receive);
            whole.then(|| Frame::new(pool, desc.addr, desc.len_and_options()))
        });
        let taken = (out.len() - before) as u32;
        counts.receiving -= taken;
        counts.held += taken;
        odd
    }

    /// Counts a descriptor that is invalid or part of a split packet, and frees its frame if the kernel had
    /// it. Returns the frame if there was nothing but an unknown option.
    #[cold]
    fn take_odd(&mut self, desc: Descriptor) -> Option<Frame> {
        let layout = self.memory.layout();
        let piece = desc.is_continued() || self.continued;
        self.continued = desc.is_continued();
        if !self.owners.marks().take(layout.index(desc.addr), Owner::Receive) {
            self.counters.bad_descriptors.bump();
            return None;
        }
        self.counts.receiving -= 1;
        if !piece && u64::from(desc.len()) <= layout.capacity(desc.addr) {
            self.counts.held += 1;
            return Some(Frame::new(self.pool, desc.addr, u64::from(desc.len())));
        }
        let counter = if piece { &self.counters.split } else { &self.counters.bad_descriptors };
        counter.bump();
        self.free.push(layout.empty(desc.addr));
        None
    }

    /// Passes a copy of every frame to this tap from now on: received, or put into the transmit ring.
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(Box::new(tap));
    }

    /// The received bytes of a frame: Ethernet header first, without FCS.
    #[inline]
    pub fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        if frame.pool() != self.pool {
            return foreign();
        }
        self.memory.bytes(frame.addr(), frame.len())
    }

    /// The writable bytes of a frame, from the start of its data to the end of the buffer. Empty for a
    /// frame of another queue.
    #[inline]
    pub fn bytes_mut<'a>(&'a mut self, frame: &'a mut Frame) -> &'a mut [u8] {
        if frame.pool() != self.pool {
            return foreign();
        }
        self.memory.bytes_mut(frame.addr())
    }

    /// A free frame with undefined contents; `None` if all are in use.
    #[inline]
    pub fn allocate(&mut self) -> Option<Frame> {
        let addr = self.free.pop()?;
        self.counts.held += 1;
        Some(Frame::new(self.pool, self.memory.layout().empty(addr), 0))
    }

    /// A free frame with a copy of `bytes` as its received bytes; `None` if all frames are in use, or the
    /// bytes do not fit.
    pub fn copy_in(&mut self, bytes: &[u8]) -> Option<Frame> {
        let mut frame = self.allocate()?;
        let Some(room) = self.bytes_mut(&mut frame).get_mut(..bytes.len()) else {
            self.release(frame);
            return None;
        };
        room.copy_from_slice(bytes);
        Some(Frame::new(self.pool, frame.addr(), bytes.len() as u64))
    }

    /// Frees a frame without sending it.
    #[inline]
    pub fn release(&mut self, frame: Frame) {
        if frame.pool() != self.pool {
            return self.refuse(frame);
        }
        self.counts.held -= 1;
        self.free.push(frame.addr());
    }

    /// Queues the first `len` bytes of a frame for the next [`flush`](Queue::flush). A length below 14 or
    /// beyond the buffer releases the frame and is counted as misuse.
    #[inline]
    pub fn transmit(&mut self, frame: Frame, len: usize) {
        let (addr, layout) = (frame.addr(), self.memory.layout());
        if frame.pool() != self.pool || len < MIN_FRAME || len as u64 > layout.capacity(addr) {
            return self.refuse(frame);
        }
        if self.rings.transmit(addr, len as u32) {
            self.owners.marks().give(layout.index(addr), Owner::Transmit);
        } else {
            self.postpone(addr, len as u32);
        }
    }

    /// Counts a misuse, and releases the frame if it is this queue's. One of another queue stays lost to
    /// that queue.
    #[cold]
    fn refuse(&mut self, frame: Frame) {
        self.counters.misused.bump();
        if frame.pool() == self.pool {
            self.release(frame);
        }
    }

    /// Waits up to `timeout_ms` milliseconds for a received frame; negative: without limit. Returns
    /// whether there is one. A signal ends the wait early.
    ///
    /// # Errors
    /// The errno of poll(2).
    pub fn wait(&mut self, timeout_ms: i32) -> io::Result<bool> {
        self.rings.wait(timeout_ms)
    }

    /// The socket's descriptor, for the program's XSKMAP and for poll(2). Closed with the queue.
    pub fn fd(&self) -> RawFd {
        self.rings.fd()
    }

    /// The interface's name.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The receive queue of the interface, from 0.
    pub fn queue_id(&self) -> u32 {
        self.queue
    }

    /// Whether the last wake-up found the interface down.
    pub fn link_down(&self) -> bool {
        self.link_down
    }

    /// The queue's own counters.
    pub fn counters(&self) -> QueueCounters {
        self.counters.read()
    }

    /// The counters of this queue, its own and the kernel's, for another thread.
    pub fn watch(&self) -> QueueWatch {
        QueueWatch {
            ifname: self.ifname.clone(),
            queue: self.queue,
            counters: self.counters.clone(),
            socket: Arc::downgrade(&self.watched),
        }
    }

    /// The number of frames of each owner. Each is counted by itself, so that a frame that is missing
    /// somewhere unbalances the ledger.
    pub fn ledger(&self) -> Ledger {
        let queued = self.queued();
        Ledger {
            total: self.owners.total(),
            free: self.free.len() as u32,
            receiving: self.counts.receiving,
            held: self.counts.held - queued,
            transmitting: self.counts.transmitting + queued,
        }
    }

    /// Frames that are neither with the kernel nor free nor queued. An engine holds none between batches,
    /// so these are lost.
    #[inline]
    pub fn lost(&self) -> u32 {
        self.counts.held - self.queued()
    }

    /// Frames passed to `transmit` and not submitted yet.
    #[inline]
    fn queued(&self) -> u32 {
        self.rings.tx_written() + self.pending.len() as u32
    }

    /// The kernel's counters of the socket. Needs no privileges.
    ///
    /// # Errors
    /// The errno of getsockopt(2).
    pub fn statistics(&self) -> io::Result<Statistics> {
        socket::statistics(self.fd())
    }
}

/// The number of the UMEM is used again only if no frame of it is left.
impl Drop for Queue {
    fn drop(&mut self) {
        if self.lost() == 0 {
            pool::reuse(self.pool);
        }
    }
}

/// The bytes of another queue's frame.
#[cold]
fn foreign<'a>() -> &'a mut [u8] {
    &mut []
}

#[cfg(test)]
mod tests;
