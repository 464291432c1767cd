//! One ring of libxdp's: entries written and read in place, positions through libxdp.
#![allow(unsafe_code, reason = "rings are memory shared with the kernel, behind libxdp's pointers")]

use std::ptr;

use libxdp_sys::{
    XDP_RING_NEED_WAKEUP, xdp_desc, xsk_ring_cons, xsk_ring_cons__peek, xsk_ring_cons__release,
    xsk_ring_prod, xsk_ring_prod__reserve, xsk_ring_prod__submit,
};

use super::frame::Descriptor;

const _: () = assert!(size_of::<Descriptor>() == size_of::<xdp_desc>());

/// Writes all entries, or none if there is no room for all; says how many.
///
/// # Safety
/// `ring` is mapped, `T` is what its entries are, and no other call uses it at the same time.
#[inline]
pub(super) unsafe fn produce<T>(
    ring: *mut xsk_ring_prod,
    from: &[Descriptor],
    entry: impl Fn(&Descriptor) -> T,
) -> usize {
    let Ok(wanted @ 1..) = u32::try_from(from.len()) else { return 0 };
    let mut index = 0;
    // SAFETY: by the contract. libxdp reserves `wanted` entries from `index` on, or none; the mask
    // keeps each of them inside the ring.
    unsafe {
        if xsk_ring_prod__reserve(ring, wanted, &raw mut index) == 0 {
            return 0;
        }
        let (entries, mask) = ((*ring).ring.cast::<T>(), (*ring).mask);
        for desc in from {
            entries.add((index & mask) as usize).write(entry(desc));
            index = index.wrapping_add(1);
        }
        xsk_ring_prod__submit(ring, wanted);
    }
    from.len()
}

/// Reads as many entries as there are, at most as many as `into` holds; says how many.
///
/// # Safety
/// `ring` is mapped, `T` is what its entries are, and no other call uses it at the same time.
#[inline]
pub(super) unsafe fn consume<T>(
    ring: *mut xsk_ring_cons,
    into: &mut [Descriptor],
    descriptor: impl Fn(&T) -> Descriptor,
) -> usize {
    let Ok(wanted @ 1..) = u32::try_from(into.len()) else { return 0 };
    let mut index = 0;
    // SAFETY: by the contract. libxdp says that `count` entries from `index` on are filled, at most
    // `wanted`; the mask keeps each of them inside the ring. Any bits are a valid `T`.
    unsafe {
        let count = xsk_ring_cons__peek(ring, wanted, &raw mut index).min(wanted);
        let (entries, mask) = ((*ring).ring.cast::<T>(), (*ring).mask);
        for desc in &mut into[..count as usize] {
            *desc = descriptor(&*entries.add((index & mask) as usize));
            index = index.wrapping_add(1);
        }
        if count > 0 {
            xsk_ring_cons__release(ring, count);
        }
        count as usize
    }
}

/// Whether the kernel asks to be woken (`XDP_USE_NEED_WAKEUP`).
///
/// # Safety
/// `ring` is mapped.
#[inline]
pub(super) unsafe fn needs_wakeup(ring: *const xsk_ring_prod) -> bool {
    // SAFETY: by the contract. The kernel writes the flags at any time.
    unsafe { (*ring).flags.read_volatile() & XDP_RING_NEED_WAKEUP != 0 }
}

/// For libxdp to fill in.
pub(super) fn no_producer() -> xsk_ring_prod {
    let (word, none) = (ptr::null_mut(), ptr::null_mut());
    xsk_ring_prod {
        cached_prod: 0,
        cached_cons: 0,
        mask: 0,
        size: 0,
        producer: word,
        consumer: word,
        ring: none,
        flags: word,
    }
}

/// For libxdp to fill in.
pub(super) fn no_consumer() -> xsk_ring_cons {
    let (word, none) = (ptr::null_mut(), ptr::null_mut());
    xsk_ring_cons {
        cached_prod: 0,
        cached_cons: 0,
        mask: 0,
        size: 0,
        producer: word,
        consumer: word,
        ring: none,
        flags: word,
    }
}
