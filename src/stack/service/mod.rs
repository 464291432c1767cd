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

use crate::tcp::ConnectionHandler;

/// The built-in services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Accepts, never reads, never closes: the window fills, probes are answered.
    Hold,
    /// Reads and throws away; closes when the peer has.
    Discard,
    /// Closes first, right after the handshake.
    Close,
    /// Sends a RST right after the handshake.
    Reset,
    /// Sends back what it gets, messages up to one segment.
    Echo,
    /// Answers any request with 200 and a fixed body in one segment, then closes.
    Http,
}

/// Every service and its name on the command line.
pub const SERVICES: [(Service, &str); 6] = [
    (Service::Hold, "hold"),
    (Service::Discard, "discard"),
    (Service::Close, "close"),
    (Service::Reset, "reset"),
    (Service::Echo, "echo"),
    (Service::Http, "http"),
];

/// No service has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no service {0:?}; there are hold, discard, close, reset, echo and http")]
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

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        SERVICES[self as usize].1
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Service, UnknownService> {
        SERVICES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(service, _)| *service)
            .ok_or_else(|| UnknownService(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_services_match_both_ways() {
        for (service, name) in SERVICES {
            assert_eq!(name.parse(), Ok(service));
            assert_eq!(service.name(), name);
        }
        assert!("telnet".parse::<Service>().is_err());
    }
}
