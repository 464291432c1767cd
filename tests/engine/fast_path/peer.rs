//! A peer: it sends the next segment of the protocol, and sometimes another permitted one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use handfast_stack::wire::{Flags, FlowKey4, FlowKey6, Mac, SegmentInfo, Seq, TupleSecret};

use super::frame::Sent;
use super::random::Random;
use super::setting::{CLOSED_PORT, PORTS, Setting};
use crate::client::{SERVER4, SERVER6};
use crate::frames::flags_of;

/// Source addresses of frames: neighbours and routers.
pub const NEIGHBOURS: [Mac; 3] = [[2, 0, 0, 0, 0, 9], [2, 0, 0, 0, 0, 10], [0x52, 1, 2, 3, 4, 5]];

/// Of IPv4 addresses: the last two are broadcast addresses of subnets.
const LAST_BYTES: [u8; 14] = [9, 9, 9, 9, 10, 10, 10, 14, 14, 77, 77, 78, 15, 255];
/// Ports that may be closed.
const OTHER_PORTS: [u16; 4] = [PORTS[0], PORTS[1], PORTS[2], CLOSED_PORT];

/// Most often the first.
fn usual_neighbour(random: &mut Random) -> Mac {
    if random.percent(80) { NEIGHBOURS[0] } else { random.pick(&NEIGHBOURS) }
}

/// The options of a SYN, as kernels and tools write them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Style {
    None,
    Mss,
    Linux,
    Windows,
    Timestamps,
    MssSack,
    /// Every option in an unusual order, and an unknown one.
    Other,
}

const STYLES: [Style; 13] = [
    Style::Linux,
    Style::Linux,
    Style::Linux,
    Style::Linux,
    Style::Mss,
    Style::Mss,
    Style::Mss,
    Style::None,
    Style::None,
    Style::Windows,
    Style::Timestamps,
    Style::MssSack,
    Style::Other,
];

/// How far the peer has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Closed,
    SynSent,
    /// The SYN-ACK has come.
    Answered,
    Open,
    /// Its FIN is out.
    Closing,
    /// The last answer belongs to an old connection.
    Stray,
}

#[derive(Clone, Debug)]
pub struct Peer {
    remote: IpAddr,
    local: IpAddr,
    /// Remote, local.
    ports: [u16; 2],
    source: Mac,
    tags: Vec<[u16; 2]>,
    phase: Phase,
    style: Style,
    /// SND.NXT and RCV.NXT.
    seq: Seq,
    ack: Seq,
    window: u16,
    stamps: bool,
    /// Difference of the clocks, milliseconds.
    clock: u32,
    echo: u32,
    heard_fin: bool,
    /// The last acknowledgment of this batch.
    acknowledged: Option<Seq>,
    /// Segments since the last answer.
    unanswered: u32,
    /// An answer is due before it goes on.
    pub waits: bool,
    /// The last few that it sent.
    sent: Vec<Sent>,
}

/// The time, and the secret by which a peer predicts an ISN.
pub struct Moment<'a> {
    pub millis: u32,
    pub isn_tick: u32,
    pub secret: &'a TupleSecret,
}

