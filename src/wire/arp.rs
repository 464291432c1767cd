/// "Who has `target`?", asked by `sender`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpRequest {
    pub sender: [u8; 4],
    pub target: [u8; 4],
    /// Octets of link header, VLAN tags included.
    pub link_len: u8,
}
