/// The owner of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Owner {
    /// On the free list.
    Free,
    /// In the fill ring, in the kernel, or in the receive ring.
    Receive,
    /// A `Frame` value exists for it.
    Held,
    /// Waiting for the transmit ring, in it, in the kernel, or in the completion ring.
    Transmit,
}

const OWNERS: usize = 4;

/// The number of frames of each owner.
///
/// Invariant: `free + receiving + held + transmitting == total`. Between batches `held` counts the frames
/// that the engine keeps on purpose, and those that it has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Frames of the UMEM.
    pub total: u32,
    /// On the free list.
    pub free: u32,
    /// In the fill ring, in the kernel, or in the receive ring.
    pub receiving: u32,
    /// Held as [`Frame`](super::Frame) values.
    pub held: u32,
    /// Queued, in the transmit ring, in the kernel, or in the completion ring.
    pub transmitting: u32,
}

impl Ledger {
    /// Whether every frame is accounted for.
    pub fn balanced(&self) -> bool {
        self.free + self.receiving + self.held + self.transmitting == self.total
    }
}

/// The owner of every frame: one byte each, and a count per owner.
///
/// It makes descriptors trustworthy: whatever the shared memory contains, only a frame that was given to
/// the kernel can come back from it, and only once.
#[derive(Debug)]
pub(super) struct Owners {
    owners: Box<[Owner]>,
    counts: [u32; OWNERS],
}

impl Owners {
    /// All frames free.
    pub(super) fn new(frames: u32) -> Owners {
        Owners { owners: vec![Owner::Free; frames as usize].into(), counts: [frames, 0, 0, 0] }
    }

    /// Moves a frame from one owner to another. Returns false, and changes nothing, if `from` does not own
    /// it or there is no such frame.
    #[inline]
    pub(super) fn pass(&mut self, index: usize, from: Owner, to: Owner) -> bool {
        match self.owners.get_mut(index) {
            Some(owner) if *owner == from => {
                *owner = to;
                self.counts[from as usize] -= 1;
                self.counts[to as usize] += 1;
                true
            }
            _ => false,
        }
    }

    #[inline]
    pub(super) fn count(&self, owner: Owner) -> u32 {
        self.counts[owner as usize]
    }

    pub(super) fn ledger(&self) -> Ledger {
        Ledger {
            total: self.owners.len() as u32,
            free: self.count(Owner::Free),
            receiving: self.count(Owner::Receive),
            held: self.count(Owner::Held),
            transmitting: self.count(Owner::Transmit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Owner::*;
    use super::*;

    #[test]
    fn a_frame_goes_round() {
        let mut owners = Owners::new(2);
        for (from, to) in
            [(Free, Receive), (Receive, Held), (Held, Transmit), (Transmit, Free), (Free, Held), (Held, Free)]
        {
            assert!(owners.pass(1, from, to), "{from:?} -> {to:?}");
            assert!(owners.ledger().balanced());
        }
        assert_eq!(owners.ledger(), Ledger { total: 2, free: 2, receiving: 0, held: 0, transmitting: 0 });
    }

    /// Descriptors that a faulty kernel could repeat or invent.
    #[test]
    fn only_the_owner_passes_a_frame_on() {
        let mut owners = Owners::new(2);
        assert!(owners.pass(0, Free, Receive));
        assert!(owners.pass(0, Receive, Held));
        let before = owners.ledger();
        for (index, from, to) in [
            (0, Receive, Held),  // received twice
            (0, Transmit, Free), // completed but never sent
            (1, Receive, Held),  // received but never given
            (2, Receive, Held),  // no such frame
            (usize::MAX, Transmit, Free),
        ] {
            assert!(!owners.pass(index, from, to), "{index} {from:?} -> {to:?}");
        }
        assert_eq!(owners.ledger(), before);
    }
}
