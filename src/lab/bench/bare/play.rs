//! Who answers what with what.

use super::heard::Heard;
use super::template::Template;
use crate::bench::workload::{Closer, Pattern, REQUEST, RESPONSE, Workload};
use handfast_stack::wire::{Flags, Mac};

/// The segments there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Ack,
    FinAck,
    RstAck,
    Request,
    Response,
}

impl Kind {
    const ALL: [Kind; 7] =
        [Kind::Syn, Kind::SynAck, Kind::Ack, Kind::FinAck, Kind::RstAck, Kind::Request, Kind::Response];

    fn flags(self, pattern: &Pattern) -> Flags {
        match self {
            Kind::Syn => Flags::SYN,
            Kind::SynAck => Flags::SYN.with(Flags::ACK),
            Kind::Ack => Flags::ACK,
            Kind::FinAck => Flags::FIN.with(Flags::ACK),
            Kind::RstAck => Flags::RST.with(Flags::ACK),
            Kind::Response if pattern.closer == Closer::Server => {
                Flags::PSH.with(Flags::ACK).with(Flags::FIN)
            }
            Kind::Request | Kind::Response => Flags::PSH.with(Flags::ACK),
        }
    }

    fn payload(self, pattern: &Pattern) -> Vec<u8> {
        match self {
            Kind::Request => filled(REQUEST.as_bytes(), pattern.request),
            Kind::Response => filled(RESPONSE, pattern.response),
            _ => Vec::new(),
        }
    }
}

/// `text`, cut off or filled up to `len` octets; at most what a segment holds.
fn filled(text: &[u8], len: u16) -> Vec<u8> {
    const MOST: usize = 1_400;
    text.iter().copied().chain(std::iter::repeat(b'.')).take(usize::from(len).min(MOST)).collect()
}

/// One template for each kind.
#[derive(Clone, Debug)]
pub(super) struct Templates(Vec<Template>);

impl Templates {
    /// `link`: destination and source of frames that are not answered in place.
    pub fn new(pattern: &Pattern, link: (Mac, Mac), ipv6: bool) -> Templates {
        let template = |kind: Kind| {
            // A bare reset has no options, as the stacks compared send it.
            let timestamps = pattern.timestamps && kind != Kind::RstAck;
            Template::new(link, ipv6, kind.flags(pattern), timestamps, &kind.payload(pattern))
        };
        Templates(Kind::ALL.into_iter().map(template).collect())
    }

    #[inline]
    pub fn of(&self, kind: Kind) -> &Template {
        &self.0[kind as usize]
    }
}

/// What a server sends upon a segment. It keeps no state.
#[inline]
pub(super) fn served(pattern: &Pattern, heard: &Heard) -> Option<Kind> {
    let has = |flag| heard.flags.has(flag);
    if has(Flags::RST) {
        return None;
    }
    match pattern.closer {
        _ if has(Flags::SYN) => (!has(Flags::ACK)).then_some(Kind::SynAck),
        Closer::Client if has(Flags::FIN) => Some(Kind::FinAck),
        Closer::Server if has(Flags::FIN) => Some(Kind::Ack),
        _ if heard.payload > 0 => Some(Kind::Response),
        // The handshake's last ACK.
        Closer::Server if pattern.workload == Workload::Lifecycle => Some(Kind::FinAck),
        _ => None,
    }
}

/// How far a connection of a client's has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none, or it is over.
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

