//! The replies of client and server, for each workload.

use super::segment::ParsedSegment;
use super::template::Template;
use crate::bench::workload::{Closer, Pattern, REQUEST, RESPONSE, Workload};
use handfast_stack::wire::{Flags, Mac};

/// The segments that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemplateKind {
    Syn,
    SynAck,
    Ack,
    FinAck,
    RstAck,
    Request,
    Response,
}

impl TemplateKind {
    const ALL: [TemplateKind; 7] = [
        TemplateKind::Syn,
        TemplateKind::SynAck,
        TemplateKind::Ack,
        TemplateKind::FinAck,
        TemplateKind::RstAck,
        TemplateKind::Request,
        TemplateKind::Response,
    ];

    fn flags(self, pattern: &Pattern) -> Flags {
        match self {
            TemplateKind::Syn => Flags::SYN,
            TemplateKind::SynAck => Flags::SYN.with(Flags::ACK),
            TemplateKind::Ack => Flags::ACK,
            TemplateKind::FinAck => Flags::FIN.with(Flags::ACK),
            TemplateKind::RstAck => Flags::RST.with(Flags::ACK),
            TemplateKind::Response if pattern.closer == Closer::Server => {
                Flags::PSH.with(Flags::ACK).with(Flags::FIN)
            }
            TemplateKind::Request | TemplateKind::Response => Flags::PSH.with(Flags::ACK),
        }
    }

    fn payload(self, pattern: &Pattern) -> Vec<u8> {
        match self {
            TemplateKind::Request => filled(REQUEST.as_bytes(), pattern.request),
            TemplateKind::Response => filled(RESPONSE, pattern.response),
            _ => Vec::new(),
        }
    }
}

/// `text`, truncated or padded to `len` bytes, at most a full segment.
fn filled(text: &[u8], len: u16) -> Vec<u8> {
    const MAX: usize = 1_400;
    text.iter().copied().chain(std::iter::repeat(b'.')).take(usize::from(len).min(MAX)).collect()
}

/// One template for each kind.
#[derive(Clone, Debug)]
pub(super) struct Templates(Vec<Template>);

impl Templates {
    /// `link`: destination and source of frames that are not replies in place.
    pub(super) fn new(pattern: &Pattern, link: (Mac, Mac), ipv6: bool) -> Templates {
        let template = |kind: TemplateKind| {
            // A reset has no options, as in the stacks compared.
            let timestamps = pattern.timestamps && kind != TemplateKind::RstAck;
            Template::new(link, ipv6, kind.flags(pattern), timestamps, &kind.payload(pattern))
        };
        Templates(TemplateKind::ALL.into_iter().map(template).collect())
    }

    #[inline]
    pub(super) fn of(&self, kind: TemplateKind) -> &Template {
        &self.0[kind as usize]
    }
}

/// Returns the server's reply to a segment. The server keeps no state.
#[inline]
pub(super) fn server_step(pattern: &Pattern, segment: &ParsedSegment) -> Option<TemplateKind> {
    let has = |flag| segment.flags.has(flag);
    if has(Flags::RST) {
        return None;
    }
    match pattern.closer {
        _ if has(Flags::SYN) => (!has(Flags::ACK)).then_some(TemplateKind::SynAck),
        Closer::Client if has(Flags::FIN) => Some(TemplateKind::FinAck),
        Closer::Server if has(Flags::FIN) => Some(TemplateKind::Ack),
        _ if segment.payload > 0 => Some(TemplateKind::Response),
        // The last ACK of the handshake.
        Closer::Server if pattern.workload == Workload::Lifecycle => Some(TemplateKind::FinAck),
        _ => None,
    }
}

/// State of a client's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ClientState {
    /// No connection, or a closed one.
    #[default]
    Free,
    SynSent,
    /// Waits for data or the peer's FIN.
    Open,
    /// Has sent its FIN first.
    FinSent,
    /// Has sent its FIN second.
    LastAck,
}

