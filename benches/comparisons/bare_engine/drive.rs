//! Runs the bare engine through the workloads of `handfast lab engine`: the same frames of the same connections in the
//! same order, with the same parts measured.

use std::ops::Range;
use std::time::Duration;

use handfast_stack::wire::{
    Flags, FlowKey4, Packet, ParseConfig, Segment, Seq, TcpOptions, Timestamps, TxSegment, parse,
    write_segment,
};

use crate::bare::{BATCH, Bare, Descriptor, Frame};
use crate::clock::{Clock, processor_time};
use crate::peer::{self, PeerStep};

/// Connections added before they are removed again.
pub const CHUNK: u32 = 1 << 15;
const STEP: u32 = BATCH as u32;

pub const SYN: PeerStep = PeerStep { flags: Flags::SYN, theirs: 0, acked: 0, answered: true };
pub const ACK: PeerStep = PeerStep { flags: Flags::ACK, theirs: 1, acked: 1, answered: false };
const RST: PeerStep = PeerStep { flags: Flags::RST, theirs: 1, acked: 0, answered: false };

pub struct Drive {
    bare: Bare,
    frames: Vec<Frame>,
    arrived: Vec<Descriptor>,
    sent: Vec<Descriptor>,
    ours: [Seq; BATCH],
    clock: Clock,
    spent: Duration,
    /// Whether each reply is checked completely, not only read for its ISN.
    checking: bool,
}

