//! One packet as a script writes it: what to send, or what to compare with.

use super::number::{Family, Number, integer, unsigned};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;
pub const ECE: u8 = 0x40;
pub const CWR: u8 = 0x80;

/// The reminder in a failure that a turned arrow may have caused.
pub const ARROWS: &str = "`<` is what the stack receives, `>` what it sends";

/// In the order in which they are written.
const FLAG_LETTERS: [(char, u8); 8] =
    [('S', SYN), ('F', FIN), ('R', RST), ('P', PSH), ('U', URG), ('E', ECE), ('W', CWR), ('.', ACK)];

/// Flags as packetdrill writes them: `S.` is a SYN-ACK, `-` a segment without flags.
pub fn flag_letters(flags: u8) -> String {
    let set: String =
        FLAG_LETTERS.iter().filter(|(_, bit)| flags & bit != 0).map(|(letter, _)| *letter).collect();
    if set.is_empty() { "-".to_owned() } else { set }
}

/// A range of sequence numbers as packetdrill writes it: `1:11(10)`, and `1` where there is no data.
pub fn span(first: i64, length: usize) -> String {
    match length {
        0 => first.to_string(),
        _ => format!("{first}:{}({length})", first + length as i64),
    }
}

/// The number of bytes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Exactly(u32),
    /// At least one byte (`1:*`).
    Some,
}

/// A field that is fixed, free, or positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Exactly(u32),
    Positive,
    Any,
    /// The last timestamp that the device sent (`theirs`); only in an echo field that we send.
    Theirs,
}

/// A TCP option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opt {
    End,
    NoOperation,
    Mss(Value),
    WindowScale(Value),
    SackPermitted,
    Timestamps(Value, Value),
    /// Edges counted from the device's ISN when sent, from ours when expected.
    Sack(Vec<(i64, i64)>),
    /// Bytes put into the header as they are.
    Raw(Vec<u8>),
}

/// What is wrong or unusual with a packet that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Modifier {
    BadTcpChecksum,
    BadIpChecksum,
    DataOffset(u8),
    Reserved(u8),
    /// Only the first N bytes of the IP packet are sent.
    Cut(usize),
    IpLength(u16),
    /// N bytes follow the IP packet in the frame.
    Trailer(usize),
    HeaderLength(u8),
    Version(u8),
    Fragment,
    HopLimit(u8),
    IpOptions(Vec<u8>),
    Source(String),
    Destination(String),
    SourcePort(u16),
    DestinationPort(u16),
    BroadcastMac,
    OtherMac,
    /// N copies, back to back.
    Copies(u32),
    /// N packets, each from another source port.
    Sources(u32),
    /// Not part of the connection: `next` does not move.
    Aside,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub flags: u8,
    pub sequence: Number,
    pub length: Length,
    pub acknowledgement: Option<Number>,
    pub window: Option<Value>,
    pub urgent: u16,
    /// `None` where the script leaves the options open.
    pub options: Option<Vec<Opt>>,
    pub modifiers: Vec<Modifier>,
}

impl Packet {
    /// Reads `FLAGS SEQ[:END(LENGTH)] [ack N] [win N] [urg N] [[OPTIONS]] [{MODIFIERS}]`.
    pub fn parse(text: &str, family: Family) -> Result<Self, String> {
        let (text, modifiers) = bracketed(text, '{', '}')?;
        let (text, options) = bracketed(&text, '[', ']')?;
        let mut words = text.split_whitespace();
        let flags = parse_flags(words.next().ok_or("a packet begins with its flags")?)?;
        let span = words.next().ok_or("a sequence number is missing")?;
        let (sequence, length) = parse_span(span, family)?;
        let mut packet = Self {
            flags,
            sequence,
            length,
            acknowledgement: None,
            window: None,
            urgent: 0,
            options: options.map(|list| parse_list(&list, |item| parse_option(item, family))).transpose()?,
            modifiers: modifiers
                .map_or(Ok(Vec::new()), |list| parse_list(&list, |i| parse_modifier(i, family)))?,
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            match word {
                "ack" => packet.acknowledgement = Some(Number::parse(value, family)?),
                "win" => packet.window = Some(parse_value(value, family)?),
                "urg" => packet.urgent = unsigned(value, family)?,
                _ => return Err(format!("unknown field `{word}`")),
            }
        }
        Ok(packet)
    }
}

/// Cuts `open…close` out of the text.
fn bracketed(text: &str, open: char, close: char) -> Result<(String, Option<String>), String> {
    let Some(start) = text.find(open) else { return Ok((text.to_owned(), None)) };
    let end = text.rfind(close).ok_or_else(|| format!("`{open}` without `{close}`"))?;
    Ok((format!("{} {}", &text[..start], &text[end + 1..]), Some(text[start + 1..end].to_owned())))
}

