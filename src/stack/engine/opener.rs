//! The interface of the active side: what opens connections, and what it may do.

use std::any::Any;
use std::net::SocketAddr;

use thiserror::Error;

use crate::tcp::{Connection, ConnectionHandler, Time};

/// Opens connections, and is the [`ConnectionHandler`] of every connection it opens. One value per core.
pub trait Opener: ConnectionHandler {
    /// Once a poll, after all that has arrived is answered: opens what is due.
    fn poll_open(&mut self, cx: &mut dyn OpenContext);

    /// Milliseconds until [`Opener::poll_open`] has something to do if nothing arrives, at most `most`;
    /// 0: at once, so the core does not sleep.
    fn next_deadline_ms(&self, now: Time, most: u32) -> u32;

    /// Whether it sends SYNs with [`OpenContext::send_stateless_syn`]: their answers belong to no connection,
    /// and are dropped by name instead of being answered with a RST.
    fn is_flood(&self) -> bool {
        false
    }

    /// Fills in a report that only it understands, on request by a command: between two
    /// polls, in microseconds, without taking memory.
    fn report_into(&self, report: &mut dyn Any) {
        let _ = report;
    }
}

/// Makes one core's opener, given the core's index and the number of cores.
pub type OpenerFactory = Box<dyn Fn(usize, usize) -> Box<dyn Opener> + Send>;

/// Both ends of a connection to open, of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FourTuple {
    /// Address and port of this side.
    pub local: SocketAddr,
    /// Address and port of the peer.
    pub remote: SocketAddr,
}

/// The active side of TCP as a core offers it, during [`Opener::poll_open`].
pub trait OpenContext {
    /// Time stands still within a poll.
    fn now(&self) -> Time;

    /// OPEN, active (RFC 9293 3.10.1): the SYN is on its way. Of a limited number a poll; beyond it
    /// there is [`OpenError::NoFrame`], until the next poll. Returns the connection's number:
    /// below [`OpenContext::capacity`], and no other connection's of this core as long as it lives.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent then.
    fn open(&mut self, tuple: FourTuple) -> Result<u32, OpenError>;

    /// A SYN, and nothing kept of it: for a flood. As [`OpenContext::open`], of a limited number a poll.
    /// [`Opener::is_flood`] must be true, or what answers it gets a RST.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was sent then.
    fn send_stateless_syn(&mut self, tuple: FourTuple) -> Result<(), OpenError>;

    /// Lets `act` do something with a connection of this opener, and sends what follows from it when
    /// [`Opener::poll_open`] has returned; an end is reported then. False: there is no such connection (any
    /// more), and `act` was not called.
    fn with_connection(&mut self, number: u32, act: &mut dyn FnMut(&mut Connection<'_>)) -> bool;

    /// Connections that this core has room for; their numbers are below it.
    fn capacity(&self) -> u32;
}

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// A connection with this 4-tuple exists.
    #[error("the 4-tuple is in use")]
    InUse,
    /// The core has no free slot for a connection.
    #[error("the table has no room")]
    Full,
    /// The UMEM has no free frame for the SYN, or the limit of SYNs per poll is reached.
    #[error("no free frame to send the SYN in")]
    NoFrame,
    /// One end is IPv4, the other IPv6.
    #[error("the two ends are of different address families")]
    Family,
}