impl Peer {
    pub fn new(number: usize, setting: &Setting, random: &mut Random) -> Peer {
        let server_port =
            if random.percent(90) { random.pick(&setting.rules).0 } else { random.pick(&OTHER_PORTS) };
        let (remote, local): (IpAddr, IpAddr) = if !random.percent(setting.ipv6) {
            let last = random.pick(&LAST_BYTES);
            (Ipv4Addr::new(192, 0, 2, last).into(), Ipv4Addr::from(SERVER4).into())
        } else {
            let last = random.pick(&[9, 10]);
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into(), SERVER6.into())
        };
        let tag = random.percent(10).then(|| [0x8100, random.pick(&[5, 0x6005])]);
        Peer {
            remote,
            local,
            ports: [4000 + 1000 * number as u16, server_port],
            source: usual_neighbour(random),
            tags: tag.into_iter().collect(),
            phase: Phase::Closed,
            style: Style::Linux,
            seq: Seq(random.next() as u32),
            ack: Seq(0),
            window: 0,
            stamps: false,
            clock: random.next() as u32,
            echo: 0,
            heard_fin: false,
            acknowledged: None,
            unanswered: 0,
            waits: false,
            sent: Vec::new(),
        }
    }

    pub fn ends(&self) -> (IpAddr, IpAddr, [u16; 2]) {
        (self.remote, self.local, self.ports)
    }

    /// The next segment.
    pub fn next(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        self.unanswered += 1;
        if random.percent(8) && !self.sent.is_empty() {
            return random.pick(&self.sent);
        }
        if random.percent(4) {
            self.source = usual_neighbour(random);
        }
        if random.percent(40) {
            self.window = random.pick(&[65_535, 65_535, 501, 1, 0, 29_200]);
        }
        let sent = match self.phase {
            Phase::Closed => self.open(random, moment),
            Phase::SynSent if random.percent(50) && !self.sent.is_empty() => {
                self.sent[self.sent.len() - 1].clone()
            }
            Phase::SynSent | Phase::Answered => self.complete(random, moment),
            Phase::Open => self.converse(random, moment),
            Phase::Closing => self.end(random, moment),
            Phase::Stray => {
                self.phase = Phase::SynSent;
                self.segment("R", 0, moment)
            }
        };
        if self.sent.len() >= 4 {
            self.sent.remove(0);
        }
        self.sent.push(sent.clone());
        sent
    }

    /// A SYN. The ISN that will answer it is known, as the secret is.
    fn open(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        if random.percent(40) {
            self.ports[0] += 1;
        }
        self.seq = if random.percent(80) { self.seq + 100_000 } else { Seq(random.next() as u32) };
        self.style = random.pick(&STYLES);
        self.stamps = self.style.has_timestamps();
        (self.phase, self.heard_fin, self.echo) = (Phase::SynSent, false, 0);
        self.waits = random.percent(70);
        let payload = if random.percent(3) { 5 } else { 0 };
        let mut sent = self.segment("S", payload, moment);
        sent.ack = Seq(0);
        sent.options = self.style.syn_options(random, self.value(moment));
        self.seq += 1;
        self.ack = Seq(moment.isn_tick) + self.isn_offset(moment.secret) + 1;
        sent
    }

    /// The end of the handshake.
    fn complete(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        self.phase = Phase::Open;
        match random.below(20) {
            0..16 => self.segment(".", 0, moment),
            16..18 => self.data(random, moment),
            18 => self.fin(random, moment),
            _ => self.reset(random, moment),
        }
    }

    fn converse(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        if self.heard_fin && random.percent(50) {
            return self.fin(random, moment);
        }
        match random.below(100) {
            0..38 => self.data(random, moment),
            38..60 => self.segment(random.pick(&[".", ".", "P."]), 0, moment),
            60..64 => self.at(self.seq - 1, ".", random.below(2), moment),
            64..68 => self.at(self.seq - (1 + random.below(10) as u32), "P.", 20, moment),
            68..71 => self.at(self.seq + 1 + random.below(2000) as u32, "P.", 20, moment),
            71 => self.at(self.seq, "S", 0, moment),
            72..75 => self.reset(random, moment),
            _ => self.fin(random, moment),
        }
    }

    fn end(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        if self.heard_fin && random.percent(85) {
            self.phase = Phase::Closed;
            return self.segment(".", 0, moment);
        }
        match random.below(10) {
            0..2 => {
                // The ACK of a FIN that it has not seen yet.
                self.phase = Phase::Closed;
                self.ack += 1;
                self.segment(".", 0, moment)
            }
            2..6 => self.at(self.seq - 1, "F.", 0, moment),
            6 => self.reset(random, moment),
            _ => self.segment(".", 0, moment),
        }
    }

    fn data(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        let len = random.pick(&[1, 2, 7, 100, 536, 999, 1200, 1400]);
        let mut sent = self.segment(random.pick(&["P.", "."]), len, moment);
        sent.payload[0] = random.next() as u8;
        self.seq += len as u32;
        self.waits = random.percent(50);
        sent
    }

    fn fin(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        let len = if random.percent(15) { 30 } else { 0 };
        let sent = self.segment("F.", len, moment);
        self.seq += len as u32 + 1;
        (self.phase, self.waits) = (Phase::Closing, true);
        sent
    }

    fn reset(&mut self, random: &mut Random, moment: &Moment<'_>) -> Sent {
        self.phase = Phase::Closed;
        self.segment(random.pick(&["R", "R."]), 0, moment)
    }

    fn segment(&self, flags: &str, len: usize, moment: &Moment<'_>) -> Sent {
        self.at(self.seq, flags, len, moment)
    }

    fn at(&self, seq: Seq, flags: &str, len: usize, moment: &Moment<'_>) -> Sent {
        let stamps =
            [&[1, 1, 8, 10], &self.value(moment).to_be_bytes()[..], &self.echo.to_be_bytes()].concat();
        Sent {
            tags: self.tags.clone(),
            seq,
            ack: self.ack,
            flags: flags_of(flags),
            window: self.window,
            options: if self.stamps { stamps } else { Vec::new() },
            payload: (0..len).map(|at| (at * 7) as u8).collect(),
            ..Sent::new(self.source, [self.remote, self.local], self.ports)
        }
    }

    fn value(&self, moment: &Moment<'_>) -> u32 {
        self.clock.wrapping_add(moment.millis)
    }

    fn isn_offset(&self, secret: &TupleSecret) -> u32 {
        let [remote_port, local_port] = self.ports;
        match (self.remote, self.local) {
            (IpAddr::V4(remote), IpAddr::V4(local)) => {
                let (remote, local) = (remote.octets(), local.octets());
                secret.prf(&FlowKey4 { remote, local, remote_port, local_port }).isn_offset
            }
            (IpAddr::V6(remote), IpAddr::V6(local)) => {
                let (remote, local) = (remote.octets(), local.octets());
                secret.prf(&FlowKey6 { remote, local, remote_port, local_port }).isn_offset
            }
            _ => 0,
        }
    }

    /// After a batch: goes back to the first sequence number without an ACK, or gives up.
    pub fn settle(&mut self) {
        self.waits = false;
        if self.unanswered > 6 {
            (self.phase, self.unanswered) = (Phase::Closed, 0);
            self.ports[0] += 7;
        }
        let Some(acknowledged) = self.acknowledged.take() else { return };
        if matches!(self.phase, Phase::Open | Phase::Closing) && acknowledged != self.seq {
            (self.phase, self.seq) = (Phase::Open, acknowledged);
        }
    }

    /// Takes note of an answer.
    pub fn hear(&mut self, info: &SegmentInfo) {
        let flags = info.flags;
        self.unanswered = 0;
        if flags.has(Flags::ACK) && !flags.has(Flags::RST) {
            self.acknowledged = Some(info.ack);
        }
        if let (true, Some(timestamps)) = (self.stamps, info.options.timestamps) {
            self.echo = timestamps.value;
        }
        if flags.has(Flags::RST) {
            self.phase = Phase::Closed;
        } else if flags.has(Flags::SYN) {
            self.ack = info.seq + 1;
            self.stamps &= info.options.timestamps.is_some();
            if self.phase == Phase::SynSent {
                self.phase = Phase::Answered;
            }
        } else if self.phase == Phase::SynSent {
            (self.phase, self.seq) = (Phase::Stray, info.ack);
        } else if info.seq == self.ack {
            self.ack += info.seq_len();
            self.heard_fin |= flags.has(Flags::FIN);
        }
    }
}

impl Style {
    fn has_timestamps(self) -> bool {
        matches!(self, Style::Linux | Style::Timestamps | Style::Other)
    }

    fn syn_options(self, random: &mut Random, value: u32) -> Vec<u8> {
        let mss = random.pick(&[1460u16, 1460, 1220, 65_535, 0, 10]).to_be_bytes();
        let mss = [2, 4, mss[0], mss[1]];
        let shift = random.pick(&[7, 8, 0, 14, 15, 255]);
        let stamps = [&[8, 10][..], &value.to_be_bytes(), &[0; 4]].concat();
        match self {
            Style::None => Vec::new(),
            Style::Mss => mss.to_vec(),
            Style::Linux => [&mss[..], &[4, 2], &stamps, &[1, 3, 3, shift]].concat(),
            Style::Windows => [&mss[..], &[1, 3, 3, shift, 1, 1, 4, 2]].concat(),
            Style::Timestamps => [&[1, 1][..], &stamps].concat(),
            Style::MssSack => [&mss[..], &[1, 1, 4, 2]].concat(),
            Style::Other => [&[3, 3, shift][..], &[4, 2], &mss, &[254, 3, 9], &stamps, &[0; 2]].concat(),
        }
    }
}
