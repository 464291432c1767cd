//! The other end of the wire: frames built and read from the client's point of view.

use std::collections::VecDeque;
use std::net::Ipv6Addr;

use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::observe::{CLOSED, Closed, DROP_REASONS, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::Time;
use handfast_stack::wire::{Mac, ParseConfig, SegmentInfo, Seq, TcpOptions, Timestamps, TxSegment};

use crate::frames::{build, flags_of, read};

pub const SERVER_MAC: Mac = [2, 0, 0, 0, 0, 1];
pub const CLIENT_MAC: Mac = [2, 0, 0, 0, 0, 9];
pub const SERVER4: [u8; 4] = [192, 0, 2, 1];
pub const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// A segment that came back, and when.
#[derive(Clone, Debug)]
pub struct Reply {
    pub at_ms: u64,
    pub family: Family,
    /// The client's port.
    pub port: u16,
    pub info: SegmentInfo,
    pub payload: Vec<u8>,
}

/// Cores that serve one port (80) with one service, and what they have sent.
pub struct Lab {
    pub sim: Simulation,
    replies: VecDeque<Reply>,
    start_ms: u64,
}

impl Lab {
    pub fn new(service: Service) -> Lab {
        Lab::with(service, |_| {})
    }

    pub fn with(service: Service, change: impl FnOnce(&mut Setup)) -> Lab {
        let policy = ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() };
        let mut setup = Setup { policy, capacity: 64, ..Setup::default() };
        setup.bounds.send_buffers = 64;
        change(&mut setup);
        let start_ms = setup.start.micros / 1000;
        let user = |text: &str| {
            let make: Box<dyn Fn() -> Box<dyn handfast_stack::tcp::ConnectionHandler>> =
                Box::new(move || service.user());
            (text.parse().unwrap(), make)
        };
        let services = [user("192.0.2.1:80"), user("[2001:db8::1]:80")];
        Lab { sim: Simulation::new(setup, &services), replies: VecDeque::new(), start_ms }
    }

    /// Around a simulation made elsewhere, which starts at this time.
    pub fn around(sim: Simulation, start: Time) -> Lab {
        Lab { sim, replies: VecDeque::new(), start_ms: start.micros / 1000 }
    }

    /// One frame arrives at core 0, and every core works until nothing is left to do.
    pub fn send(&mut self, frame: &[u8]) {
        self.batch(&[frame.to_vec()]);
    }

    /// Frames arrive together.
    pub fn batch(&mut self, frames: &[Vec<u8>]) {
        for frame in frames {
            assert!(self.sim.inject(frame), "no free frame");
        }
        self.run();
    }

    pub fn run(&mut self) {
        self.sim.run();
        self.collect();
    }

    /// Time passes; what is sent meanwhile is noted with its time.
    pub fn wait(&mut self, millis: u32) {
        let mut left = millis;
        while left > 0 {
            let step = self.sim.idle_ms(left).clamp(1, left);
            self.sim.advance_ms(step);
            self.collect();
            left -= step;
        }
    }

    fn collect(&mut self) {
        while let Some(frame) = self.sim.collect() {
            let reply = read(&frame).unwrap_or_else(|| panic!("not a segment: {frame:02x?}"));
            self.replies.push_back(Reply { at_ms: self.now_ms(), ..reply });
        }
    }

    /// Everything that was sent and not yet looked at; `None` where it is no segment.
    pub fn replies_or_others(&mut self) -> Vec<Option<Reply>> {
        std::iter::from_fn(|| self.sim.collect()).map(|frame| read(&frame)).collect()
    }

    /// Since the start.
    pub fn now_ms(&self) -> u64 {
        self.sim.now().micros / 1000 - self.start_ms
    }

    pub fn reply(&mut self) -> Option<Reply> {
        self.replies.pop_front()
    }

    /// The one segment that came back.
    #[track_caller]
    pub fn expect(&mut self, flags: &str) -> Reply {
        let reply = self.reply().unwrap_or_else(|| panic!("{flags} expected, silence"));
        assert_eq!(format!("{:?}", reply.info.flags), flags, "{reply:?}");
        reply
    }

    #[track_caller]
    pub fn silent(&mut self) {
        assert!(self.replies.is_empty(), "silence expected: {:?}", self.replies);
    }

    pub fn all(&mut self) -> Vec<Reply> {
        self.replies.drain(..).collect()
    }

    /// Over all cores `0..cores`.
    pub fn closed(&self, how: Closed) -> u64 {
        self.sim.counters(0).closed[how as usize].value()
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.sim.counters(0).drops[reason as usize].value()
    }

    /// Exactly these connections have ended on core 0, in these ways.
    #[track_caller]
    pub fn assert_closed(&self, expected: &[(Closed, u64)]) {
        for how in CLOSED {
            let name = how.name();
            let wanted = expected.iter().find(|(which, _)| *which == how).map_or(0, |(_, count)| *count);
            assert_eq!(self.closed(how), wanted, "connections closed: {name}");
        }
    }

    /// Exactly these frames have been dropped on core 0, for these reasons.
    #[track_caller]
    pub fn assert_dropped(&self, expected: &[(DropReason, u64)]) {
        for reason in DROP_REASONS {
            let wanted = expected.iter().find(|(which, _)| *which == reason).map_or(0, |(_, count)| *count);
            assert_eq!(self.dropped(reason), wanted, "frames dropped: {}", reason.name());
        }
    }

    /// Nothing is left: no connection, no frame, no unread segment.
    #[track_caller]
    pub fn over(&mut self) {
        self.silent();
        assert_eq!(self.sim.connections(), 0, "connections left");
        assert_eq!(self.sim.hop_users(), 0, "link headers in use without a connection");
        self.sound();
    }

    #[track_caller]
    pub fn sound(&self) {
        assert_eq!(self.sim.lost_frames(), 0, "frames lost");
    }
}

