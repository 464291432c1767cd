//! What a connection does, and when it is complete. Pure functions from events to actions, which
//! `generator` records and carries out.

use strum::{Display, EnumMessage, EnumString, IntoStaticStr, VariantArray};

use super::failure::{Failure, is_orderly};
use super::http::{Parsed, Response};
use handfast_stack::observe::Closed;

/// What each connection of a run does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// SYN, SYN-ACK, ACK, then RST: complete when established.
    Handshake,
    /// Handshake and orderly close, no data: complete when both FINs are acknowledged.
    Lifecycle { closer: Closer },
    /// A request in one segment, the response, close: complete when both FINs are acknowledged; completion
    /// latency ends with the response.
    Request { request: Vec<u8>, response: ResponseKind },
    /// Opened, held, probed at the end, reset: complete with the reply to the probe, whose latency is the
    /// completion latency.
    Hold,
    /// A SYN without state: complete when sent. Replies are dropped.
    Flood,
}

/// A workload without its parameters. Its name is that of `--workload` and of results, its documentation
/// the help of `--workload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumMessage, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum WorkloadKind {
    /// SYN, SYN-ACK, ACK, then RST
    Handshake,
    /// Three-way handshake and four-way close, no data
    Lifecycle,
    /// One segment of data, its answer, close
    Request,
    /// Open --connections, keep them for --duration, then probe each one
    Hold,
    /// SYNs only, at --rate or as fast as possible; inside a lab only
    Flood,
}

impl WorkloadKind {
    pub const ALL: &'static [WorkloadKind] = WorkloadKind::VARIANTS;

    /// As in `lifecycle`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What a connection does, in a line.
    pub fn summary(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }
}

/// The side that sends the first FIN.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Closer {
    #[default]
    Client,
    Server,
}

impl Closer {
    pub const ALL: &'static [Closer] = Closer::VARIANTS;

    /// `client` or `server`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The expected response to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// The first segment with data.
    Segment,
    /// An HTTP/1 response with status 2xx or 3xx, to Content-Length or the peer's FIN.
    Http,
}

/// What to do with a connection: several at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Actions {
    pub(super) send: bool,
    pub(super) shutdown: bool,
    pub(super) close: bool,
    pub(super) abort: bool,
    pub(super) probe: bool,
}

impl Actions {
    pub(super) const NOTHING: Actions =
        Actions { send: false, shutdown: false, close: false, abort: false, probe: false };
    pub(super) const SEND: Actions = Actions { send: true, ..Actions::NOTHING };
    /// Half-close: data that the peer still sends is read, not answered with a RST.
    pub(super) const SHUTDOWN: Actions = Actions { shutdown: true, ..Actions::NOTHING };
    pub(super) const CLOSE: Actions = Actions { close: true, ..Actions::NOTHING };
    pub(super) const ABORT: Actions = Actions { abort: true, ..Actions::NOTHING };
    pub(super) const PROBE: Actions = Actions { probe: true, ..Actions::NOTHING };
}

/// The status of a connection after an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnStatus {
    /// Not complete yet.
    Pending,
    /// Complete: the completion latency ends now, the orderly close follows.
    Done,
    /// Failed.
    Failed(Failure),
}

/// How a [`Workload`] reacts to an event.
type Reaction = (Actions, ConnStatus);

const CONTINUE: Reaction = (Actions::NOTHING, ConnStatus::Pending);