/// What a client does upon a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A copy, or none of our business.
    Ignore,
    Go(&'static [Kind], Stage),
    /// With these as the last segments, it did what it was to do.
    Done(&'static [Kind]),
    Reset,
    Reflected,
}

#[inline]
pub(super) fn called(pattern: &Pattern, stage: Stage, heard: &Heard) -> Move {
    let has = |flag| heard.flags.has(flag);
    match stage {
        Stage::Free => Move::Ignore,
        _ if has(Flags::RST) => Move::Reset,
        Stage::SynSent if has(Flags::SYN) => match has(Flags::ACK) {
            true => established(pattern),
            false => Move::Reflected,
        },
        _ if has(Flags::SYN) => Move::Ignore,
        Stage::Open if has(Flags::FIN) => Move::Go(&[Kind::FinAck], Stage::LastAck),
        Stage::Open if heard.payload > 0 => match pattern.closer {
            Closer::Client => Move::Go(&[Kind::FinAck], Stage::FinSent),
            Closer::Server => Move::Go(&[Kind::Ack], Stage::Open),
        },
        Stage::FinSent if has(Flags::FIN) => Move::Done(&[Kind::Ack]),
        Stage::LastAck if !has(Flags::FIN) => Move::Done(&[]),
        _ => Move::Ignore,
    }
}

fn established(pattern: &Pattern) -> Move {
    match (pattern.workload, pattern.closer) {
        (Workload::Syn, _) => Move::Done(&[]),
        (Workload::Establish, _) => Move::Done(&[Kind::Ack]),
        (Workload::Handshake, _) => Move::Done(&[Kind::Ack, Kind::RstAck]),
        (Workload::Lifecycle, Closer::Client) => Move::Go(&[Kind::Ack, Kind::FinAck], Stage::FinSent),
        (Workload::Lifecycle, Closer::Server) => Move::Go(&[Kind::Ack], Stage::Open),
        (Workload::Request, _) => Move::Go(&[Kind::Ack, Kind::Request], Stage::Open),
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::{Flow, Numbers};
    use super::*;

    /// Lets client and server play one connection, and says what crossed the link: client's segments
    /// with `>`, the server's with `<`.
    fn played(pattern: &Pattern) -> (Vec<String>, u32) {
        let templates = Templates::new(pattern, ([2; 6], [4; 6]), false);
        let flow = Flow { ports: [4, 0, 0, 80], ..Flow::default() };
        let mut stage = Stage::SynSent;
        let mut link = vec![(true, Kind::Syn, flow, Numbers { seq: 9, ..Numbers::default() })];
        let (mut seen, mut done, mut at) = (Vec::new(), 0, 0);
        while let Some(&(to_server, kind, flow, numbers)) = link.get(at) {
            at += 1;
            let mut frame = [0; 1514];
            let len = templates.of(kind).write_whole(&mut frame, &flow, &numbers);
            let heard = Heard::parse(&frame[..len], false).expect("a segment");
            let arrow = if to_server { '>' } else { '<' };
            seen.push(format!("{arrow} {:?} {}+{} ack {}", heard.flags, heard.seq, heard.payload, heard.ack));
            let (sent, next) = match (to_server, called(pattern, stage, &heard)) {
                (true, _) => (served(pattern, &heard).into_iter().collect(), stage),
                (false, Move::Go(sent, next)) => (sent.to_vec(), next),
                (false, Move::Done(sent)) => {
                    done += 1;
                    (sent.to_vec(), Stage::Free)
                }
                (false, _) => (Vec::new(), stage),
            };
            stage = next;
            for kind in sent {
                link.push((!to_server, kind, heard.flow, heard.answer()));
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
        let heard = |flags| Heard { flow: Flow::default(), flags, seq: 1, ack: 1, payload: 0, stamp: 0 };
        for (stage, flags, expected) in [
            (Stage::SynSent, Flags::RST.with(Flags::ACK), Move::Reset),
            (Stage::SynSent, Flags::SYN, Move::Reflected),
            (Stage::SynSent, Flags::ACK, Move::Ignore),
            (Stage::FinSent, Flags::SYN.with(Flags::ACK), Move::Ignore),
            (Stage::FinSent, Flags::ACK, Move::Ignore),
            (Stage::Free, Flags::FIN.with(Flags::ACK), Move::Ignore),
            (Stage::Open, Flags::RST, Move::Reset),
        ] {
            assert_eq!(called(&pattern, stage, &heard(flags)), expected, "{stage:?} {flags:?}");
        }
        let reset = heard(Flags::RST.with(Flags::ACK));
        assert_eq!(served(&pattern, &reset), None, "a reset draws nothing");
    }
}
