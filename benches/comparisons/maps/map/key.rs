use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use handfast_stack::wire::{FlowKey4, TupleSecret};

use super::State;

static SECRET: LazyLock<TupleSecret> = LazyLock::new(|| TupleSecret::fixed(1));

/// Connections of one remote address, as a power of two.
const PORT_BITS: u32 = 10;
const FIRST_PORT: u16 = 1024;

/// 4-tuple number `n`.
pub fn key(n: u32) -> FlowKey4 {
    FlowKey4 {
        remote: (n >> PORT_BITS).to_be_bytes(),
        local: [10, 0, 0, 1],
        remote_port: FIRST_PORT + (n & ((1 << PORT_BITS) - 1)) as u16,
        local_port: 443,
    }
}

/// The value of a key: its number, thirteen times.
#[inline]
pub fn value(key: &FlowKey4) -> State {
    [u32::from_be_bytes(key.remote) << PORT_BITS | u32::from(key.remote_port - FIRST_PORT); 13]
}

/// The table's hash.
#[inline]
pub fn hash(key: &FlowKey4) -> u32 {
    SECRET.prf(key).hash
}

/// The same hash in 64 bits, for maps that use the highest bits as well as the lowest.
#[inline]
pub fn wide(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A key for maps that take a hasher: it passes [`hash`] instead of its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keyed(pub FlowKey4);

impl Hash for Keyed {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u32(hash(&self.0));
    }
}

/// Builds hashers for [`Keyed`].
#[derive(Clone, Copy, Default)]
pub struct Passing;

impl BuildHasher for Passing {
    type Hasher = Passed;

    #[inline]
    fn build_hasher(&self) -> Passed {
        Passed(0)
    }
}

/// Returns the hash that it is given.
pub struct Passed(u64);

impl Hasher for Passed {
    #[inline]
    fn write_u32(&mut self, hash: u32) {
        self.0 = wide(hash);
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a Keyed writes its hash and nothing else");
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
