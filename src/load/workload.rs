//! What a connection does, and when it has done it. Plain decisions: what happens goes in, what to
//! do comes out. `generator` records it and carries it out.

use super::failure::{Failure, is_orderly};
use super::http::{Progress, Response};
use handfast_stack::observe::Closed;

/// What every connection does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// SYN, SYN-ACK, ACK, then RST: complete when established.
    Handshake,
    /// Handshake and orderly close, no data: complete when both FINs are acknowledged.
    Lifecycle { closer: Closer },
    /// A request in one segment, its answer, close: complete when both FINs are acknowledged;
    /// completion latency ends with the answer.
    Request { request: Vec<u8>, answer: Answer },
    /// Opened, kept, probed at the end, reset: complete when the probe was answered; completion
    /// latency is the probe's.
    Hold,
    /// A SYN, and nothing kept of it: complete when sent. What answers it is dropped.
    Flood,
}

/// Who sends the first FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closer {
    #[default]
    Client,
    Server,
}

/// What the answer to a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first segment with data.
    Segment,
    /// An HTTP/1 response with status 2xx or 3xx, to Content-Length or the peer's FIN.
    Http,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) send: bool,
    pub(super) shutdown: bool,
    pub(super) close: bool,
    pub(super) abort: bool,
    pub(super) probe: bool,
}

impl Act {
    pub(super) const NOTHING: Act =
        Act { send: false, shutdown: false, close: false, abort: false, probe: false };
    pub(super) const SEND: Act = Act { send: true, ..Act::NOTHING };
    /// Half-close: what the peer still sends is read, not answered by a RST.
    pub(super) const SHUTDOWN: Act = Act { shutdown: true, ..Act::NOTHING };
    pub(super) const CLOSE: Act = Act { close: true, ..Act::NOTHING };
    pub(super) const ABORT: Act = Act { abort: true, ..Act::NOTHING };
    pub(super) const PROBE: Act = Act { probe: true, ..Act::NOTHING };
}

/// How a connection stands after what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// On its way.
    Goes,
    /// It has what it wanted: its completion latency ends now, its orderly end is left.
    Done,
    /// Nothing to wait for any more.
    Failed(Failure),
}

/// What a [`Workload`] decides.
type Decision = (Act, Standing);

const GO_ON: Decision = (Act::NOTHING, Standing::Goes);

