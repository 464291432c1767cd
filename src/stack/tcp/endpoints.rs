use std::net::SocketAddr;

use crate::wire::{TuplePrf, TupleSecret};

/// Both ends of a connection.
pub trait Endpoints {
    /// The address and port of this end.
    fn local(&self) -> SocketAddr;
    /// The address and port of the peer.
    fn remote(&self) -> SocketAddr;
    /// The keyed function of the 4-tuple, which offsets its ISN and its timestamps (RFC 6528, RFC 7323 5.4).
    fn prf(&self, secret: &TupleSecret) -> TuplePrf;
}

impl<K: crate::wire::FlowKey> Endpoints for K {
    #[inline(always)]
    fn local(&self) -> SocketAddr {
        crate::wire::FlowKey::local(self)
    }

    fn remote(&self) -> SocketAddr {
        crate::wire::FlowKey::remote(self)
    }

    #[inline(always)]
    fn prf(&self, secret: &TupleSecret) -> TuplePrf {
        secret.prf(self)
    }
}
