//! Plays a script: sends its packets, and holds every answer against the next expectation.

use std::net::IpAddr;
use std::time::Duration;

use super::backend::Backend;
use super::compare::compare;
use super::conversation::{Conversation, Dice, encode, payload};
use super::frame::{Place, Segment, build};
use super::inspect::{Received, inspect};
use super::language::{Action, Script, Step, When};
use super::names::address;
use super::pattern::{ARROWS, Length, Modifier, Packet, Value, flag_letters, span};

/// No answer may be on its way when a script is over.
const QUIET_END: Duration = Duration::from_millis(40);
/// A failure shows this many packets before it.
const TRACE_LINES: usize = 40;

/// Plays `script` against the device behind `backend`. The error has the line, what was wrong, and
/// every packet that went before.
pub fn play(script: &Script, place: &Place, backend: &mut dyn Backend) -> Result<(), String> {
    let mut dice = Dice::new(&format!("{}/{:?}/{:?}", script.name, script.family, script.setup));
    let conversation = Conversation::new(&mut dice);
    let started = backend.now();
    let mut runner = Runner {
        script,
        place,
        backend,
        dice,
        conversation,
        held: None,
        arrived: started,
        last: started,
        last_wait: Duration::ZERO,
        spoofed: Vec::new(),
        trace: Vec::new(),
        started,
    };
    runner.play()
}

/// One script being played.
pub(super) struct Runner<'a> {
    pub(super) script: &'a Script,
    pub(super) place: &'a Place,
    pub(super) backend: &'a mut dyn Backend,
    dice: Dice,
    pub(super) conversation: Conversation,
    /// A packet that came instead of one that may be missing, or too late, and when it came.
    held: Option<(Received, Duration)>,
    /// When the segment that is looked at came.
    arrived: Duration,
    /// When the last packet was sent or came, or a silence ended.
    pub(super) last: Duration,
    last_wait: Duration,
    /// Addresses we sent from that are not ours: nothing may come back to them.
    spoofed: Vec<IpAddr>,
    /// When, what, and how many times in a row.
    trace: Vec<(f64, String, u32)>,
    started: Duration,
}

