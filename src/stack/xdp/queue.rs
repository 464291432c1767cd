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
    /// A stack: the frame that was used last is the one still in the cache.
    free: Vec<Descriptor>,
    /// Frames of `Owner::Transmit` that are not in the ring yet.
    pending: Vec<Descriptor>,
    scratch: Box<[Descriptor]>,
    /// Written by this queue, read through a [`QueueWatch`].
    counters: Arc<LiveCounters>,
    /// A duplicate of the socket's descriptor, for the kernel's counts on another thread.
    watched: Arc<OwnedFd>,
    fault: Option<DeviceError>,
    link_down: bool,
    /// The packet of the last received descriptor continues in the next one.
    continued: bool,
    pool: u32,
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

    /// Appends up to `limit` received frames to `out`, at most [`MAX_BATCH`] and what fits without
    /// growing it. Returns their number. Every piece of a packet that is split over several frames is
    /// dropped and counted.
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
            // Before a reply is written over the frame.
            tap.take(Direction::In, out[before..].iter().map(|frame| self.memory.bytes(&frame.desc)));
        }
        out.len() - before
    }

    /// The frame of a descriptor from the kernel; `None`: the descriptor is invalid or part of a split
    /// packet, which is counted.
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

    /// Passes a copy of every frame to this tap from now on: received, or put into the transmit ring.
    pub fn set_tap(&mut self, tap: Tap) {
        self.tap = Some(Box::new(tap));
    }

    /// The received bytes of a frame: Ethernet header first, without FCS.
    #[inline]
    pub fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        if frame.pool != self.pool {
            return &[];
        }
        self.memory.bytes(&frame.desc)
    }

    /// The writable bytes of a frame, from the start of its data to the end of the buffer. Empty for a
    /// frame of another queue.
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

    /// A free frame with a copy of `bytes` as its received bytes; `None` if all frames are in use, or the
    /// bytes do not fit.
    pub fn copy_in(&mut self, bytes: &[u8]) -> Option<Frame> {
        let mut frame = self.allocate()?;
        let Some(room) = self.bytes_mut(&mut frame).get_mut(..bytes.len()) else {
            self.release(frame);
            return None;
        };
        room.copy_from_slice(bytes);
        frame.desc.len = bytes.len() as u32; // at most a frame's capacity
        Some(frame)
    }

    /// Frees a frame without sending it.
    #[inline]
    pub fn release(&mut self, frame: Frame) {
        if self.transfer(&frame, Owner::Free) {
            self.free.push(frame.desc);
        }
    }

    /// Queues the first `len` bytes of a frame for the next [`flush`](Queue::flush). A length below 14 or
    /// beyond the buffer releases the frame and is counted as misuse.
    #[inline]
    pub fn transmit(&mut self, frame: Frame, len: usize) {
        if len < MIN_FRAME || len > self.memory.capacity(&frame.desc) {
            self.counters.misused.bump();
            return self.release(frame);
        }
        if self.transfer(&frame, Owner::Transmit) {
            // Any other option is an invalid descriptor to the kernel.
            self.pending.push(Descriptor { len: len as u32, options: 0, ..frame.desc });
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

    /// The number of frames of each owner. Free ones are counted in the free list itself, so that a frame
    /// that is marked free but missing there unbalances the ledger.
    pub fn ledger(&self) -> Ledger {
        Ledger { free: self.free.len() as u32, ..self.owners.ledger() }
    }

    /// Frames that are neither with the kernel nor free nor queued. An engine holds none between batches,
    /// so these are lost.
    pub fn lost(&self) -> u32 {
        self.owners.count(Owner::Held)
    }

    /// The kernel's counters of the socket. Needs no privileges.
    ///
    /// # Errors
    /// The errno of getsockopt(2).
    pub fn statistics(&self) -> io::Result<Statistics> {
        socket::statistics(self.fd())
    }

    /// Moves a held frame to another owner. False for a frame of another queue: it stays lost to that
    /// queue, and is counted as misuse here.
    #[inline]
    fn transfer(&mut self, frame: &Frame, to: Owner) -> bool {
        let ours =
            frame.pool == self.pool && self.owners.pass(self.memory.index(&frame.desc), Owner::Held, to);
        self.counters.misused.add(u64::from(!ours));
        ours
    }
}

#[cfg(test)]
mod tests;
