use std::fmt::Debug;
use std::net::SocketAddr;

/// The secret that keys the table's hash, drawn at start. Without it an outsider could aim
/// connections at one bucket.
#[derive(Clone, Copy)]
pub struct HashSecret(pub u64, pub u64);

/// A 4-tuple from our point of view, and the words it is stored as.
pub trait FlowKey: Copy + Eq + Debug + Send + Sync + 'static {
    /// `[u32; 3]` or `[u32; 9]`: what a slot's atomic words hold.
    type Words: Copy + AsRef<[u32]> + AsMut<[u32]> + Default + Send + Sync;

    fn to_words(self) -> Self::Words;
    fn from_words(words: Self::Words) -> Self;
    fn local(&self) -> SocketAddr;
    fn remote(&self) -> SocketAddr;

    /// SipHash-1-3 of the key. A pseudo-random function: the table uses the low 32 bits, the
    /// timestamp offset (RFC 7323 5.4) the high 32, and neither tells anything of the other.
    fn hash(&self, secret: &HashSecret) -> u64;
}

/// An IPv4 4-tuple: 12 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct FlowKey4 {
    pub remote: [u8; 4],
    pub local: [u8; 4],
    /// Host order.
    pub remote_port: u16,
    /// Host order.
    pub local_port: u16,
}

/// An IPv6 4-tuple: 36 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct FlowKey6 {
    pub remote: [u8; 16],
    pub local: [u8; 16],
    pub remote_port: u16,
    pub local_port: u16,
}
