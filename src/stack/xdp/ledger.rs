/// The owner of a frame, as far as the kernel's descriptors are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Owner {
    /// On the free list, a `Frame` value, or waiting for room in the transmit ring.
    Queue,
    /// In the fill ring, in the kernel, or in the receive ring.
    Receive,
    /// In the transmit ring, in the kernel, or in the completion ring.
    Transmit,
}

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

/// The owner of every frame: one byte each.
///
/// It makes descriptors trustworthy: whatever the shared memory contains, only a frame that was given to
/// the kernel can come back from it, and only once. A frame is marked when it is put into a ring, and
/// checked once when it comes out of one.
#[derive(Debug)]
pub(super) struct Owners(Box<[Owner]>);

/// The owners, borrowed for a loop: a mark that is written cannot change where they are.
#[derive(Debug)]
pub(super) struct Marks<'a>(&'a mut [Owner]);

impl Marks<'_> {
    /// Marks a frame of the queue as the kernel's: before its descriptor is put into a ring.
    #[inline]
    pub(super) fn give(&mut self, index: usize, to: Owner) {
        debug_assert_eq!(self.0.get(index), Some(&Owner::Queue), "frame {index}");
        if let Some(owner) = self.0.get_mut(index) {
            *owner = to;
        }
    }

    /// Makes a frame the queue's. Returns false, and changes nothing, if `from` does not own it or there is
    /// no such frame.
    #[inline]
    pub(super) fn take(&mut self, index: usize, from: Owner) -> bool {
        match self.0.get_mut(index) {
            Some(owner) if *owner == from => {
                *owner = Owner::Queue;
                true
            }
            _ => false,
        }
    }
}

impl Owners {
    /// All frames are the queue's.
    pub(super) fn new(frames: u32) -> Owners {
        Owners(vec![Owner::Queue; frames as usize].into())
    }

    pub(super) fn total(&self) -> u32 {
        self.0.len() as u32
    }

    #[inline]
    pub(super) fn marks(&mut self) -> Marks<'_> {
        Marks(&mut self.0)
    }

    /// The number of frames of an owner.
    #[cfg(test)]
    pub(super) fn count(&self, of: Owner) -> u32 {
        self.0.iter().filter(|owner| **owner == of).count() as u32
    }
}

/// Frames outside of the free list, counted once a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// `Frame` values, and frames that were passed to `transmit` since the last flush.
    pub(super) held: u32,
    /// Marked `Owner::Receive`.
    pub(super) receiving: u32,
    /// Marked `Owner::Transmit`, and visible to the kernel.
    pub(super) transmitting: u32,
}

#[cfg(test)]
mod tests {
    use super::Owner::*;
    use super::*;

    #[test]
    fn a_frame_goes_round() {
        let mut owners = Owners::new(2);
        for to in [Receive, Transmit, Transmit, Receive] {
            owners.marks().give(1, to);
            assert_eq!((owners.count(to), owners.count(Queue)), (1, 1));
            assert!(owners.marks().take(1, to), "{to:?}");
        }
        assert_eq!((owners.count(Queue), owners.total()), (2, 2));
    }

    /// Descriptors that a faulty kernel could repeat or invent.
    #[test]
    fn only_the_owner_passes_a_frame_on() {
        let mut owners = Owners::new(3);
        owners.marks().give(0, Receive);
        assert!(owners.marks().take(0, Receive));
        owners.marks().give(2, Transmit);
        for (index, from) in [
            (0, Receive),  // received twice
            (0, Transmit), // completed but never sent
            (1, Receive),  // received but never given
            (2, Receive),  // received instead of completed
            (3, Receive),  // no such frame
            (usize::MAX, Transmit),
        ] {
            assert!(!owners.marks().take(index, from), "{index} {from:?}");
        }
        assert_eq!([Queue, Receive, Transmit].map(|owner| owners.count(owner)), [2, 0, 1]);
    }
}
