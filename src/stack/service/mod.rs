//! What a connection does once it is open: one file per service, and [`Service`], which names
//! them. Users of the library write their own by implementing [`crate::tcp::ConnectionHandler`].
//!
//! May use `tcp` and `observe`.

mod close;
mod discard;
mod echo;
mod hold;
mod http;
mod limited;
mod reset;

pub use limited::limited;

use std::fmt;
use std::str::FromStr;

use crate::observe::named_enum;
use crate::tcp::ConnectionHandler;

named_enum! {
    /// The built-in services.
    Service,
    /// Every service, in the order of their discriminants.
    SERVICES;
    Hold, "hold", "Accepts, never reads, never closes: the window fills, probes are answered.";
    Discard, "discard", "Reads and discards; closes after the peer.";
    Close, "close", "Closes first, right after the handshake.";
    Reset, "reset", "Sends a RST right after the handshake.";
    Echo, "echo", "Sends back what it receives, messages up to one segment.";
    Http, "http", "Answers any request with 200 and a fixed body in one segment, then closes.";
}

/// No service has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown service {0:?}; known are {known}", known = names().join(", "))]
pub struct UnknownService(String);

impl Service {
    /// One core's part of the service.
    pub fn user(self) -> Box<dyn ConnectionHandler> {
        match self {
            Service::Hold => Box::new(hold::Hold),
            Service::Discard => Box::new(discard::Discard),
            Service::Close => Box::new(close::Close),
            Service::Reset => Box::new(reset::Reset),
            Service::Echo => Box::new(echo::Echo),
            Service::Http => Box::new(http::Http),
        }
    }
}

/// The names of all services.
fn names() -> [&'static str; SERVICES.len()] {
    SERVICES.map(Service::name)
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Service, UnknownService> {
        let found = SERVICES.into_iter().find(|service| service.name() == name);
        found.ok_or_else(|| UnknownService(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_services_match_both_ways() {
        for service in SERVICES {
            assert_eq!(service.name().parse(), Ok(service));
        }
        assert!("telnet".parse::<Service>().is_err());
    }
}
