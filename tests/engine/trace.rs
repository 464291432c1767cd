//! Conversations as text, one segment a line, numbers relative to each side's ISN. The arrows and the
//! segments are packetdrill's: docs/conformance.md describes them.
//!
//! ```text
//! < S 0                 the stack receives a SYN
//! > S. 0 ack 1          it sends the SYN-ACK
//! < P. 1:11(10) ack 1   ten bytes
//! & . 1 ack 1           arrives in one batch with the next `<`
//! + 1000                a second passes
//! ! open                the stack's caller does something; `when` before it: whenever it is `opened`
//! ```
//! What the stack sends beyond the `>` lines, and what it fails to send, ends the test.

use handfast_stack::observe::Closed;
use handfast_stack::wire::{Flags, Seq, TcpOptions, TxSegment};

use crate::caller::{Act, Callback, Order, Script, calling, ends};
use crate::client::{CLIENT_ISN, Family, Lab, Reply};
use crate::frames::build;
use crate::script::number::{self, Number};
use crate::script::pattern::{ARROWS, Length, Packet, Value, flag_letters, span};

pub const PORT: u16 = 40_000;

/// SYN, SYN-ACK, ACK: the beginning of most conversations.
pub const OPEN: &str = "< S 0\n> S. 0 ack 1\n< . 1 ack 1\n";

/// Plays a conversation.
#[track_caller]
pub fn play(lab: &mut Lab, family: Family, text: &str) {
    play_with(lab, None, family, text);
}

/// As [`play`], of a stack that calls.
#[track_caller]
pub fn play_with(lab: &mut Lab, script: Option<&Script>, family: Family, text: &str) {
    let mut player = Player { family, isn: None, script };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        player.line(lab, line, text);
    }
    assert!(lab.reply().is_none_or(|reply| panic!("{reply:?}, after all of\n{text}")));
}

struct Player<'a> {
    script: Option<&'a Script>,
    family: Family,
    /// The server's.
    isn: Option<Seq>,
}

/// A segment of a line: what the engine's tests use of the language.
struct Segment {
    flags: u8,
    seq: i64,
    ack: i64,
    len: usize,
    window: Option<u16>,
}

impl Segment {
    fn read(text: &str, family: Family) -> Result<Segment, String> {
        let family = match family {
            Family::V4 => number::Family::V4,
            Family::V6 => number::Family::V6,
        };
        let packet = Packet::parse(text, family)?;
        if packet.options.is_some() || !packet.modifiers.is_empty() || packet.urgent != 0 {
            return Err("options, modifiers and urgent pointers are for tests/scripts".to_owned());
        }
        let relative = |number| match number {
            Number::Relative(number) => Ok(number),
            other => Err(format!("{other:?} is for tests/scripts: count from the ISN")),
        };
        let window = match packet.window {
            None => None,
            Some(Value::Exactly(window)) => Some(u16::try_from(window).map_err(|error| error.to_string())?),
            Some(other) => return Err(format!("window {other:?} is for tests/scripts")),
        };
        let Length::Exactly(len) = packet.length else { return Err("a length is a number".to_owned()) };
        Ok(Segment {
            flags: packet.flags,
            seq: relative(packet.sequence)?,
            ack: packet.acknowledgement.map_or(Ok(0), relative)?,
            len: len as usize,
            window,
        })
    }

    fn describe(&self) -> String {
        let ack =
            if Flags(self.flags).has(Flags::ACK) { format!(" ack {}", self.ack) } else { String::new() };
        format!("{} {}{ack}", flag_letters(self.flags), span(self.seq, self.len))
    }
}

impl Player<'_> {
    fn line(&mut self, lab: &mut Lab, line: &str, all: &str) {
        let (what, rest) = line.split_at(1);
        if what != ">"
            && let Some(reply) = lab.reply()
        {
            let sent = self.seen(&reply).describe();
            panic!("the stack sent `{sent}` before `{line}` of\n{all}\n{ARROWS}");
        }
        match what {
            "<" => {
                assert!(lab.sim.inject(&self.frame(rest, line)));
                lab.run();
            }
            "!" => {
                self.order(rest.trim());
                lab.run();
            }
            "&" => assert!(lab.sim.inject(&self.frame(rest, line))),
            "+" => lab.wait(rest.trim().parse().expect("milliseconds")),
            ">" => self.expect(lab, rest, line, all),
            _ => panic!("unknown line: {line}"),
        }
    }

    fn order(&self, rest: &str) {
        let script = self.script.expect("a stack that calls");
        let number = script.board().opens.iter().flatten().next_back().copied();
        let act = |word: &str| match word.split_once('=').unwrap_or((word, "0")) {
            ("send", bytes) => Act::Send(bytes.parse().expect("bytes")),
            ("shutdown", _) => Act::Shutdown,
            ("close", _) => Act::Close,
            ("abort", _) => Act::Abort,
            ("probe", _) => Act::Probe,
            _ => panic!("unknown act: {word}"),
        };
        match rest.split_whitespace().collect::<Vec<_>>()[..] {
            ["open"] => script.order(Order::Open(ends(self.family, PORT))),
            ["when", word] => script.board().when_opened.push(act(word)),
            [word] => script.order(Order::Act(number.expect("a connection"), act(word))),
            _ => panic!("unknown order: {rest}"),
        }
    }

    fn segment(&self, rest: &str, line: &str) -> Segment {
        Segment::read(rest, self.family).unwrap_or_else(|error| panic!("{error}: `{line}`"))
    }

    fn frame(&self, rest: &str, line: &str) -> Vec<u8> {
        let segment = self.segment(rest, line);
        let flags = Flags(segment.flags);
        let emit = TxSegment {
            seq: CLIENT_ISN + segment.seq as u32,
            ack: self.isn.unwrap_or_default() + segment.ack as u32,
            flags,
            window: segment.window.unwrap_or(65_535),
            options: TcpOptions { mss: flags.has(Flags::SYN).then_some(1400), ..TcpOptions::default() },
        };
        build(self.family, PORT, 80, &emit, &vec![b'x'; segment.len])
    }

    /// A segment that the stack sent, with relative numbers.
    fn seen(&mut self, reply: &Reply) -> Segment {
        let flags = reply.info.flags;
        if flags.has(Flags::SYN) {
            self.isn = Some(reply.info.seq);
        }
        let relative = |number: Seq, isn: Seq| i64::from(number.since(isn) as i32);
        Segment {
            flags: flags.0,
            seq: relative(reply.info.seq, self.isn.unwrap_or_default()),
            ack: if flags.has(Flags::ACK) { relative(reply.info.ack, CLIENT_ISN) } else { 0 },
            len: reply.payload.len(),
            window: Some(reply.info.window),
        }
    }

    fn expect(&mut self, lab: &mut Lab, rest: &str, line: &str, all: &str) {
        let wanted = self.segment(rest, line);
        let Some(reply) = lab.reply() else {
            panic!("the stack sent nothing at `{line}` of\n{all}\n{ARROWS}");
        };
        let sent = self.seen(&reply);
        assert_eq!(sent.describe(), wanted.describe(), "at `{line}` of\n{all}");
        if let Some(window) = wanted.window {
            assert_eq!(sent.window, Some(window), "window at `{line}` of\n{all}");
        }
    }
}

