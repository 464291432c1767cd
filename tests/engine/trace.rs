//! Conversations as text, one segment a line, numbers relative to each side's ISN.
//!
//! ```text
//! > S 0             the client sends a SYN
//! < S. 0 1          the answer: SEQ 0, ACK 1
//! > P. 1 1 len=10   ten octets
//! & . 1 1           arrives in one batch with the next `>`
//! + 1000            a second passes
//! ! open            the stack's caller does something; `when` before it: whenever it is `opened`
//! ```
//! What the server sends beyond the `<` lines, and what it fails to send, ends the test.

use handfast_stack::observe::Closed;
use handfast_stack::wire::{Flags, Options, Seq, TxSegment};

use crate::caller::{Act, Order, Script, Told, calling, ends};
use crate::client::{CLIENT_ISN, Family, Lab};
use crate::frames::{build, letters};

pub const PORT: u16 = 40_000;

/// SYN, SYN-ACK, ACK: the beginning of most conversations.
pub const OPEN: &str = "> S 0\n< S. 0 1\n> . 1 1\n";

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

/// One line's words.
struct Words<'a> {
    flags: &'a str,
    seq: u32,
    ack: u32,
    len: usize,
    window: Option<u16>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let mut words = text.split_whitespace();
        let mut out = Words { flags: words.next().expect("flags"), seq: 0, ack: 0, len: 0, window: None };
        let mut place = 0;
        for word in words {
            match word.split_once('=') {
                Some(("len", len)) => out.len = len.parse().expect("len"),
                Some(("win", window)) => out.window = Some(window.parse().expect("win")),
                Some(_) => panic!("unknown word: {word}"),
                None => {
                    let number: i64 = word.parse().expect("a number");
                    if place == 0 {
                        out.seq = number as u32
                    } else {
                        out.ack = number as u32
                    }
                    place += 1;
                }
            }
        }
        out
    }
}

impl Player<'_> {
    fn line(&mut self, lab: &mut Lab, line: &str, all: &str) {
        let (what, rest) = line.split_at(1);
        if what != "<" {
            assert!(lab.reply().is_none_or(|reply| panic!("{reply:?}, before `{line}` of\n{all}")));
        }
        match what {
            ">" => {
                assert!(lab.sim.inject(&self.frame(rest)));
                lab.run();
            }
            "!" => {
                self.order(rest.trim());
                lab.run();
            }
            "&" => assert!(lab.sim.inject(&self.frame(rest))),
            "+" => lab.wait(rest.trim().parse().expect("milliseconds")),
            "<" => self.expect(lab, rest, line, all),
            _ => panic!("no line: {line}"),
        }
    }

    fn order(&self, rest: &str) {
        let script = self.script.expect("a stack that calls");
        let number = script.board().opens.iter().flatten().next_back().copied();
        let act = |word: &str| match word.split_once('=').unwrap_or((word, "0")) {
            ("send", octets) => Act::Send(octets.parse().expect("octets")),
            ("shutdown", _) => Act::Shutdown,
            ("close", _) => Act::Close,
            ("abort", _) => Act::Abort,
            ("probe", _) => Act::Probe,
            _ => panic!("no act: {word}"),
        };
        match rest.split_whitespace().collect::<Vec<_>>()[..] {
            ["open"] => script.order(Order::Open(ends(self.family, PORT))),
            ["when", word] => script.board().when_opened.push(act(word)),
            [word] => script.order(Order::Act(number.expect("a connection"), act(word))),
            _ => panic!("no order: {rest}"),
        }
    }

    fn frame(&self, rest: &str) -> Vec<u8> {
        let words = Words::of(rest);
        let flags = letters(words.flags);
        let syn = flags.has(Flags::SYN);
        let emit = TxSegment {
            seq: CLIENT_ISN + words.seq,
            ack: self.isn.unwrap_or_default() + words.ack,
            flags,
            window: words.window.unwrap_or(65_535),
            options: Options { mss: syn.then_some(1400), ..Options::default() },
        };
        build(self.family, PORT, 80, &emit, &vec![b'x'; words.len])
    }

    fn expect(&mut self, lab: &mut Lab, rest: &str, line: &str, all: &str) {
        let words = Words::of(rest);
        let Some(reply) = lab.reply() else { panic!("silence at `{line}` of\n{all}") };
        if reply.info.flags.has(Flags::SYN) {
            self.isn = Some(reply.info.seq);
        }
        let isn = self.isn.unwrap_or_default();
        let ack = if words.flags.contains('.') { reply.info.ack.since(CLIENT_ISN) } else { 0 };
        let got = (format!("{:?}", reply.info.flags), reply.info.seq.since(isn), ack, reply.payload.len());
        assert_eq!(got, (words.flags.to_owned(), words.seq, words.ack, words.len), "at `{line}` of\n{all}");
        if let Some(window) = words.window {
            assert_eq!(reply.info.window, window, "window at `{line}` of\n{all}");
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

/// Plays every row over IPv4 and IPv6; each must leave nothing behind.
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

/// As [`table`], of a stack that calls: its caller is told the end of every connection that it
/// opened, once, and in the same way as it is counted.
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
            let ends = script.told().into_iter().filter_map(|told| match told {
                Told::Closed(_, how) => Some(how),
                _ => None,
            });
            let ends: Vec<_> = ends.collect();
            assert_eq!(ends.len(), opened, "{}: {ends:?}", row.what);
            for (how, count) in row.closed.iter().filter(|(how, _)| *how != Closed::TimeWaitEnded) {
                let told = ends.iter().filter(|end| *end == how).count() as u64;
                assert_eq!(told, *count, "{}: {how:?}", row.what);
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
