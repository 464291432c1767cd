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
    ledger::{Owner, Owners},
    open::{self, QueueParts},
    rings::Rings,
    socket,
    umem::Umem,
};
use crate::capture::{Direction, Tap};

use counters::LiveCounters;
pub use counters::{QueueCounters, QueueWatch, Statistics};
pub use in_memory::KernelEnd;

/// The most frames that one call moves to or from a ring.
pub const MAX_BATCH: usize = 256;
/// Bytes of an Ethernet header: nothing shorter is sent.
const MIN_FRAME: usize = 14;

/// One AF_XDP socket on one receive queue, with a UMEM of its own.
///
/// A batch is: [`receive`](Queue::receive), look and write through [`bytes`](Queue::bytes) and
/// [`bytes_mut`](Queue::bytes_mut), give every frame to [`transmit`](Queue::transmit) or
/// [`release`](Queue::release), and one [`flush`](Queue::flush). Nothing here blocks, allocates
/// or panics on what shared memory says.
///
/// Frames are conserved: see [`Ledger`]. One thread uses a queue at a time; it may be moved.
#[derive(Debug)]
pub struct Queue {
    rings: Rings,
    memory: Umem,
    owners: Owners,
    /// A stack: the frame used last is the one still in the cache.
    free: Vec<Descriptor>,
    /// Passed to `Owner::Transmit`, not yet in the ring.
    pending: Vec<Descriptor>,
    scratch: Box<[Descriptor]>,
    /// One writer, this queue; others read through a [`QueueWatch`].
    counters: Arc<LiveCounters>,
    /// The socket once more, for those who ask the kernel for its counts from another thread.
    watched: Arc<OwnedFd>,
    fault: Option<DeviceError>,
    link_down: bool,
    /// The packet of the descriptor received last goes on in the next one.
    continued: bool,
    pool: u32,
    fill_target: u32,
    tx_budget: u32,
    /// Copy mode sends only when woken.
    always_wake: bool,
    ifname: String,
    queue: u32,
    /// Boxed, so that a queue without one is none the larger.
    tap: Option<Box<Tap>>,
}

/// The socket, for the program's XSKMAP and for poll.
impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.rings.as_fd()
    }
}

impl Queue {
    /// Registers the memory, fills the fill ring, makes the socket and binds it. No program is
    /// loaded: the socket receives once a program redirects to it (see [`fd`](Queue::fd)).
    pub fn open(config: &QueueConfig) -> Result<(Queue, EffectiveConfig), XdpError> {
        Ok(Queue::of(config, open::open(config)?))
    }

    fn of(config: &QueueConfig, parts: QueueParts) -> (Queue, EffectiveConfig) {
        let QueueParts { memory, rings, filled, watched, pool, effective } = parts;
        let mut owners = Owners::new(config.frames);
        for frame in 0..filled {
            owners.pass(frame, Owner::Free, Owner::Receive);
        }
        let queue = Queue {
            owners,
            free: memory.descriptors().skip(filled).rev().collect(),
            pending: Vec::with_capacity(config.frames as usize),
            scratch: vec![Descriptor::default(); MAX_BATCH].into(),
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

    /// Takes up to `limit` received frames, and no more than [`MAX_BATCH`] or what fits into
    /// `out` without growing it. Says how many. Every piece of a packet that lies in several
    /// frames is dropped and counted: it is no frame of its own.
    #[inline]
    pub fn receive(&mut self, out: &mut Vec<Frame>, limit: usize) -> usize {
        let limit = limit.min(out.capacity() - out.len()).min(MAX_BATCH);
        let got = self.rings.receive(&mut self.scratch[..limit]);
        let before = out.len();
        for at in 0..got {
            out.extend(self.take(self.scratch[at]));
        }
        self.counters.received.add((out.len() - before) as u64);
        if let (Some(tap), true) = (&mut self.tap, out.len() > before) {
            // Now the answer overwrites a frame where it lies.
            tap.take(Direction::In, out[before..].iter().map(|frame| self.memory.bytes(&frame.desc)));
        }
        out.len() - before
    }

    /// The frame of a descriptor from the kernel; `None`: it is counted, and its frame free again.
    #[inline]
    fn take(&mut self, desc: Descriptor) -> Option<Frame> {
        let index = self.memory.index(&desc);
        let piece = desc.is_continued() | self.continued;
        self.continued = desc.is_continued();
        if !self.owners.pass(index, Owner::Receive, Owner::Held) {
            self.counters.bad_descriptors.bump();
            return None;
        }
        if !piece && self.memory.holds(&desc) {
            return Some(Frame { desc, pool: self.pool });
        }
        let counter = if piece { &self.counters.split } else { &self.counters.bad_descriptors };
        counter.bump();
        self.owners.pass(index, Owner::Held, Owner::Free);
        self.free.push(self.memory.empty(index));
        None
    }

    /// From now on, everything that is received or handed to the kernel passes this tap.
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(Box::new(tap));
    }

    /// What was received into a frame: Ethernet header first, without FCS.
    #[inline]
    pub fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        if frame.pool != self.pool {
            return &[];
        }
        self.memory.bytes(&frame.desc)
    }

