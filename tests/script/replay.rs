//! A recording of a device, played back with a fault in it: a script that still passes proves nothing.

use std::time::Duration;

use super::backend::Backend;
use super::frame::{Place, sum_words, tcp_checksum};
use super::inspect::inspect;
use super::pattern::{ACK, RST};

/// A frame from the device: after which of our frames it came, how long after, and its bytes.
#[derive(Clone, Debug)]
struct Answer {
    after: usize,
    delay: Duration,
    frame: Vec<u8>,
}

/// What a device answered to a script.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    answers: Vec<Answer>,
    /// How many frames we sent.
    sent: usize,
}

/// Passes everything on to a backend and writes down the answers.
pub struct Recorder<'a> {
    inner: &'a mut dyn Backend,
    place: Place,
    last_send: Duration,
    pub recording: Recording,
}

impl<'a> Recorder<'a> {
    pub fn new(inner: &'a mut dyn Backend, place: &Place) -> Self {
        Self { last_send: inner.now(), inner, place: place.clone(), recording: Recording::default() }
    }
}

impl Backend for Recorder<'_> {
    fn send(&mut self, frame: &[u8]) {
        self.last_send = self.inner.now();
        self.inner.send(frame);
        self.recording.sent += 1;
    }

    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        let frame = self.inner.receive(timeout)?;
        if inspect(&frame, &self.place).is_some_and(|tcp| tcp.destination == self.place.client) {
            let delay = self.inner.arrived().saturating_sub(self.last_send);
            self.recording.answers.push(Answer { after: self.recording.sent, delay, frame: frame.clone() });
        }
        Some(frame)
    }

    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn arrived(&self) -> Duration {
        self.inner.arrived()
    }
}

/// What a broken device does to one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    Silence,
    Twice,
    Sequence,
    Acknowledgement,
    Reset,
    NoAck,
    TcpChecksum,
    IpLength,
    Reserved,
    HopLimit,
}

impl Fault {
    pub const ALL: [Fault; 10] = [
        Fault::Silence,
        Fault::Twice,
        Fault::Sequence,
        Fault::Acknowledgement,
        Fault::Reset,
        Fault::NoAck,
        Fault::TcpChecksum,
        Fault::IpLength,
        Fault::Reserved,
        Fault::HopLimit,
    ];

    /// What becomes of a frame; its checksums are put right again unless they are the fault.
    fn apply(self, frame: &mut [u8]) {
        let v4 = frame[12..14] == [0x08, 0x00];
        let (ip, tcp) = if v4 { (14, 34) } else { (14, 54) };
        match self {
            Fault::Silence | Fault::Twice => {}
            Fault::Sequence => frame[tcp + 7] ^= 1,
            Fault::Acknowledgement => frame[tcp + 11] ^= 1,
            Fault::Reset => frame[tcp + 13] ^= RST,
            Fault::NoAck => frame[tcp + 13] ^= ACK,
            Fault::TcpChecksum => return frame[tcp + 17] ^= 0x10,
            Fault::IpLength => frame[ip + if v4 { 3 } else { 5 }] ^= 1,
            Fault::Reserved => frame[tcp + 12] |= 4,
            Fault::HopLimit => frame[ip + if v4 { 8 } else { 7 }] = 1,
        }
        restore_checksums(frame);
    }
}

fn restore_checksums(frame: &mut [u8]) {
    let v4 = frame[12..14] == [0x08, 0x00];
    let tcp = if v4 { 34 } else { 54 };
    let addresses = if v4 {
        frame[24..26].fill(0);
        let sum = !sum_words(&[&frame[14..34]]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        let address = |at: usize| std::net::IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).expect("4"));
        (address(26), address(30))
    } else {
        let address =
            |at: usize| std::net::IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).expect("16"));
        (address(22), address(38))
    };
    frame[tcp + 16..tcp + 18].fill(0);
    let sum = tcp_checksum(addresses.0, addresses.1, &frame[tcp..]);
    frame[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
}

impl Recording {
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    pub fn sent(&self) -> usize {
        self.sent
    }

    /// The recording with one answer disturbed.
    pub fn with_fault(&self, index: usize, fault: Fault) -> Self {
        let mut disturbed = self.clone();
        match fault {
            Fault::Silence => drop(disturbed.answers.remove(index)),
            Fault::Twice => disturbed.answers.insert(index, self.answers[index].clone()),
            _ => fault.apply(&mut disturbed.answers[index].frame),
        }
        disturbed
    }

    pub fn replay(&self) -> Replay<'_> {
        Replay {
            recording: self,
            next: 0,
            sent: 0,
            last_send: Duration::ZERO,
            now: Duration::ZERO,
            intrusion: None,
        }
    }

    /// A device that answers our frame number `after` with a RST in addition.
    pub fn replay_with_intruder(&self, after: usize) -> Replay<'_> {
        Replay { intrusion: Some(Intrusion::After(after)), ..self.replay() }
    }
}

enum Intrusion {
    After(usize),
    Frame(Vec<u8>),
}

/// Plays a recording. Its clock jumps to the next answer: each comes as long after our frame as it did.
pub struct Replay<'a> {
    recording: &'a Recording,
    next: usize,
    sent: usize,
    last_send: Duration,
    now: Duration,
    intrusion: Option<Intrusion>,
}

impl Backend for Replay<'_> {
    fn send(&mut self, frame: &[u8]) {
        self.sent += 1;
        self.last_send = self.now;
        if matches!(self.intrusion, Some(Intrusion::After(after)) if after == self.sent) {
            self.intrusion = turned_back(frame).map(Intrusion::Frame);
        }
    }

    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        if let Some(Intrusion::Frame(frame)) = self.intrusion.take_if(|i| matches!(i, Intrusion::Frame(_))) {
            return Some(frame);
        }
        let deadline = self.now + timeout;
        let due = self.recording.answers.get(self.next).filter(|answer| answer.after <= self.sent);
        // One that belongs to an earlier frame of ours was missed until now: it is here already.
        let due =
            due.map(|a| (if a.after == self.sent { self.last_send + a.delay } else { self.now }, &a.frame));
        match due {
            Some((at, frame)) if at <= deadline => {
                self.now = self.now.max(at);
                self.next += 1;
                Some(frame.clone())
            }
            _ => {
                self.now = deadline;
                None
            }
        }
    }

    fn now(&self) -> Duration {
        self.now
    }
}

/// A RST that answers a frame: both ends change places.
fn turned_back(frame: &[u8]) -> Option<Vec<u8>> {
    let v4 = frame.get(12..14)? == [0x08, 0x00];
    let (ip, width, addresses) = if v4 { (20, 4, 26) } else { (40, 16, 22) };
    let tcp = if v4 { 14 + usize::from(frame.get(14)? & 0x0f).max(5) * 4 } else { 54 };
    let mut back = frame.get(..14 + ip)?.to_vec();
    back.extend(frame.get(tcp..tcp + 20)?);
    let tcp = 14 + ip;
    back[..12].rotate_left(6);
    back[addresses..addresses + 2 * width].rotate_left(width);
    back[tcp..tcp + 4].rotate_left(2);
    back[tcp + 12] = 0x50;
    back[tcp + 13] = RST;
    if v4 {
        back[14] = 0x45;
        back[16..18].copy_from_slice(&40u16.to_be_bytes());
        back[20..22].fill(0);
    } else {
        back[18..20].copy_from_slice(&20u16.to_be_bytes());
        back[20] = 6;
    }
    restore_checksums(&mut back);
    Some(back)
}