impl Drive {
    /// # Errors
    /// No random bytes for the secret.
    pub fn new(live: u32) -> Result<Drive, String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
        let secret = [0, 8, 16, 24].map(word);
        let listen: std::net::SocketAddrV4 = peer::OURS.parse().map_err(|error| format!("{error}"))?;
        Ok(Drive {
            bare: Bare::new(live + 2 * CHUNK, listen.ip().octets(), listen.port(), secret),
            frames: vec![[0; size_of::<Frame>()]; BATCH],
            arrived: Vec::with_capacity(BATCH),
            sent: Vec::with_capacity(BATCH),
            ours: [Seq(0); BATCH],
            clock: Clock::calibrated(),
            spent: Duration::ZERO,
            checking: false,
        })
    }

    /// Fills the table, goes through one chunk to check the engine and to warm up, and measures until
    /// `time` is spent: nanoseconds per connection.
    ///
    /// # Errors
    /// The engine's fault.
    pub fn measure(mut self, live: u32, steps: &[PeerStep], time: Duration) -> Result<f64, String> {
        for first in (0..live).step_by(BATCH) {
            self.take(first..first + STEP, &[SYN, ACK])?;
        }
        self.checking = true;
        self.damaged(live)?;
        self.other_options(live)?;
        self.chunk(live, steps, Duration::MAX)?;
        self.checking = false;
        self.spent = Duration::ZERO;
        let mut connections = 0;
        while self.spent < time {
            connections += self.chunk(live, steps, time)?;
        }
        Ok(self.spent.as_nanos() as f64 / f64::from(connections))
    }

    /// Runs this number of connections through some steps, for callgrind.
    ///
    /// # Errors
    /// The engine's fault.
    pub fn count(mut self, connections: u32, steps: &[PeerStep]) -> Result<(), String> {
        (0..connections).step_by(BATCH).try_for_each(|first| self.take(first..first + STEP, steps))
    }

    /// Adds connections, then removes them unmeasured. Returns their number.
    fn chunk(&mut self, first: u32, steps: &[PeerStep], time: Duration) -> Result<u32, String> {
        let mut next = first;
        while next - first < CHUNK && self.spent < time {
            self.take(next..next + STEP, steps)?;
            next += STEP;
        }
        let kept = self.spent;
        for from in (first..next).step_by(BATCH) {
            self.take(from..from + STEP, &[RST])?;
        }
        self.spent = kept;
        Ok(next - first)
    }

    fn take(&mut self, numbers: Range<u32>, steps: &[PeerStep]) -> Result<(), String> {
        for step in steps {
            self.write(numbers.clone(), step);
            let before = processor_time();
            self.bare.batch(&mut self.frames, &self.arrived, &mut self.sent);
            self.spent += self.clock.since(before);
            self.answers(&numbers, step)?;
        }
        Ok(())
    }

    fn write(&mut self, numbers: Range<u32>, step: &PeerStep) {
        self.arrived.clear();
        self.sent.clear();
        let mut written = [0; 128];
        for ((index, number), ours) in numbers.enumerate().zip(&self.ours) {
            let len = peer::write(&mut written, 0, number, step, *ours);
            self.frames[index][..len].copy_from_slice(&written[..len]);
            self.arrived.push(Descriptor { index: index as u32, len: len as u32 });
        }
    }

    fn answers(&mut self, numbers: &Range<u32>, step: &PeerStep) -> Result<(), String> {
        let expected = if step.answered { numbers.len() } else { 0 };
        if self.sent.len() != expected {
            let answers = self.sent.len();
            return Err(format!("{answers} answers instead of {expected} to {:?}", step.flags));
        }
        for (answer, ours) in self.sent.iter().zip(&mut self.ours) {
            let bytes = &self.frames[answer.index as usize][..answer.len as usize];
            *ours = peer::isn_of(bytes).ok_or("an answer without an ISN")?;
        }
        if self.checking { self.check(numbers, step) } else { Ok(()) }
    }

    /// Checks the replies with handfast's parser, and that acknowledged connections are established.
    fn check(&mut self, numbers: &Range<u32>, step: &PeerStep) -> Result<(), String> {
        let mut asked = [0; 128];
        for ((answer, number), ours) in self.sent.iter().zip(numbers.clone()).zip(&self.ours) {
            let len = peer::write(&mut asked, 0, number, step, *ours);
            let bytes = &self.frames[answer.index as usize][..answer.len as usize];
            if !is_syn_ack(bytes, &asked[..len]) {
                return Err(format!("not the SYN-ACK of connection {number}: {bytes:02x?}"));
            }
        }
        let Drive { bare, frames, arrived, .. } = self;
        let mut established = |at: &Descriptor| bare.is_established(&frames[at.index as usize], at);
        let acknowledged = step.flags == ACK.flags;
        if !step.answered && arrived.iter().any(|at| established(at) != acknowledged) {
            return Err(format!("a connection in the wrong state after {:?}", step.flags));
        }
        Ok(())
    }

    /// Frames with a changed byte must get no reply, and wrong acknowledgements must not establish.
    fn damaged(&mut self, free: u32) -> Result<(), String> {
        for at in 14..58 {
            self.write(free..free + STEP, &SYN);
            self.frames.iter_mut().for_each(|frame| frame[at] ^= 0x10);
            self.bare.batch(&mut self.frames, &self.arrived, &mut self.sent);
            if !self.sent.is_empty() {
                return Err(format!("a SYN with byte {at} changed got a reply"));
            }
        }
        self.take(free..free + STEP, &[SYN])?;
        for wrong in [PeerStep { acked: 2, ..ACK }, PeerStep { theirs: 2, ..ACK }] {
            self.write(free..free + STEP, &wrong);
            self.bare.batch(&mut self.frames, &self.arrived, &mut self.sent);
            if self.bare.is_established(&self.frames[0], &self.arrived[0]) {
                return Err("established by an ACK of something else".to_owned());
            }
        }
        self.take(free..free + STEP, &[ACK, RST])
    }

    /// SYNs without options, and with those of Linux, must get a reply too.
    fn other_options(&mut self, free: u32) -> Result<(), String> {
        let timestamps = Some(Timestamps { value: 1, echo: 0 });
        let kernels = TcpOptions::of_syn(Some(1400), Some(7), true, timestamps);
        for options in [TcpOptions::default(), kernels] {
            self.write(free..free + STEP, &SYN);
            let frame = &mut self.frames[0];
            let Ok(Packet::Tcp4(Segment { key, info, .. })) = parse(&frame[..58], &ParseConfig::default())
            else {
                return Err("the generator's SYN is none".to_owned());
            };
            let (remote, local) = (key.local, key.remote);
            let (remote_port, local_port) = (key.local_port, key.remote_port);
            let key = FlowKey4 { remote, local, remote_port, local_port };
            let emit = TxSegment { seq: info.seq, flags: info.flags, options, ..TxSegment::default() };
            let len = write_segment(frame, 14, &key, &emit, &[]).ok_or("a SYN that does not fit")?;
            let syn = *frame;
            let arrived = [Descriptor { index: 0, len: len as u32 }];
            self.bare.batch(&mut self.frames, &arrived, &mut self.sent);
            if self.sent.len() != 1 || !is_syn_ack(&self.frames[0][..58], &syn[..len]) {
                return Err(format!("not the SYN-ACK of a SYN with {options:?}"));
            }
            self.take(free..free + STEP, &[RST])?;
        }
        Ok(())
    }
}

/// Checks both checksums, the ends, the numbers and the option.
fn is_syn_ack(answer: &[u8], syn: &[u8]) -> bool {
    let policy = ParseConfig::default();
    let (Ok(Packet::Tcp4(answer)), Ok(Packet::Tcp4(syn))) = (parse(answer, &policy), parse(syn, &policy))
    else {
        return false;
    };
    let Segment { key, info, .. } = answer;
    (key.local, key.local_port) == (syn.key.remote, syn.key.remote_port)
        && (key.remote, key.remote_port) == (syn.key.local, syn.key.local_port)
        && info.flags == Flags::SYN.with(Flags::ACK)
        && info.ack == syn.info.seq + 1
        && info.options == TcpOptions { mss: Some(1460), ..TcpOptions::default() }
}
