use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
};

use super::Queue;
use crate::xdp::{
    EffectiveConfig, QueueConfig, XdpError,
    frame::Descriptor,
    open::{self, QueueParts},
    ring::{Consumer, Producer},
    rings::Rings,
    umem::Umem,
};

/// The kernel's end of a queue in memory ([`Queue::in_memory`]): it receives for the queue, takes what
/// the queue sends, and counts how often it is woken.
#[derive(Debug)]
pub struct KernelEnd {
    pub(in crate::xdp) fill: Consumer<u64>,
    pub(in crate::xdp) completion: Producer<u64>,
    pub(in crate::xdp) rx: Producer<Descriptor>,
    pub(in crate::xdp) tx: Consumer<Descriptor>,
    pub(in crate::xdp) memory: Umem,
    /// The other end of the queue's socket: a wake-up is an empty datagram.
    pub(in crate::xdp) socket: UnixDatagram,
}

impl Queue {
    /// A queue without a kernel: its rings and its memory are this process' own, and the other end of
    /// each ring is in [`KernelEnd`]. For tests, and for counting the instructions of a queue. Needs no
    /// privileges. It wakes its kernel only when asked to, as in zero-copy mode.
    /// [`Queue::statistics`] fails.
    ///
    /// # Errors
    /// An invalid configuration, or there is no memory.
    pub fn in_memory(config: &QueueConfig) -> Result<(Queue, KernelEnd), XdpError> {
        config.check()?;
        let failed = |source| open::call(config, "making a queue in memory", source);
        let (memory, mut rings, kernel) = parts(config).map_err(failed)?;
        let filled = rings.fill(&open::first_frames(config, &memory));
        let effective = EffectiveConfig {
            zero_copy: true,
            hugepages: false,
            tx_budget: config.tx_budget,
            notes: Vec::new(),
        };
        let parts = QueueParts::new(config, memory, rings, filled, effective)?;
        Ok((Queue::of(config, parts).0, kernel))
    }
}

fn parts(config: &QueueConfig) -> io::Result<(Umem, Rings, KernelEnd)> {
    let memory = Umem::new(config, false)?;
    let (near, far) = UnixDatagram::pair()?;
    far.set_nonblocking(true)?;
    let (rings, kernel) = Rings::in_memory(config, OwnedFd::from(near), far, memory.shared())?;
    Ok((memory, rings, kernel))
}

impl KernelEnd {
    /// Receives a frame, Ethernet header first, into the next buffer of the fill ring. False: there is
    /// none, the receive ring is full, or the frame is longer than a buffer.
    pub fn deliver(&mut self, bytes: &[u8]) -> bool {
        if self.rx.free(1) == 0 {
            return false;
        }
        let Some(addr) = self.fill.next() else { return false };
        let addr = self.memory.layout().empty(addr);
        let Some(room) = self.memory.bytes_mut(addr).get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.rx.produce(&[Descriptor::new(addr, bytes.len() as u32, 0)]) == 1
    }

    /// Takes the frames in the transmit ring, gives the bytes of each to `each`, and completes them.
    /// Returns their number.
    pub fn collect(&mut self, mut each: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        while self.completion.free(1) > 0
            && let Some(desc) = self.tx.next()
        {
            each(self.memory.bytes_of(&desc));
            count += self.completion.produce(&[desc.addr]);
        }
        count
    }

    /// Sets or clears the flags by which a driver asks to be woken (`XDP_RING_NEED_WAKEUP`).
    pub fn set_needs_wakeup(&mut self, needs: bool) {
        self.fill.set_needs_wakeup(needs);
        self.tx.set_needs_wakeup(needs);
    }

    /// Wake-ups to send since the last call.
    pub fn wakeups(&mut self) -> usize {
        std::iter::from_fn(|| self.socket.recv(&mut []).ok()).count()
    }
}