/// The client's reaction to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientStep {
    /// A duplicate, or of no connection.
    Ignore,
    Send(&'static [TemplateKind], ClientState),
    /// Sends the last segments: the connection is complete.
    Done(&'static [TemplateKind]),
    Reset,
    Reflected,
}

#[inline]
pub(super) fn client_step(pattern: &Pattern, state: ClientState, segment: &ParsedSegment) -> ClientStep {
    let has = |flag| segment.flags.has(flag);
    match state {
        ClientState::Free => ClientStep::Ignore,
        _ if has(Flags::RST) => ClientStep::Reset,
        ClientState::SynSent if has(Flags::SYN) => match has(Flags::ACK) {
            true => established(pattern),
            false => ClientStep::Reflected,
        },
        _ if has(Flags::SYN) => ClientStep::Ignore,
        ClientState::Open if has(Flags::FIN) => {
            ClientStep::Send(&[TemplateKind::FinAck], ClientState::LastAck)
        }
        ClientState::Open if segment.payload > 0 => match pattern.closer {
            Closer::Client => ClientStep::Send(&[TemplateKind::FinAck], ClientState::FinSent),
            Closer::Server => ClientStep::Send(&[TemplateKind::Ack], ClientState::Open),
        },
        ClientState::FinSent if has(Flags::FIN) => ClientStep::Done(&[TemplateKind::Ack]),
        ClientState::LastAck if !has(Flags::FIN) => ClientStep::Done(&[]),
        _ => ClientStep::Ignore,
    }
}

fn established(pattern: &Pattern) -> ClientStep {
    match (pattern.workload, pattern.closer) {
        (Workload::Syn, _) => ClientStep::Done(&[]),
        (Workload::Establish, _) => ClientStep::Done(&[TemplateKind::Ack]),
        (Workload::Handshake, _) => ClientStep::Done(&[TemplateKind::Ack, TemplateKind::RstAck]),
        (Workload::Lifecycle, Closer::Client) => {
            ClientStep::Send(&[TemplateKind::Ack, TemplateKind::FinAck], ClientState::FinSent)
        }
        (Workload::Lifecycle, Closer::Server) => ClientStep::Send(&[TemplateKind::Ack], ClientState::Open),
        (Workload::Request, _) => {
            ClientStep::Send(&[TemplateKind::Ack, TemplateKind::Request], ClientState::Open)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::{SegmentNumbers, TemplateFlow};
    use super::*;

    /// Runs one connection between client and server. Returns the segments that crossed the link, the client's
    /// with `>`, the server's with `<`, and the number of completions.
    fn played(pattern: &Pattern) -> (Vec<String>, u32) {
        let templates = Templates::new(pattern, ([2; 6], [4; 6]), false);
        let flow = TemplateFlow { ports: [4, 0, 0, 80], ..TemplateFlow::default() };
        let mut state = ClientState::SynSent;
        let mut link =
            vec![(true, TemplateKind::Syn, flow, SegmentNumbers { seq: 9, ..SegmentNumbers::default() })];
        let (mut seen, mut done, mut at) = (Vec::new(), 0, 0);
        while let Some(&(to_server, kind, flow, numbers)) = link.get(at) {
            at += 1;
            let mut frame = [0; 1514];
            let len = templates.of(kind).write_whole(&mut frame, &flow, &numbers);
            let segment = ParsedSegment::parse(&frame[..len], false).expect("a segment");
            let arrow = if to_server { '>' } else { '<' };
            seen.push(format!(
                "{arrow} {:?} {}+{} ack {}",
                segment.flags, segment.seq, segment.payload, segment.ack
            ));
            let (sent, next) = match (to_server, client_step(pattern, state, &segment)) {
                (true, _) => (server_step(pattern, &segment).into_iter().collect(), state),
                (false, ClientStep::Send(sent, next)) => (sent.to_vec(), next),
                (false, ClientStep::Done(sent)) => {
                    done += 1;
                    (sent.to_vec(), ClientState::Free)
                }
                (false, _) => (Vec::new(), state),
            };
            state = next;
            for kind in sent {
                link.push((!to_server, kind, segment.flow, segment.reply_numbers()));
            }
        }
        (seen, done)
    }

    #[test]
    fn the_six_packets_of_a_lifecycle_are_those_of_the_rfc() {
        let (seen, done) = played(&Pattern::new(Workload::Lifecycle));
        let expected = [
            "> S 9+0 ack 0",
            "< S. 0+0 ack 10",
            "> . 10+0 ack 1",
            "> F. 10+0 ack 1",
            "< F. 1+0 ack 11",
            "> . 11+0 ack 2",
        ];
        assert_eq!((done, seen), (1, expected.map(String::from).to_vec()));
    }

    #[test]
    fn every_pattern_comes_to_its_end() {
        use Workload::*;
        for (workload, closer, packets) in [
            (Syn, Closer::Client, 2),
            (Establish, Closer::Client, 3),
            (Handshake, Closer::Client, 4),
            (Lifecycle, Closer::Client, 6),
            (Lifecycle, Closer::Server, 6),
            (Request, Closer::Server, 7),
            (Request, Closer::Client, 8),
        ] {
            for timestamps in [false, true] {
                let pattern = Pattern { closer, timestamps, ..Pattern::new(workload) };
                let (seen, done) = played(&pattern);
                assert_eq!((done, seen.len()), (1, packets), "{workload} {closer}: {seen:#?}");
            }
        }
    }

    #[test]
    fn resets_and_reflections_are_told_apart_and_copies_ignored() {
        let pattern = Pattern::new(Workload::Lifecycle);
        let segment = |flags| ParsedSegment {
            flow: TemplateFlow::default(),
            flags,
            seq: 1,
            ack: 1,
            payload: 0,
            stamp: 0,
        };
        for (state, flags, expected) in [
            (ClientState::SynSent, Flags::RST.with(Flags::ACK), ClientStep::Reset),
            (ClientState::SynSent, Flags::SYN, ClientStep::Reflected),
            (ClientState::SynSent, Flags::ACK, ClientStep::Ignore),
            (ClientState::FinSent, Flags::SYN.with(Flags::ACK), ClientStep::Ignore),
            (ClientState::FinSent, Flags::ACK, ClientStep::Ignore),
            (ClientState::Free, Flags::FIN.with(Flags::ACK), ClientStep::Ignore),
            (ClientState::Open, Flags::RST, ClientStep::Reset),
        ] {
            assert_eq!(client_step(&pattern, state, &segment(flags)), expected, "{state:?} {flags:?}");
        }
        let reset = segment(Flags::RST.with(Flags::ACK));
        assert_eq!(server_step(&pattern, &reset), None, "a reset draws nothing");
    }
}
