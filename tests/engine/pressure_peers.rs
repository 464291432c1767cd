//! Peers with many addresses: those that ask and take nothing, and honest ones.

use std::collections::{HashMap, VecDeque};

use handfast_stack::engine::simulation::{MakeHandler, Setup, Simulation};
use handfast_stack::service::Service;
use handfast_stack::wire::{
    Flags, FlowKey4, LinkHeader, Packet, ParseConfig, SegmentInfo, Seq, TcpOptions, TxSegment, parse,
    write_segment,
};

use crate::client::{CLIENT_MAC, SERVER_MAC, SERVER4};
use crate::frames::flags_of;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
/// Milliseconds between a segment's arrival at an honest client and that of its answer here.
const ROUND_TRIP: u32 = 20;
/// Milliseconds after which an honest client asks again, and after which it has failed.
const AGAIN: u32 = 300;
const GIVE_UP_MS: u32 = 5000;

/// What a peer does once it is connected and has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its window is closed, and it sends nothing more.
    Silent,
    /// Its window is closed, and it answers each probe.
    Probed,
    /// Its window is open, and it acknowledges nothing.
    Unacknowledged,
    /// It takes one byte each time.
    Tiny,
}

/// An address, a port, and the port that it calls.
type Ends = ([u8; 4], u16, u16);

#[derive(Clone, Copy)]
struct Honest {
    started: u32,
    asked: u32,
    seq: Seq,
    ack: Seq,
    open: bool,
}

/// Two listeners of the http service, 80 and 81, and the peers that call them.
pub struct Crowd {
    pub sim: Simulation,
    now: u32,
    wire: VecDeque<(u32, Vec<u8>)>,
    attackers: HashMap<Ends, (Kind, Seq)>,
    honest: HashMap<Ends, Honest>,
    /// When each began, and whether it was answered.
    outcomes: Vec<(u32, bool)>,
}

