//! What a runner remembers of one connection: both sides' numbers and what was negotiated.

use super::inspect::Received;
use super::language::Role;
use super::number::Number;
use super::pattern::{FIN, Opt, RST, SYN, Value};

/// The request that a script's data makes when an HTTP service listens.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// A small generator, so that a script's ports and numbers depend on nothing but its name.
pub struct Dice(u64);

impl Dice {
    pub fn new(name: &str) -> Self {
        Self(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// SplitMix64.
    pub fn roll(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u32
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Offered {
    scale: bool,
    sack: bool,
    timestamps: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub port: u16,
    /// Our initial sequence number.
    pub isn: u32,
    /// The next number we would send, counted from `isn`.
    pub next: i64,
    /// The device's initial sequence number, once its SYN has come.
    pub theirs: Option<u32>,
    /// The number after the last that the device has sent.
    end: u32,
    /// The same before the last segment came: what that segment is held against.
    end_before: u32,
    /// Initial and end number of the device in the connection before `again` or `fresh`.
    previous: Option<(u32, u32)>,
    /// The device's last timestamp.
    pub timestamp: u32,
    /// The device's last acknowledgement and window, in bytes.
    pub acknowledged: u32,
    pub window: u32,
    scale: u8,
    offered: Offered,
    timestamps: bool,
}

impl Conversation {
    pub fn new(dice: &mut Dice) -> Self {
        Self { port: 20_000 + (dice.roll() % 40_000) as u16, isn: dice.roll(), ..Self::default() }
    }

    /// Another client port.
    pub fn fresh(&self, dice: &mut Dice) -> Self {
        Self { previous: self.theirs.map(|isn| (isn, self.end)), ..Self::new(dice) }
    }

    /// The same 4-tuple again.
    pub fn again(&self, beyond: Option<i64>, dice: &mut Dice) -> Self {
        let isn = match beyond {
            Some(offset) => self.isn.wrapping_add((self.next + offset) as u32),
            None => dice.roll(),
        };
        Self {
            port: self.port,
            isn,
            timestamp: self.timestamp,
            previous: self.theirs.map(|isn| (isn, self.end)),
            ..Self::default()
        }
    }

    /// A number that counts our bytes: a sequence number of ours, or the device's acknowledgement.
    pub fn ours(&self, number: Number) -> Result<u32, String> {
        match number {
            Number::Relative(offset) => Ok(self.isn.wrapping_add(offset as u32)),
            Number::Next(offset) => Ok(self.isn.wrapping_add((self.next + offset) as u32)),
            Number::Absolute(value) => Ok(value),
            _ => Err(format!("{number:?} does not count our bytes")),
        }
    }

    /// A number that counts the device's bytes, as we would acknowledge it now.
    pub fn of_device(&self, number: Number) -> Result<u32, String> {
        self.counted_by_device(number, self.end)
    }

    /// The number that the segment which just came should begin with.
    pub fn expected_of_device(&self, number: Number) -> Result<u32, String> {
        self.counted_by_device(number, self.end_before)
    }

    fn counted_by_device(&self, number: Number, end: u32) -> Result<u32, String> {
        let isn = || self.theirs.ok_or("the device's ISN is not known yet: write `=N`".to_owned());
        match number {
            Number::Relative(offset) => isn().map(|isn| isn.wrapping_add(offset as u32)),
            Number::End(offset) => isn().map(|_| end.wrapping_add(offset as u32)),
            Number::Absolute(value) => Ok(value),
            _ => Err(format!("{number:?} does not count the device's bytes")),
        }
    }

    /// Whether the device's initial number is as `Higher` or `Different` demand.
    pub fn unlike_before(&self, number: Number, isn: u32) -> Result<(), String> {
        let (old, end) = self.previous.ok_or("there was no connection before this one")?;
        match number {
            Number::Higher if (isn.wrapping_sub(end) as i32) < 0 => {
                Err(format!("ISN {isn} is not beyond the last connection's end {end} (RFC 9293 MAY-2)"))
            }
            Number::Different if isn == old => Err(format!("ISN {isn} a second time")),
            _ => Ok(()),
        }
    }

    /// Takes note of what we send: flags, options, and the first number (from `isn`) and length.
    pub fn sent(&mut self, flags: u8, options: &[Opt], first: i64, length: u32) {
        if flags & RST == 0 {
            let controls = i64::from(flags & SYN != 0) + i64::from(flags & FIN != 0);
            self.next = self.next.max(first + i64::from(length) + controls);
        }
        if flags & SYN != 0 && self.theirs.is_none() {
            self.offered = Offered {
                scale: options.iter().any(|option| matches!(option, Opt::WindowScale(_))),
                sack: options.contains(&Opt::SackPermitted),
                timestamps: options.iter().any(|option| matches!(option, Opt::Timestamps(..))),
            };
        }
    }

    /// Takes note of a segment from the device, and checks it against what was negotiated.
    pub fn received(&mut self, segment: &Received, role: Role) -> Result<(), String> {
        let options = &segment.options;
        if segment.flags & SYN != 0 {
            self.device_syn(segment)?;
        } else if segment.flags & RST == 0 && self.timestamps && options.timestamps.is_none() {
            return Err("timestamps were negotiated and are missing (RFC 7323 3.2)".into());
        } else if options.timestamps.is_some() && !self.offered.timestamps {
            return Err("timestamps that were not negotiated (RFC 7323 3.2)".into());
        }
        if options.sack.is_some() && !self.offered.sack {
            return Err("SACK blocks that were not negotiated (RFC 2018)".into());
        }
        if let Some((value, _)) = options.timestamps {
            self.timestamp = value;
        }
        if segment.flags & RST == 0 {
            let scale = if segment.flags & SYN != 0 { 0 } else { self.scale };
            self.window = u32::from(segment.window) << scale;
            self.acknowledged = segment.acknowledgement;
        }
        self.end_before = self.end;
        self.advance_end(segment);
        self.check_payload(segment, role)
    }

    fn device_syn(&mut self, segment: &Received) -> Result<(), String> {
        let options = &segment.options;
        if options.window_scale.is_some() && !self.offered.scale
            || options.sack_permitted && !self.offered.sack
            || options.timestamps.is_some() && !self.offered.timestamps
        {
            return Err("an option in answer to a SYN without it (RFC 7323 2.2, 3.2; RFC 2018 2)".into());
        }
        if self.theirs.is_none() {
            self.theirs = Some(segment.sequence);
            self.end = segment.sequence;
            self.scale = options.window_scale.unwrap_or(0);
            self.timestamps = options.timestamps.is_some();
        }
        Ok(())
    }

    fn advance_end(&mut self, segment: &Received) {
        let controls = u32::from(segment.flags & SYN != 0) + u32::from(segment.flags & FIN != 0);
        let after = segment.sequence.wrapping_add(segment.payload.len() as u32 + controls);
        if self.theirs.is_some() && segment.flags & RST == 0 && (after.wrapping_sub(self.end) as i32) > 0 {
            self.end = after;
        }
    }

    /// An echo is what we sent at the same place; a page begins like one.
    fn check_payload(&self, segment: &Received, role: Role) -> Result<(), String> {
        let Some(isn) = self.theirs.filter(|_| !segment.payload.is_empty()) else { return Ok(()) };
        let at = segment.sequence.wrapping_sub(isn);
        let wrong = match role {
            Role::Echo => segment.payload != payload(role, i64::from(at), segment.payload.len()),
            Role::Http if at == 1 => !segment.payload.starts_with(b"HTTP/1.1 200 "),
            Role::Http => false,
            _ => true,
        };
        if wrong {
            Err(format!("{} bytes of data that make no sense", segment.payload.len()))
        } else {
            Ok(())
        }
    }
}

/// What we send at a place of the stream (1 is the first byte). It depends on the place alone, so that
/// overlapping segments agree.
pub fn payload(role: Role, at: i64, length: usize) -> Vec<u8> {
    (at..at + length as i64)
        .map(|place| match role {
            Role::Http => REQUEST[(place - 1).rem_euclid(REQUEST.len() as i64) as usize],
            _ => b'!' + place.rem_euclid(89) as u8,
        })
        .collect()
}

/// The bytes of an option list, filled up with zeros to whole words.
pub fn encode(options: &[Opt], conversation: &Conversation) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for option in options {
        match option {
            Opt::End => bytes.push(0),
            Opt::NoOperation => bytes.push(1),
            Opt::Mss(value) => {
                bytes.extend([2, 4]);
                bytes.extend((number(*value, conversation)? as u16).to_be_bytes());
            }
            Opt::WindowScale(value) => bytes.extend([3, 3, number(*value, conversation)? as u8]),
            Opt::SackPermitted => bytes.extend([4, 2]),
            Opt::Timestamps(value, echo) => {
                bytes.extend([8, 10]);
                bytes.extend(number(*value, conversation)?.to_be_bytes());
                bytes.extend(number(*echo, conversation)?.to_be_bytes());
            }
            Opt::Sack(blocks) => {
                bytes.extend([5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    bytes.extend(conversation.of_device(Number::Relative(*left))?.to_be_bytes());
                    bytes.extend(conversation.of_device(Number::Relative(*right))?.to_be_bytes());
                }
            }
            Opt::Raw(raw) => bytes.extend(raw),
        }
    }
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(bytes)
}

fn number(value: Value, conversation: &Conversation) -> Result<u32, String> {
    match value {
        Value::Exactly(number) => Ok(number),
        Value::Theirs => Ok(conversation.timestamp),
        Value::Positive | Value::Any => Err("a packet that is sent has definite values".into()),
    }
}