    /// The whole room of a frame, from where its data starts. Empty for another queue's frame.
    #[inline]
    pub fn bytes_mut<'a>(&'a mut self, frame: &'a mut Frame) -> &'a mut [u8] {
        if frame.pool != self.pool {
            return &mut [];
        }
        self.memory.bytes_mut(&frame.desc)
    }

    /// A free frame with undefined contents; `None` if all are in use.
    #[inline]
    pub fn allocate(&mut self) -> Option<Frame> {
        let index = self.memory.index(&self.free.pop()?);
        self.owners.pass(index, Owner::Free, Owner::Held);
        Some(Frame { desc: self.memory.empty(index), pool: self.pool })
    }

    /// A free frame that holds `bytes` as if it had received them; `None` if there is none, or
    /// they do not fit.
    pub fn copy_in(&mut self, bytes: &[u8]) -> Option<Frame> {
        let mut frame = self.allocate()?;
        let Some(room) = self.bytes_mut(&mut frame).get_mut(..bytes.len()) else {
            self.release(frame);
            return None;
        };
        room.copy_from_slice(bytes);
        frame.desc.len = bytes.len() as u32; // no more than a frame's room
        Some(frame)
    }

    /// Ends a frame that is not sent.
    #[inline]
    pub fn release(&mut self, frame: Frame) {
        if self.settle(&frame, Owner::Free) {
            self.free.push(frame.desc);
        }
    }

    /// Sends the first `len` bytes of a frame at the next [`flush`](Queue::flush). A length
    /// under 14 or past the frame's room releases it and is counted.
    #[inline]
    pub fn transmit(&mut self, frame: Frame, len: usize) {
        if len < MIN_FRAME || len > self.memory.capacity(&frame.desc) {
            self.counters.misused.bump();
            return self.release(frame);
        }
        if self.settle(&frame, Owner::Transmit) {
            // Any other option is an invalid descriptor to the kernel.
            self.pending.push(Descriptor { len: len as u32, options: 0, ..frame.desc });
        }
    }

    /// Waits up to `timeout_ms` for something to receive; returns at once if there is.
    pub fn wait(&mut self, timeout_ms: i32) -> io::Result<bool> {
        self.rings.wait(timeout_ms)
    }

    /// The socket, for the program's XSKMAP and for poll. Closed with the queue.
    pub fn fd(&self) -> RawFd {
        self.rings.fd()
    }

    /// The interface's name.
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The queue's number on its interface.
    pub fn number(&self) -> u32 {
        self.queue
    }

    /// Whether the last wake-up found the interface down.
    pub fn link_down(&self) -> bool {
        self.link_down
    }

    pub fn counters(&self) -> QueueCounters {
        self.counters.read()
    }

    /// The counts of this queue, ours and the kernel's, for another thread.
    pub fn watch(&self) -> QueueWatch {
        QueueWatch {
            ifname: self.ifname.clone(),
            queue: self.queue,
            counters: self.counters.clone(),
            socket: Arc::downgrade(&self.watched),
        }
    }

    /// Who owns how many frames. The free ones are counted where they lie, so that one that is
    /// marked free and cannot be found unbalances the ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger { free: self.free.len() as u32, ..self.owners.ledger() }
    }

    /// Frames that are neither with the kernel nor free nor queued. Between batches an engine
    /// holds none, so that this is what it has lost.
    pub fn lost(&self) -> u32 {
        self.owners.count(Owner::Held)
    }

    /// The kernel's own counts. Needs no privileges.
    pub fn statistics(&self) -> io::Result<Statistics> {
        socket::statistics(self.fd())
    }

    /// Ends a `Frame`. A frame of another queue stays lost to that queue, and is counted here.
    #[inline]
    fn settle(&mut self, frame: &Frame, to: Owner) -> bool {
        let ours =
            frame.pool == self.pool && self.owners.pass(self.memory.index(&frame.desc), Owner::Held, to);
        self.counters.misused.add(u64::from(!ours));
        ours
    }
}

#[cfg(test)]
mod tests;
