//! The memory shared with the kernel: registration, and the octets of a frame.
#![allow(unsafe_code, reason = "the kernel writes here too: Rust cannot see who owns which frame")]

use std::{io, num::NonZeroU32, slice};

use xsk_rs::{
    FrameDesc, Umem,
    config::{FrameSize, QueueSize, UmemConfig},
};

use super::{QueueConfig, config::KERNEL_HEADROOM};

/// A UMEM of equal frames, and one descriptor for each, at the start of its data.
///
/// Every method that takes a descriptor needs it checked by [`Memory::holds`] first, and the
/// frame owned by the caller: `Queue` keeps both.
#[derive(Debug)]
pub(super) struct Memory {
    umem: Umem,
    initial: Box<[FrameDesc]>,
    frame_shift: u32,
}

impl Memory {
    /// Maps and registers the memory.
    pub(super) fn new(config: &QueueConfig, hugepages: bool) -> io::Result<Memory> {
        let frames = NonZeroU32::new(config.frames).ok_or_else(invalid)?;
        let (umem, initial) = Umem::new(umem_config(config)?, frames, hugepages).map_err(errno)?;
        Ok(Memory { umem, initial: initial.into(), frame_shift: config.frame_size.trailing_zeros() })
    }

    pub(super) fn umem(&self) -> &Umem {
        &self.umem
    }

    /// A descriptor for every frame, in order.
    pub(super) fn initial(&self) -> &[FrameDesc] {
        &self.initial
    }

    /// Which frame an address lies in. May be past the last one.
    #[inline]
    pub(super) fn index(&self, desc: &FrameDesc) -> usize {
        desc.addr() >> self.frame_shift
    }

    /// Whether a descriptor lies within one frame of this memory. Descriptors come from rings in
    /// shared memory: nothing they say is believed before this.
    #[inline]
    pub(super) fn holds(&self, desc: &FrameDesc) -> bool {
        let size = 1usize << self.frame_shift;
        let offset = desc.addr() & (size - 1);
        self.index(desc) < self.initial.len()
            && desc.lengths().data() <= size - offset
            && !desc.has_more_frames()
    }

    /// Octets from the data's start to the end of its frame.
    #[inline]
    pub(super) fn capacity(&self, desc: &FrameDesc) -> usize {
        let size = 1usize << self.frame_shift;
        size - (desc.addr() & (size - 1))
    }

    /// The same frame with its data where the kernel would put it, empty.
    #[inline]
    pub(super) fn fresh(&self, desc: FrameDesc) -> FrameDesc {
        let offset = desc.addr() & ((1usize << self.frame_shift) - 1);
        if offset == KERNEL_HEADROOM as usize {
            return self.resized(desc, 0);
        }
        self.initial.get(self.index(&desc)).copied().unwrap_or(desc)
    }

    /// The same frame with a length, at most its capacity.
    #[inline]
    pub(super) fn resized(&self, mut desc: FrameDesc, len: usize) -> FrameDesc {
        if desc.lengths().data() != len {
            // SAFETY: the caller owns the frame and `holds` accepted the descriptor, so the slice
            // that `data_mut` makes lies in this memory and nobody else uses it.
            unsafe { self.umem.data_mut(&mut desc) }.cursor().set_pos(len);
        }
        desc
    }

    /// What was received into the frame.
    #[inline]
    pub(super) fn bytes(&self, desc: &FrameDesc) -> &[u8] {
        // SAFETY: the caller owns the frame, so neither the kernel nor another `Frame` writes to
        // it while the slice lives; `holds` accepted its address and length.
        unsafe { self.umem.data(desc) }.contents()
    }

    /// The whole room from the data's start to the end of the frame.
    #[inline]
    pub(super) fn bytes_mut<'a>(&'a mut self, desc: &'a mut FrameDesc) -> &'a mut [u8] {
        let mut whole = *desc;
        // SAFETY: the caller owns the frame and `holds` accepted its address.
        let mut data = unsafe { self.umem.data_mut(&mut whole) };
        data.cursor().set_pos(usize::MAX); // xsk-rs stops at the end of the frame
        let contents = data.contents_mut();
        let (start, len) = (contents.as_mut_ptr(), contents.len());
        // SAFETY: start and length are those of a slice of this frame. xsk-rs ties it to `whole`
        // although it is memory of the UMEM; the exclusive borrows of `self` and of the frame's
        // descriptor keep every other slice of it away for `'a`.
        unsafe { slice::from_raw_parts_mut(start, len) }
    }
}

fn umem_config(config: &QueueConfig) -> io::Result<UmemConfig> {
    UmemConfig::builder()
        .frame_size(FrameSize::new(config.frame_size).map_err(|_| invalid())?)
        .fill_queue_size(QueueSize::new(config.fill_ring).map_err(|_| invalid())?)
        .comp_queue_size(QueueSize::new(config.completion_ring).map_err(|_| invalid())?)
        .build()
        .map_err(|_| invalid())
}

pub(super) fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

/// The system's error behind one of xsk-rs, which has it as its source.
pub(super) fn errno(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let code = error.source().and_then(|source| source.downcast_ref::<io::Error>()?.raw_os_error());
    code.map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error)
}