/// A client's view of one connection. Its fields are what the next segment carries.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub family: Family,
    pub port: u16,
    pub seq: Seq,
    pub ack: Seq,
    pub window: u16,
    pub timestamps: Option<Timestamps>,
}

/// Shortly before the wrap, so that every conversation crosses it.
pub const CLIENT_ISN: Seq = Seq(0xffff_fffd);

impl Client {
    pub fn new(family: Family, port: u16) -> Client {
        Client { family, port, seq: CLIENT_ISN, ack: Seq(0), window: 65_535, timestamps: None }
    }

    /// A frame with these flags, at the client's place in both directions.
    pub fn segment(&self, flags: &str, payload: &[u8]) -> Vec<u8> {
        self.with_options(flags, payload, TcpOptions { timestamps: self.timestamps, ..TcpOptions::default() })
    }

    pub fn syn(&self) -> Vec<u8> {
        self.syn_with(TcpOptions { mss: Some(1460), timestamps: self.timestamps, ..TcpOptions::default() })
    }

    pub fn syn_with(&self, options: TcpOptions) -> Vec<u8> {
        self.with_options("S", &[], options)
    }

    pub fn with_options(&self, flags: &str, payload: &[u8], options: TcpOptions) -> Vec<u8> {
        let flags = flags_of(flags);
        let emit = TxSegment { seq: self.seq, ack: self.ack, flags, window: self.window, options };
        build(self.family, self.port, 80, &emit, payload)
    }

    /// SYN, SYN-ACK, ACK.
    #[track_caller]
    pub fn open(family: Family, port: u16, lab: &mut Lab) -> Client {
        let mut client = Client::new(family, port);
        client.handshake(lab, TcpOptions { mss: Some(1460), ..TcpOptions::default() });
        client
    }

    /// As [`Client::open`], from this client's place and with these options; the SYN-ACK.
    #[track_caller]
    pub fn handshake(&mut self, lab: &mut Lab, options: TcpOptions) -> Reply {
        lab.send(&self.syn_with(options));
        let answer = lab.expect("S.");
        assert_eq!(answer.info.ack, self.seq + 1);
        self.seq += 1;
        self.ack = answer.info.seq + 1;
        self.timestamps = options
            .timestamps
            .zip(answer.info.options.timestamps)
            .map(|(ours, theirs)| Timestamps { value: ours.value, echo: theirs.value });
        lab.send(&self.segment(".", &[]));
        answer
    }

    /// Data, and the next place.
    pub fn say(&mut self, payload: &[u8]) -> Vec<u8> {
        let frame = self.segment("P.", payload);
        self.seq += payload.len() as u32;
        frame
    }

    /// Takes note of what a reply carries.
    pub fn hear(&mut self, reply: &Reply) {
        self.ack = reply.info.seq + reply.info.seq_len();
    }

    /// RST at the exact place.
    pub fn abort(&self, lab: &mut Lab) {
        lab.send(&self.segment("R.", &[]));
    }

    /// The peer-first close of an idle connection whose service closes in turn.
    #[track_caller]
    pub fn close(&mut self, lab: &mut Lab) {
        lab.send(&self.segment("F.", &[]));
        self.seq += 1;
        let fin = lab.expect("F.");
        assert_eq!(fin.info.ack, self.seq);
        self.hear(&fin);
        lab.send(&self.segment(".", &[]));
        lab.silent();
    }
}