impl Crowd {
    pub fn new(send_buffers: u32) -> Crowd {
        let policy = ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() };
        let mut setup = Setup { policy, capacity: 32_768, frames: 4096, ..Setup::default() };
        setup.bounds.send_buffers = send_buffers;
        setup.config.persist_timeout_ms = 60_000;
        let user = |text: &str| {
            let make: MakeHandler = Box::new(|| Service::Http.user());
            (text.parse().unwrap(), make)
        };
        let sim = Simulation::new(setup, &[user("192.0.2.1:80"), user("192.0.2.1:81")]);
        let (attackers, honest) = (HashMap::new(), HashMap::new());
        Crowd { sim, now: 0, wire: VecDeque::new(), attackers, honest, outcomes: Vec::new() }
    }

    pub fn attack(&mut self, ends: Ends, kind: Kind) {
        self.attackers.insert(ends, (kind, Seq(0)));
        self.say(ends, "S", (Seq(7000), Seq(0)), window(kind), &[]);
    }

    pub fn call(&mut self, ends: Ends) {
        let now = self.now;
        let honest = Honest { started: now, asked: now, seq: Seq(100), ack: Seq(0), open: false };
        self.honest.insert(ends, honest);
        self.say(ends, "S", (honest.seq, honest.ack), 65_535, &[]);
    }

    /// A millisecond passes: what is on its way arrives, and is answered.
    pub fn tick(&mut self) {
        self.now += 1;
        while self.wire.front().is_some_and(|(due, _)| *due <= self.now) {
            let (_, frame) = self.wire.pop_front().unwrap();
            assert!(self.sim.inject(&frame), "no free frame");
        }
        self.sim.advance_ms(1);
        let mut heard = Vec::new();
        self.sim.collect_all(|frame| heard.extend(read(frame)));
        for (ends, info, payload) in heard {
            match self.honest.contains_key(&ends) {
                true => self.hears(ends, &info, payload),
                false => self.provokes(ends, &info, payload),
            }
        }
        self.ask_again();
    }

    /// Of the honest clients that began in this time: how many, and how many were answered.
    pub fn answered(&self, from: u32, to: u32) -> (usize, usize) {
        let began = self.outcomes.iter().filter(|(started, _)| (from..to).contains(started));
        let (all, answered): (Vec<bool>, Vec<()>) =
            (began.clone().map(|_| true).collect(), began.filter(|(_, done)| *done).map(|_| ()).collect());
        (all.len(), answered.len())
    }

    fn hears(&mut self, ends: Ends, info: &SegmentInfo, payload: u16) {
        let Some(honest) = self.honest.get_mut(&ends) else { return };
        if info.flags.has(Flags::RST) {
            let started = honest.started;
            self.honest.remove(&ends);
            return self.outcomes.push((started, false));
        }
        if info.flags.has(Flags::SYN) && !honest.open {
            (honest.open, honest.asked) = (true, self.now + ROUND_TRIP);
            (honest.seq, honest.ack) = (info.ack, info.seq + 1);
            let at = (honest.seq, honest.ack);
            return self.say(ends, "P.", at, 65_535, REQUEST);
        }
        if payload > 0 {
            let end = info.seq + info.seq_len();
            let started = honest.started;
            self.honest.remove(&ends);
            self.outcomes.push((started, true));
            self.say(ends, "F.", (info.ack, end), 65_535, &[]);
        }
    }

    fn provokes(&mut self, ends: Ends, info: &SegmentInfo, payload: u16) {
        let Some((kind, una)) = self.attackers.get_mut(&ends) else { return };
        let kind = *kind;
        if info.flags.has(Flags::RST) {
            self.attackers.remove(&ends);
        } else if info.flags.has(Flags::SYN) {
            *una = info.seq + 1;
            let at = (info.ack, *una);
            self.say(ends, "P.", at, window(kind), REQUEST);
        } else if kind == Kind::Probed && info.seq + 1 == *una {
            let at = (info.ack, *una);
            self.say(ends, ".", at, 0, &[]);
        } else if kind == Kind::Tiny && payload > 0 {
            *una = info.seq + u32::from(payload);
            let at = (info.ack, *una);
            self.say(ends, ".", at, 1, &[]);
        }
    }

    fn ask_again(&mut self) {
        let now = self.now;
        let gone = |(_, honest): &(&Ends, &Honest)| now.saturating_sub(honest.started) > GIVE_UP_MS;
        let gone: Vec<Ends> = self.honest.iter().filter(gone).map(|(ends, _)| *ends).collect();
        for ends in gone {
            let honest = self.honest.remove(&ends).unwrap();
            self.outcomes.push((honest.started, false));
        }
        let due = |honest: &Honest| honest.open && now.saturating_sub(honest.asked) >= AGAIN;
        let due: Vec<(Ends, Honest)> = self
            .honest
            .iter()
            .filter(|(_, honest)| due(honest))
            .map(|(ends, honest)| (*ends, *honest))
            .collect();
        for (ends, honest) in due {
            self.honest.get_mut(&ends).unwrap().asked = now;
            self.say(ends, "P.", (honest.seq, honest.ack), 65_535, REQUEST);
        }
    }

    fn say(&mut self, ends: Ends, flags: &str, at: (Seq, Seq), window: u16, payload: &[u8]) {
        let (local, local_port, remote_port) = ends;
        let key = FlowKey4 { remote: SERVER4, local, remote_port, local_port };
        let flags = flags_of(flags);
        let emit = TxSegment { seq: at.0, ack: at.1, flags, window, options: TcpOptions::default() };
        let mut frame = vec![0; 256];
        frame[..14].copy_from_slice(LinkHeader::untagged(SERVER_MAC, CLIENT_MAC, 0x0800).as_bytes());
        let len = write_segment(&mut frame, 14, &key, &emit, payload).expect("room for the segment");
        frame.truncate(len);
        self.wire.push_back((self.now + ROUND_TRIP, frame));
    }
}

fn window(kind: Kind) -> u16 {
    match kind {
        Kind::Silent | Kind::Probed => 0,
        Kind::Unacknowledged => 65_535,
        Kind::Tiny => 1,
    }
}

/// Whose a segment of the server is, and the bytes it carries.
fn read(frame: &[u8]) -> Option<(Ends, SegmentInfo, u16)> {
    let policy = ParseConfig { mac: Some(CLIENT_MAC), ..ParseConfig::default() };
    match parse(frame, &policy) {
        Ok(Packet::Tcp4(segment)) => {
            let key = segment.key;
            Some(((key.local, key.local_port, key.remote_port), segment.info, segment.info.payload_len))
        }
        _ => None,
    }
}