pub fn parse_flags(word: &str) -> Result<u8, String> {
    if word == "-" {
        return Ok(0);
    }
    word.chars().try_fold(0, |flags, letter| {
        let found = FLAG_LETTERS.iter().find(|(known, _)| *known == letter);
        found.map(|(_, bit)| flags | bit).ok_or_else(|| format!("unknown flag `{letter}` in `{word}`"))
    })
}

/// `5` has no data; `5:9(4)` has four bytes, `next:next+4(4)` too; `1:*` has some.
fn parse_span(word: &str, family: Family) -> Result<(Number, Length), String> {
    let Some((first, rest)) = word.split_once(':') else {
        return Ok((Number::parse(word, family)?, Length::Exactly(0)));
    };
    let sequence = Number::parse(first, family)?;
    if rest == "*" {
        return Ok((sequence, Length::Some));
    }
    let (end, length) = rest
        .strip_suffix(')')
        .and_then(|rest| rest.split_once('('))
        .ok_or_else(|| format!("invalid range `{word}`: write SEQ:END(LENGTH)"))?;
    let length: u32 = unsigned(length, family)?;
    let apart = sequence.until(Number::parse(end, family)?);
    if apart != Some(i64::from(length)) {
        return Err(format!("`{word}` says {length} bytes, but its numbers differ by {apart:?}"));
    }
    Ok((sequence, Length::Exactly(length)))
}

fn parse_list<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect()
}

fn parse_value(word: &str, family: Family) -> Result<Value, String> {
    match word {
        "*" => Ok(Value::Any),
        ">0" => Ok(Value::Positive),
        "theirs" => Ok(Value::Theirs),
        _ => unsigned(word, family).map(Value::Exactly),
    }
}

fn parse_option(item: &str, family: Family) -> Result<Opt, String> {
    let (name, rest) = item.split_once(' ').unwrap_or((item, ""));
    match name {
        "eol" => Ok(Opt::End),
        "nop" => Ok(Opt::NoOperation),
        "sack-ok" => Ok(Opt::SackPermitted),
        "mss" => parse_value(rest, family).map(Opt::Mss),
        "ws" => parse_value(rest, family).map(Opt::WindowScale),
        "raw" => parse_hex(rest).map(Opt::Raw),
        "ts" => {
            let (value, echo) = rest.split_once(':').ok_or("write `ts VALUE:ECHO`")?;
            Ok(Opt::Timestamps(parse_value(value, family)?, parse_value(echo, family)?))
        }
        "sack" => {
            let edges = rest.split_whitespace().map(|block| {
                let (left, right) = block.split_once(':').ok_or("write `sack LEFT:RIGHT`")?;
                Ok((integer(left, family)?, integer(right, family)?))
            });
            edges.collect::<Result<_, String>>().map(Opt::Sack)
        }
        _ => Err(format!("unknown option `{name}`")),
    }
}

fn parse_modifier(item: &str, family: Family) -> Result<Modifier, String> {
    let (name, value) = item.split_once('=').unwrap_or((item, ""));
    Ok(match name {
        "bad-tcp-checksum" => Modifier::BadTcpChecksum,
        "bad-ip-checksum" => Modifier::BadIpChecksum,
        "data-offset" => Modifier::DataOffset(unsigned(value, family)?),
        "reserved" => Modifier::Reserved(unsigned(value, family)?),
        "cut" => Modifier::Cut(unsigned(value, family)?),
        "trailer" => Modifier::Trailer(unsigned(value, family)?),
        "ip-length" => Modifier::IpLength(unsigned(value, family)?),
        "ihl" => Modifier::HeaderLength(unsigned(value, family)?),
        "version" => Modifier::Version(unsigned(value, family)?),
        "fragment" => Modifier::Fragment,
        "hop-limit" => Modifier::HopLimit(unsigned(value, family)?),
        "ip-options" => Modifier::IpOptions(parse_hex(value)?),
        "src" => Modifier::Source(value.to_owned()),
        "dst" => Modifier::Destination(value.to_owned()),
        "sport" => Modifier::SourcePort(unsigned(value, family)?),
        "dport" => Modifier::DestinationPort(unsigned(value, family)?),
        "broadcast-mac" => Modifier::BroadcastMac,
        "other-mac" => Modifier::OtherMac,
        "copies" => Modifier::Copies(unsigned(value, family)?),
        "sources" => Modifier::Sources(unsigned(value, family)?),
        "aside" => Modifier::Aside,
        _ => return Err(format!("unknown modifier `{name}`")),
    })
}

fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    if text.len() & 1 == 1 || !text.is_ascii() {
        return Err(format!("`{text}` is not pairs of hexadecimal digits"));
    }
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().map_err(|_| format!("`{text}` is not hexadecimal"))
}
