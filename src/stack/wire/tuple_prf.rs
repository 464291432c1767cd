//! One keyed function of the 4-tuple per segment: the table's hash, and the offset of the initial
//! sequence number (RFC 6528).
//!
//! AES-128: an IPv4 4-tuple is one block; an IPv6 4-tuple is a CBC-MAC of three blocks under another key, so
//! that no message is a prefix of another. A processor without AES instructions computes SipHash-2-4 with
//! 128 bits of output, because AES without them takes 1,050 to 4,200 instructions per block. Both are
//! pseudo-random functions: the parts of a value reveal nothing of one another, so the ISN
//! that a peer sees does not reveal the bucket.

use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::FlowKey;
use super::siphash::siphash24_128;

/// 16 bytes of a 4-tuple, and later of the function's value for it.
pub type Block = [u8; 16];

/// IPv6 4-tuples whose blocks are encrypted together.
const CHUNK: usize = 64;

/// The secret of [`TuplePrf`], drawn at start. Without it an outsider can neither aim connections at one
/// bucket nor predict an ISN.
#[derive(Clone)]
pub struct TupleSecret {
    /// For 4-tuples of one block.
    one: Aes128Enc,
    /// For 4-tuples of several.
    chained: Aes128Enc,
    /// In place of both, on a processor without AES instructions.
    siphash: Option<(u64, u64)>,
}

/// The function's value for a 4-tuple.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct TuplePrf {
    /// Selects bucket and tag in the connection table. Never leaves the host.
    pub hash: u32,
    /// Added to the clock of initial sequence numbers (RFC 6528 3).
    pub isn_offset: u32,
    /// As random as the others, and unused.
    pub spare: [u32; 2],
}

/// A 4-tuple in blocks: `[Block; 1]` for IPv4, `[Block; 3]` for IPv6.
pub trait TupleBlocks: Copy + Send + Sync + 'static {
    /// The function's value.
    fn prf(self, secret: &TupleSecret) -> TuplePrf;

    /// Replaces the first block of each 4-tuple by the function's value for it.
    fn prf_in_place(secret: &TupleSecret, tuples: &mut [Self]);

    /// The value that [`TupleBlocks::prf_in_place`] left.
    fn value(&self) -> TuplePrf;
}

impl TupleSecret {
    /// Bytes of randomness in a secret.
    pub const LEN: usize = 32;

    /// A secret of random bytes: SipHash where the processor has no AES instructions.
    pub fn new(random: &[u8; TupleSecret::LEN]) -> TupleSecret {
        let siphash = !aes::hardware_accelerated();
        TupleSecret { siphash: siphash.then(|| siphash_key(random)), ..TupleSecret::aes(random) }
    }

    /// A secret that follows from `seed` (SplitMix64): for simulations and tests, which must repeat. AES
    /// on any processor.
    pub fn fixed(seed: u64) -> TupleSecret {
        let words: [u64; 4] = std::array::from_fn(|at| {
            let state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(at as u64 + 1));
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)).to_le()
        });
        TupleSecret::aes(&transmute!(words))
    }

    fn aes(random: &[u8; TupleSecret::LEN]) -> TupleSecret {
        let [one, chained]: [Block; 2] = transmute!(*random);
        let [one, chained] = [one, chained].map(|key| Aes128Enc::new(&key.into()));
        TupleSecret { one, chained, siphash: None }
    }

    /// The function's value for one 4-tuple.
    #[inline]
    pub fn prf<K: FlowKey>(&self, key: &K) -> TuplePrf {
        key.to_blocks().prf(self)
    }

    /// The function's values for the 4-tuples of a batch, in their places: [`TupleBlocks::value`] reads
    /// them. In a batch of 64 a block takes less than half of the instructions of [`TupleSecret::prf`].
    #[inline]
    pub fn prf_batch<K: FlowKey>(&self, tuples: &mut [K::Blocks]) {
        K::Blocks::prf_in_place(self, tuples);
    }
}

fn siphash_key(random: &[u8; TupleSecret::LEN]) -> (u64, u64) {
    let [k0, k1, ..]: [[u8; 8]; 4] = transmute!(*random);
    (u64::from_le_bytes(k0), u64::from_le_bytes(k1))
}

impl<const N: usize> TupleBlocks for [Block; N] {
    #[inline]
    fn prf(self, secret: &TupleSecret) -> TuplePrf {
        if let Some(key) = secret.siphash {
            return siphash_one(key, &self);
        }
        let cipher = if N == 1 { &secret.one } else { &secret.chained };
        let mut state = Block::default();
        for block in &self {
            xor(&mut state, block);
            cipher.encrypt_block(Array::cast_from_core_mut(&mut state));
        }
        transmute!(state)
    }

    #[inline]
    fn prf_in_place(secret: &TupleSecret, tuples: &mut [[Block; N]]) {
        match (secret.siphash, N) {
            (Some(key), _) => siphash_batch(key, tuples),
            (None, 1) => encrypt_blocks(&secret.one, tuples.as_flattened_mut()),
            (None, _) => tuples.chunks_mut(CHUNK).for_each(|chunk| cbc_mac(&secret.chained, chunk)),
        }
    }

    #[inline]
    fn value(&self) -> TuplePrf {
        self.first().map_or(TuplePrf::default(), |block| transmute!(*block))
    }
}

/// Chained for each 4-tuple. The first blocks of all are encrypted together, then the second ones, and so on.
fn cbc_mac<const N: usize>(cipher: &Aes128Enc, tuples: &mut [[Block; N]]) {
    let mut states = [Block::default(); CHUNK];
    let states = &mut states[..tuples.len().min(CHUNK)];
    for at in 0..N {
        for (state, blocks) in states.iter_mut().zip(tuples.iter()) {
            xor(state, &blocks[at]);
        }
        encrypt_blocks(cipher, states);
    }
    for (state, blocks) in states.iter().zip(tuples) {
        blocks[0] = *state;
    }
}

#[inline(always)]
fn encrypt_blocks(cipher: &Aes128Enc, blocks: &mut [Block]) {
    cipher.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
}

#[inline(always)]
fn xor(state: &mut Block, block: &Block) {
    *state = (u128::from_ne_bytes(*state) ^ u128::from_ne_bytes(*block)).to_ne_bytes();
}

#[cold]
fn siphash_one<const N: usize>(key: (u64, u64), blocks: &[Block; N]) -> TuplePrf {
    transmute!(siphash24_128(key, blocks))
}

#[cold]
fn siphash_batch<const N: usize>(key: (u64, u64), tuples: &mut [[Block; N]]) {
    for blocks in tuples {
        blocks[0] = siphash24_128(key, blocks);
    }
}

#[cfg(test)]
mod tests;