impl Runner<'_> {
    fn play(&mut self) -> Result<(), String> {
        while self.backend.receive(Duration::ZERO).is_some() {}
        self.last = self.backend.now();
        let script = self.script;
        for step in &script.steps {
            self.step(step)
                .map_err(|error| self.failure(&format!("line {}: {}", step.line, step.text), &error))?;
        }
        self.nothing(QUIET_END).map_err(|error| self.failure("after the last line", &error))?;
        self.clean_up().map_err(|error| self.failure("cleaning up", &error))
    }

    fn failure(&self, place: &str, error: &str) -> String {
        let mut text = format!("{} ({:?}): {place}\n    {error}\n", self.script.name, self.script.family);
        for (at, line, count) in self.trace.iter().rev().take(TRACE_LINES).rev() {
            let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            text += &format!("      {at:8.3} {line}{times}\n");
        }
        text
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.action {
            Action::Connect { options, window } => self.connect(options, *window),
            Action::Send(packet) => self.send(packet),
            Action::Expect { choices, or_nothing, when } => self.expect(choices, *or_nothing, *when),
            Action::Maybe { choice, within } => self.maybe(choice, *within),
            Action::Times { at_least, at_most, choice, span } => {
                self.times(*at_least, *at_most, choice, *span)
            }
            Action::Nothing(span) => self.nothing(*span),
            Action::Anything(span) => {
                self.held = None;
                let deadline = self.last + *span;
                while self.next_segment(deadline)?.is_some() {}
                self.last = deadline;
                Ok(())
            }
            Action::Fill { size } => self.fill(*size),
            Action::IcmpError { kind, code, quoted } => self.icmp_error(*kind, *code, *quoted),
            Action::Fresh => {
                self.clean_up()?;
                self.held = None;
                self.conversation = self.conversation.fresh(&mut self.dice);
                Ok(())
            }
            Action::Again(beyond) => {
                self.conversation = self.conversation.again(*beyond, &mut self.dice);
                Ok(())
            }
        }
    }

    pub(super) fn send(&mut self, packet: &Packet) -> Result<(), String> {
        let Length::Exactly(length) = packet.length else { return Err("the length must be known".into()) };
        let sequence = self.conversation.ours(packet.sequence)?;
        let first = i64::from(sequence.wrapping_sub(self.conversation.isn) as i32);
        let window = match packet.window {
            Some(Value::Exactly(window)) => window as u16,
            _ => u16::MAX,
        };
        let mut segment = Segment {
            source: (self.place.client, self.conversation.port),
            destination: (self.place.device, self.script.role.port()),
            sequence,
            acknowledgement: packet.acknowledgement.map_or(Ok(0), |ack| self.conversation.of_device(ack))?,
            flags: packet.flags,
            window,
            urgent: packet.urgent,
            options: encode(packet.options.as_deref().unwrap_or_default(), &self.conversation)?,
            payload: payload(self.script.role, first, length as usize),
        };
        let copies = self.readdress(&mut segment, &packet.modifiers)?;
        self.note("<", &self.describe_sent(&segment, packet));
        for copy in 0..copies.0.max(copies.1) {
            if copies.1 > 1 {
                segment.source.1 = 20_000 + (self.conversation.port - 20_000 + copy as u16) % 40_000;
            }
            // Before it is sent: what it is answered cannot come earlier.
            self.last = self.backend.now();
            self.backend.send(&build(self.place, &segment, &packet.modifiers));
        }
        if !packet.modifiers.contains(&Modifier::Aside) {
            self.conversation.sent(
                packet.flags,
                packet.options.as_deref().unwrap_or_default(),
                first,
                length,
            );
        }
        Ok(())
    }

    /// Applies addresses and ports that differ; returns how many copies and how many source ports.
    fn readdress(&mut self, segment: &mut Segment, modifiers: &[Modifier]) -> Result<(u32, u32), String> {
        let mut copies = (1, 1);
        for modifier in modifiers {
            match modifier {
                Modifier::Source(name) => {
                    segment.source.0 = address(name, self.place)?;
                    self.spoofed.push(segment.source.0);
                }
                Modifier::Destination(name) => segment.destination.0 = address(name, self.place)?,
                Modifier::SourcePort(port) => segment.source.1 = *port,
                Modifier::DestinationPort(port) => segment.destination.1 = *port,
                Modifier::Copies(count) => copies.0 = *count,
                Modifier::Sources(count) => copies.1 = *count,
                _ => {}
            }
        }
        Ok(copies)
    }

    pub(super) fn expect(&mut self, choices: &[Packet], or_nothing: bool, when: When) -> Result<(), String> {
        let (earliest, latest) = match when {
            When::Between(earliest, latest) => (earliest, latest),
            When::BackedOff => (self.last_wait.mul_f64(1.5), self.last_wait.mul_f64(3.0)),
        };
        let before = self.last;
        let Some(got) = self.next_segment(before + latest)? else {
            return if or_nothing { Ok(()) } else { Err(format!("no answer in {latest:?}; {ARROWS}")) };
        };
        let wait = self.arrived.saturating_sub(before);
        if wait < earliest {
            return Err(format!("came after {wait:?}, too early: {}", self.describe(&got)));
        }
        let mut differences = Vec::new();
        for choice in choices {
            match compare(&got, choice, &self.conversation) {
                Ok(()) => {
                    self.last_wait = wait;
                    self.last = self.arrived;
                    return Ok(());
                }
                Err(difference) => differences.push(difference),
            }
        }
        Err(format!("{}: {}", differences.join("; or "), self.describe(&got)))
    }

    fn maybe(&mut self, choice: &Packet, within: Duration) -> Result<(), String> {
        let Some(got) = self.next_segment(self.last + within)? else { return Ok(()) };
        match compare(&got, choice, &self.conversation) {
            Ok(()) => self.last = self.arrived,
            Err(_) => self.held = Some((got, self.arrived)),
        }
        Ok(())
    }

    fn times(&mut self, at_least: u32, at_most: u32, choice: &Packet, span: Duration) -> Result<(), String> {
        let deadline = self.last + span;
        let mut count = 0;
        while let Some(got) = self.next_segment(deadline)? {
            compare(&got, choice, &self.conversation)
                .map_err(|difference| format!("{difference}: {}", self.describe(&got)))?;
            count += 1;
        }
        self.last = deadline;
        if (at_least..=at_most).contains(&count) { Ok(()) } else { Err(format!("{count} came")) }
    }

    fn nothing(&mut self, span: Duration) -> Result<(), String> {
        let deadline = self.last + span;
        if let Some(got) = self.next_segment(deadline)? {
            return Err(format!("nothing was expected: {}", self.describe(&got)));
        }
        self.last = deadline;
        Ok(())
    }

    /// The next segment that is for this script; `None` if none came before the deadline.
    pub(super) fn next_segment(&mut self, deadline: Duration) -> Result<Option<Received>, String> {
        if let Some((got, arrived)) = self.held.take() {
            return Ok(self.in_time(got, arrived, deadline));
        }
        while let Some(frame) = self.backend.receive(deadline.saturating_sub(self.backend.now())) {
            let Some(tcp) = inspect(&frame, self.place) else { continue };
            let to_us = tcp.ports.1 == self.conversation.port;
            if self.spoofed.contains(&tcp.destination) && to_us {
                return Err(format!("an answer went to {}", tcp.destination));
            }
            let from_port = tcp.ports.0 == self.script.role.port();
            if (tcp.source, tcp.destination) != (self.place.device, self.place.client)
                || !(to_us && from_port)
            {
                continue;
            }
            let got = tcp.segment?;
            self.conversation.received(&got, self.script.role)?;
            self.note(">", &self.describe(&got));
            return Ok(self.in_time(got, self.backend.arrived(), deadline));
        }
        Ok(None)
    }

    /// A late look finds more than had come by the deadline: that is kept for what follows.
    fn in_time(&mut self, got: Received, arrived: Duration, deadline: Duration) -> Option<Received> {
        if arrived > deadline {
            self.held = Some((got, arrived));
            return None;
        }
        self.arrived = arrived;
        Some(got)
    }

    pub(super) fn note(&mut self, direction: &str, text: &str) {
        let at = self.backend.now().saturating_sub(self.started).as_secs_f64();
        let line = format!("{direction} {text}");
        match self.trace.last_mut() {
            Some((_, last, count)) if *last == line => *count += 1,
            _ => self.trace.push((at, line, 1)),
        }
    }

    fn describe(&self, got: &Received) -> String {
        let sequence = got.sequence.wrapping_sub(self.conversation.theirs.unwrap_or(0));
        let ack = got.acknowledgement.wrapping_sub(self.conversation.isn);
        format!(
            "{} {} ack {ack} win {} {}",
            flag_letters(got.flags),
            span(sequence.into(), got.payload.len()),
            got.window,
            got.options
        )
    }

    fn describe_sent(&self, segment: &Segment, packet: &Packet) -> String {
        let sequence = segment.sequence.wrapping_sub(self.conversation.isn);
        format!(
            "{} {} {:?}",
            flag_letters(packet.flags),
            span(sequence.into(), segment.payload.len()),
            packet.modifiers
        )
    }
}