impl Workload {
    /// `GET path`, for a server that closes after its response.
    pub fn http(host: &str, path: &str) -> Workload {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: handfast\r\nConnection: close\r\n\r\n"
        );
        Workload::Request { request: request.into_bytes(), response: ResponseKind::Http }
    }

    pub fn kind(&self) -> WorkloadKind {
        match self {
            Workload::Handshake => WorkloadKind::Handshake,
            Workload::Lifecycle { .. } => WorkloadKind::Lifecycle,
            Workload::Request { .. } => WorkloadKind::Request,
            Workload::Hold => WorkloadKind::Hold,
            Workload::Flood => WorkloadKind::Flood,
        }
    }

    /// The name of its kind.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The bytes to send.
    pub(super) fn request(&self) -> &[u8] {
        match self {
            Workload::Request { request, .. } => request,
            _ => &[],
        }
    }

    #[inline]
    pub(super) fn on_established(&self) -> Reaction {
        match self {
            Workload::Handshake => (Actions::ABORT, ConnStatus::Done),
            Workload::Lifecycle { closer: Closer::Client } => (Actions::SHUTDOWN, ConnStatus::Pending),
            Workload::Lifecycle { closer: Closer::Server } => CONTINUE,
            Workload::Request { .. } => (Actions::SEND, ConnStatus::Pending),
            Workload::Hold | Workload::Flood => CONTINUE,
        }
    }

    /// Data arrived on a connection that is not complete.
    #[inline]
    pub(super) fn on_data(&self, response: &mut Response, data: &[u8]) -> Reaction {
        match self {
            Workload::Request { response: ResponseKind::Segment, .. } => {
                (Actions::SHUTDOWN, ConnStatus::Done)
            }
            Workload::Request { response: ResponseKind::Http, .. } => match response.data(data) {
                Parsed::Incomplete => CONTINUE,
                Parsed::Complete => (Actions::SHUTDOWN, ConnStatus::Done),
                Parsed::ErrorStatus => (Actions::ABORT, ConnStatus::Failed(Failure::HttpStatus)),
                Parsed::Invalid => (Actions::ABORT, ConnStatus::Failed(Failure::WrongResponse)),
            },
            // Data from the server is ignored.
            Workload::Handshake | Workload::Lifecycle { .. } | Workload::Hold | Workload::Flood => CONTINUE,
        }
    }

    /// The peer's FIN arrived on a connection that is not complete.
    #[inline]
    pub(super) fn on_fin(&self, response: &Response) -> Reaction {
        match self {
            Workload::Handshake | Workload::Lifecycle { .. } => (Actions::CLOSE, ConnStatus::Pending),
            Workload::Request { response: ResponseKind::Http, .. } if response.end() == Parsed::Complete => {
                (Actions::CLOSE, ConnStatus::Done)
            }
            Workload::Request { .. } | Workload::Hold | Workload::Flood => {
                (Actions::ABORT, ConnStatus::Failed(Failure::ClosedEarly))
            }
        }
    }

    /// A connection ended before it was complete. `None`: it is complete now, and its completion latency
    /// ends.
    #[inline]
    pub(super) fn on_end(&self, how: Closed) -> Option<Failure> {
        match self {
            Workload::Lifecycle { .. } if is_orderly(how) => None,
            _ => Some(Failure::of_connection(how)),
        }
    }

    /// A complete connection ended. `None`: properly.
    #[inline]
    pub(super) fn on_end_when_done(&self, how: Closed) -> Option<Failure> {
        match self {
            // Ended by a RST of this side, or by one of the peer that crossed it.
            Workload::Handshake | Workload::Hold => None,
            _ if is_orderly(how) => None,
            _ => Some(Failure::of_connection(how)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_closers_are_read_back_by_name() {
        for kind in WorkloadKind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
            assert!(!kind.summary().is_empty());
        }
        assert_eq!(Closer::ALL.iter().map(|closer| closer.name()).collect::<Vec<_>>(), ["client", "server"]);
        assert_eq!(Workload::http("x", "/").name(), "request");
    }

    const ORDERLY: [Closed; 3] = [Closed::Passive, Closed::Active, Closed::Simultaneous];

    #[test]
    fn a_handshake_is_done_when_open() {
        assert_eq!(Workload::Handshake.on_established(), (Actions::ABORT, ConnStatus::Done));
        assert_eq!(Workload::Handshake.on_end_when_done(Closed::Aborted), None);
        assert_eq!(Workload::Handshake.on_end(Closed::ResetByPeer), Some(Failure::Reset));
    }

    #[test]
    fn a_lifecycle_is_done_when_closed_by_both() {
        for (closer, actions) in [(Closer::Client, Actions::SHUTDOWN), (Closer::Server, Actions::NOTHING)] {
            let workload = Workload::Lifecycle { closer };
            assert_eq!(workload.on_established(), (actions, ConnStatus::Pending));
            let mut response = Response::default();
            assert_eq!(workload.on_data(&mut response, b"banner"), CONTINUE);
            assert_eq!(workload.on_fin(&response), (Actions::CLOSE, ConnStatus::Pending));
            ORDERLY.iter().for_each(|how| assert_eq!(workload.on_end(*how), None));
            assert_eq!(workload.on_end(Closed::ResetByPeer), Some(Failure::Reset));
            assert_eq!(workload.on_end(Closed::FinWait2Timeout), Some(Failure::Timeout));
        }
    }

    #[test]
    fn a_request_is_done_with_its_answer() {
        let segment = Workload::Request { request: b"ping".to_vec(), response: ResponseKind::Segment };
        let mut response = Response::default();
        assert_eq!(
            (segment.on_established(), segment.request()),
            ((Actions::SEND, ConnStatus::Pending), b"ping".as_slice())
        );
        assert_eq!(segment.on_data(&mut response, b"pong"), (Actions::SHUTDOWN, ConnStatus::Done));
        let early = (Actions::ABORT, ConnStatus::Failed(Failure::ClosedEarly));
        assert_eq!(segment.on_fin(&response), early);
        ORDERLY.iter().for_each(|how| assert_eq!(segment.on_end_when_done(*how), None));
        assert_eq!(
            segment.on_end_when_done(Closed::ResetByPeer),
            Some(Failure::Reset),
            "not closed properly"
        );
        assert_eq!(segment.on_end_when_done(Closed::RetransmitTimeout), Some(Failure::Timeout));
        assert_eq!(segment.on_end(Closed::RetransmitTimeout), Some(Failure::Timeout));
    }

    #[test]
    fn an_http_answer_has_a_status_and_an_end() {
        let http = Workload::http("10.0.0.1:80", "/x");
        let request = String::from_utf8(http.request().to_vec()).unwrap();
        assert!(request.starts_with("GET /x HTTP/1.1\r\nHost: 10.0.0.1:80\r\n"), "{request}");
        assert!(request.contains("\r\nConnection: close\r\n") && request.ends_with("\r\n\r\n"));
        let feed = |parts: &[&str]| {
            let mut response = Response::default();
            let mut last = CONTINUE;
            parts.iter().for_each(|part| last = http.on_data(&mut response, part.as_bytes()));
            (last, http.on_fin(&response))
        };
        let done = (Actions::SHUTDOWN, ConnStatus::Done);
        let early = (Actions::ABORT, ConnStatus::Failed(Failure::ClosedEarly));
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nh", "i"]).0, done);
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\n\r\n", "hi"]), (CONTINUE, (Actions::CLOSE, ConnStatus::Done)));
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]), (CONTINUE, early));
        assert_eq!(feed(&["HTTP/1.1 500 No\r\n"]).0.1, ConnStatus::Failed(Failure::HttpStatus));
        assert_eq!(feed(&["SSH-2.0-x\r\n"]).0.1, ConnStatus::Failed(Failure::WrongResponse));
    }

    #[test]
    fn a_held_connection_waits_for_its_probe() {
        assert_eq!(Workload::Hold.on_established(), CONTINUE);
        let early = (Actions::ABORT, ConnStatus::Failed(Failure::ClosedEarly));
        assert_eq!(Workload::Hold.on_fin(&Response::default()), early);
        assert_eq!(Workload::Hold.on_end_when_done(Closed::Aborted), None);
    }
}