/// A conversation, and what the counters say when it is over.
pub struct Row {
    pub what: &'static str,
    pub text: String,
    pub closed: Vec<(handfast_stack::observe::Closed, u64)>,
    pub dropped: Vec<(handfast_stack::observe::DropReason, u64)>,
}

/// Plays every row over IPv4 and IPv6; each must leave nothing.
pub fn table(service: handfast_stack::service::Service, rows: &[Row]) {
    for row in rows {
        for family in crate::client::FAMILIES {
            let mut lab = Lab::new(service);
            println!("{} over {family:?}", row.what);
            play(&mut lab, family, &row.text);
            lab.assert_closed(&row.closed);
            lab.assert_dropped(&row.dropped);
            lab.over();
        }
    }
}

/// As [`table`], of a stack that calls: its caller gets the end of every connection that it opened, once,
/// with the reason that is counted.
#[track_caller]
pub fn calls(rows: &[Row]) {
    for row in rows {
        for family in crate::client::FAMILIES {
            let (mut lab, script) = calling(|_| {});
            println!("{} over {family:?}", row.what);
            play_with(&mut lab, Some(&script), family, &row.text);
            lab.assert_closed(&row.closed);
            lab.assert_dropped(&row.dropped);
            let opened = script.board().opens.iter().flatten().count();
            let ends = script.callbacks().into_iter().filter_map(|callback| match callback {
                Callback::Closed(_, how) => Some(how),
                _ => None,
            });
            let ends: Vec<_> = ends.collect();
            assert_eq!(ends.len(), opened, "{}: {ends:?}", row.what);
            for (how, count) in row.closed.iter().filter(|(how, _)| *how != Closed::TimeWaitEnded) {
                let reported = ends.iter().filter(|end| *end == how).count() as u64;
                assert_eq!(reported, *count, "{}: {how:?}", row.what);
            }
            lab.over();
            assert_eq!(lab.sim.counters(0).half_open.value(), 0, "{}", row.what);
        }
    }
}

/// A row that begins with the handshake.
pub fn opened(
    what: &'static str,
    text: &str,
    closed: &[(handfast_stack::observe::Closed, u64)],
    dropped: &[(handfast_stack::observe::DropReason, u64)],
) -> Row {
    plain(what, &format!("{OPEN}{text}"), closed, dropped)
}

/// A row as it stands.
pub fn plain(
    what: &'static str,
    text: &str,
    closed: &[(handfast_stack::observe::Closed, u64)],
    dropped: &[(handfast_stack::observe::DropReason, u64)],
) -> Row {
    Row { what, text: text.to_owned(), closed: closed.to_vec(), dropped: dropped.to_vec() }
}

/// What a line that is wrong makes of a test.
fn failure_of(text: &'static str) -> String {
    let failure = std::panic::catch_unwind(|| {
        play(&mut Lab::new(handfast_stack::service::Service::Discard), Family::V4, text);
    });
    *failure.expect_err("it fails").downcast::<String>().expect("a message")
}

#[test]
fn a_wrong_arrow_is_refused_and_the_arrows_are_explained() {
    for (text, wanted) in [
        ("> S 0", "the stack sent nothing at `> S 0`"),
        ("< S 0\n< S. 0 ack 1", "the stack sent `S. 0 ack 1` before `< S. 0 ack 1`"),
        ("< S 0\n> S. 0 ack 1\n> . 1 ack 1", "the stack sent nothing at `> . 1 ack 1`"),
    ] {
        let failure = failure_of(text);
        assert!(failure.contains(wanted) && failure.contains(ARROWS), "{text}: {failure}");
    }
}

#[test]
fn a_segment_that_is_written_wrong_is_refused() {
    for (text, wanted) in [
        ("< P. 1:9(9) ack 1", "`1:9(9)` says 9 bytes, but its numbers differ by Some(8)"),
        ("< P. 1:9 ack 1", "write SEQ:END(LENGTH)"),
        ("< SYN 0", "unknown flag `Y` in `SYN`"),
        ("< S 0 len=9", "`len=9` needs a value"),
        ("< S next", "count from the ISN"),
    ] {
        let failure = failure_of(text);
        assert!(failure.contains(wanted), "{text}: {failure}");
    }
}