impl Workload {
    /// `GET path`, for a server that closes behind its answer.
    pub fn http(host: &str, path: &str) -> Workload {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: handfast\r\nConnection: close\r\n\r\n"
        );
        Workload::Request { request: request.into_bytes(), answer: Answer::Http }
    }

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Workload::Handshake => "handshake",
            Workload::Lifecycle { .. } => "lifecycle",
            Workload::Request { .. } => "request",
            Workload::Hold => "hold",
            Workload::Flood => "flood",
        }
    }

    /// Octets to send.
    pub(super) fn request(&self) -> &[u8] {
        match self {
            Workload::Request { request, .. } => request,
            _ => &[],
        }
    }

    /// ESTABLISHED.
    #[inline]
    pub(super) fn opened(&self) -> Decision {
        match self {
            Workload::Handshake => (Act::ABORT, Standing::Done),
            Workload::Lifecycle { closer: Closer::Client } => (Act::SHUTDOWN, Standing::Goes),
            Workload::Lifecycle { closer: Closer::Server } => GO_ON,
            Workload::Request { .. } => (Act::SEND, Standing::Goes),
            Workload::Hold | Workload::Flood => GO_ON,
        }
    }

    /// Data, on a connection that is on its way.
    #[inline]
    pub(super) fn data(&self, response: &mut Response, data: &[u8]) -> Decision {
        match self {
            Workload::Request { answer: Answer::Segment, .. } => (Act::SHUTDOWN, Standing::Done),
            Workload::Request { answer: Answer::Http, .. } => match response.data(data) {
                Progress::More => GO_ON,
                Progress::Whole => (Act::SHUTDOWN, Standing::Done),
                Progress::Status => (Act::ABORT, Standing::Failed(Failure::HttpStatus)),
                Progress::Garbage => (Act::ABORT, Standing::Failed(Failure::WrongAnswer)),
            },
            // A server may talk: nobody listens.
            Workload::Handshake | Workload::Lifecycle { .. } | Workload::Hold | Workload::Flood => GO_ON,
        }
    }

    /// The peer's FIN, on a connection that is on its way.
    #[inline]
    pub(super) fn peer_closed(&self, response: &Response) -> Decision {
        match self {
            Workload::Handshake | Workload::Lifecycle { .. } => (Act::CLOSE, Standing::Goes),
            Workload::Request { answer: Answer::Http, .. } if response.end() == Progress::Whole => {
                (Act::CLOSE, Standing::Done)
            }
            Workload::Request { .. } | Workload::Hold | Workload::Flood => {
                (Act::ABORT, Standing::Failed(Failure::ClosedEarly))
            }
        }
    }

    /// The end of a connection that was on its way: `None`: it is complete, and its completion
    /// latency ends now.
    #[inline]
    pub(super) fn ended(&self, how: Closed) -> Option<Failure> {
        match self {
            Workload::Lifecycle { .. } if is_orderly(how) => None,
            _ => Some(Failure::of_connection(how)),
        }
    }

    /// The end of a connection that had what it wanted.
    #[inline]
    pub(super) fn ended_done(&self, how: Closed) -> Option<Failure> {
        match self {
            // The end was our RST; the peer may have had the same thought.
            Workload::Handshake | Workload::Hold => None,
            _ if is_orderly(how) => None,
            _ => Some(Failure::of_connection(how)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDERLY: [Closed; 3] = [Closed::Passive, Closed::Active, Closed::Simultaneous];

    #[test]
    fn a_handshake_is_done_when_open() {
        assert_eq!(Workload::Handshake.opened(), (Act::ABORT, Standing::Done));
        assert_eq!(Workload::Handshake.ended_done(Closed::Aborted), None);
        assert_eq!(Workload::Handshake.ended(Closed::ResetByPeer), Some(Failure::Reset));
    }

    #[test]
    fn a_lifecycle_is_done_when_closed_by_both() {
        for (closer, act) in [(Closer::Client, Act::SHUTDOWN), (Closer::Server, Act::NOTHING)] {
            let workload = Workload::Lifecycle { closer };
            assert_eq!(workload.opened(), (act, Standing::Goes));
            let mut response = Response::default();
            assert_eq!(workload.data(&mut response, b"banner"), GO_ON);
            assert_eq!(workload.peer_closed(&response), (Act::CLOSE, Standing::Goes));
            ORDERLY.iter().for_each(|how| assert_eq!(workload.ended(*how), None));
            assert_eq!(workload.ended(Closed::ResetByPeer), Some(Failure::Reset));
            assert_eq!(workload.ended(Closed::FinWait2Timeout), Some(Failure::Timeout));
        }
    }

    #[test]
    fn a_request_is_done_with_its_answer() {
        let segment = Workload::Request { request: b"ping".to_vec(), answer: Answer::Segment };
        let mut response = Response::default();
        assert_eq!((segment.opened(), segment.request()), ((Act::SEND, Standing::Goes), b"ping".as_slice()));
        assert_eq!(segment.data(&mut response, b"pong"), (Act::SHUTDOWN, Standing::Done));
        let early = (Act::ABORT, Standing::Failed(Failure::ClosedEarly));
        assert_eq!(segment.peer_closed(&response), early);
        ORDERLY.iter().for_each(|how| assert_eq!(segment.ended_done(*how), None));
        assert_eq!(segment.ended_done(Closed::ResetByPeer), Some(Failure::Reset), "not closed properly");
        assert_eq!(segment.ended_done(Closed::RetransmitTimeout), Some(Failure::Timeout));
        assert_eq!(segment.ended(Closed::RetransmitTimeout), Some(Failure::Timeout));
    }

    #[test]
    fn an_http_answer_has_a_status_and_an_end() {
        let http = Workload::http("10.0.0.1:80", "/x");
        let request = String::from_utf8(http.request().to_vec()).unwrap();
        assert!(request.starts_with("GET /x HTTP/1.1\r\nHost: 10.0.0.1:80\r\n"), "{request}");
        assert!(request.contains("\r\nConnection: close\r\n") && request.ends_with("\r\n\r\n"));
        let feed = |parts: &[&str]| {
            let mut response = Response::default();
            let mut last = GO_ON;
            parts.iter().for_each(|part| last = http.data(&mut response, part.as_bytes()));
            (last, http.peer_closed(&response))
        };
        let done = (Act::SHUTDOWN, Standing::Done);
        let early = (Act::ABORT, Standing::Failed(Failure::ClosedEarly));
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nh", "i"]).0, done);
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\n\r\n", "hi"]), (GO_ON, (Act::CLOSE, Standing::Done)));
        assert_eq!(feed(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]), (GO_ON, early));
        assert_eq!(feed(&["HTTP/1.1 500 No\r\n"]).0.1, Standing::Failed(Failure::HttpStatus));
        assert_eq!(feed(&["SSH-2.0-x\r\n"]).0.1, Standing::Failed(Failure::WrongAnswer));
    }

    #[test]
    fn a_held_connection_waits_for_its_probe() {
        assert_eq!(Workload::Hold.opened(), GO_ON);
        let early = (Act::ABORT, Standing::Failed(Failure::ClosedEarly));
        assert_eq!(Workload::Hold.peer_closed(&Response::default()), early);
        assert_eq!(Workload::Hold.ended_done(Closed::Aborted), None);
    }
}
