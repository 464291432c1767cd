use crate::tcp::User;

/// Reads and throws away; closes when the peer has (RFC 863). All of it is what a [`User`] does
/// by default.
pub(super) struct Discard;

impl User for Discard {}
