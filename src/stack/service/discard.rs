use crate::tcp::ConnectionHandler;

/// Reads and throws away; closes when the peer has (RFC 863). All of it is what a [`ConnectionHandler`] does
/// by default.
pub(super) struct Discard;

impl ConnectionHandler for Discard {}
