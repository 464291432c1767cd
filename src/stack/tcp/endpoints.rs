use std::net::SocketAddr;

use super::{IsnSecret, TuplePrf};

/// Both ends of a connection.
pub trait Endpoints {
    fn local(&self) -> SocketAddr;
    fn remote(&self) -> SocketAddr;
    fn prf(&self, secret: &IsnSecret) -> TuplePrf;
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
    fn prf(&self, secret: &IsnSecret) -> TuplePrf {
        secret.prf(self)
    }
}
