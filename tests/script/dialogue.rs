//! Steps of one word: opening a connection, filling a window, cleaning up.

use std::time::Duration;

use super::frame::{Segment, icmp_error};
use super::language::When;
use super::number::Number;
use super::pattern::{ACK, Length, Opt, PSH, Packet, RST, SYN, Value};
use super::runner::Runner;

const HANDSHAKE: Duration = Duration::from_millis(600);
/// How long a device may take to open its window again before it counts as closed.
const REOPEN_TIMEOUT: Duration = Duration::from_millis(400);
/// Bytes after which a window is taken to have no end.
const ENDLESS: u64 = 8 << 20;

impl Runner<'_> {
    /// SYN, SYN-ACK, ACK. Timestamps, if offered, go on from the one in the list.
    pub(super) fn connect(&mut self, options: &[Opt], window: u16) -> Result<(), String> {
        let packet = |flags, sequence, acknowledgement: Option<i64>, options: Option<Vec<Opt>>| Packet {
            flags,
            sequence: Number::Relative(sequence),
            length: Length::Exactly(0),
            acknowledgement: acknowledgement.map(Number::Relative),
            window: Some(Value::Exactly(u32::from(window))),
            urgent: 0,
            options,
            modifiers: Vec::new(),
        };
        self.send(&packet(SYN, 0, None, Some(options.to_vec())))?;
        let mut answer = packet(SYN | ACK, 0, Some(1), None);
        answer.window = None;
        self.expect(&[answer], false, When::Between(Duration::ZERO, HANDSHAKE))?;
        let stamp = options.iter().find_map(|option| match option {
            Opt::Timestamps(value, _) => Some(vec![Opt::Timestamps(*value, Value::Theirs)]),
            _ => None,
        });
        self.send(&packet(ACK, 1, Some(1), stamp))
    }

    /// Sends data as long as the device makes room.
    pub(super) fn fill(&mut self, size: u32) -> Result<(), String> {
        let piece = |length: u32| Packet {
            flags: ACK | PSH,
            sequence: Number::Next(0),
            length: Length::Exactly(length),
            acknowledgement: Some(Number::Relative(1)),
            window: None,
            urgent: 0,
            options: None,
            modifiers: Vec::new(),
        };
        let mut sent: u64 = 0;
        while sent < ENDLESS {
            let edge = self.conversation.acknowledged.wrapping_add(self.conversation.window);
            let room = edge.wrapping_sub(self.conversation.ours(Number::Next(0))?) as i32;
            if room > 0 {
                self.send(&piece(size.min(room as u32)))?;
                sent += u64::from(size);
                self.next_segment(self.backend.now())?;
            } else if self.next_segment(self.backend.now() + REOPEN_TIMEOUT)?.is_none() {
                let all = self.conversation.acknowledged == self.conversation.ours(Number::Next(0))?;
                self.last = self.backend.now();
                return if all && self.conversation.window == 0 {
                    Ok(())
                } else {
                    Err("the window is neither open nor closed".into())
                };
            }
        }
        Err(format!("the window is still open after {sent} bytes"))
    }

    /// Cleans up: resets the connection in whatever state it is.
    pub(super) fn clean_up(&mut self) -> Result<(), String> {
        if self.conversation.theirs.is_none() {
            return Ok(());
        }
        self.send(&Packet {
            flags: RST | ACK,
            sequence: Number::Next(0),
            length: Length::Exactly(0),
            acknowledgement: Some(Number::End(0)),
            window: None,
            urgent: 0,
            options: None,
            modifiers: Vec::new(),
        })
    }

    /// Says that a segment of the device did not arrive.
    pub(super) fn icmp_error(&mut self, kind: u8, code: u8, quoted: Number) -> Result<(), String> {
        let segment = Segment {
            source: (self.place.device, self.script.role.port()),
            destination: (self.place.client, self.conversation.port),
            sequence: self.conversation.of_device(quoted)?,
            acknowledgement: self.conversation.ours(Number::Next(0))?,
            flags: ACK,
            window: 0,
            urgent: 0,
            options: Vec::new(),
            payload: Vec::new(),
        };
        self.note("<", &format!("ICMP type {kind} code {code}"));
        self.last = self.backend.now();
        self.backend.send(&icmp_error(self.place, kind, code, &segment));
        Ok(())
    }
}
