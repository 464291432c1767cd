//! The wire between the two ends, in the hands of this process: it carries every frame from one port
//! of the bridge's namespace to the other, and may lose, delay or hold one, or let two cross. What it
//! did is the record that is drawn, so nothing needs to be guessed from captures.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, send, socket,
};

use super::mac;
use crate::{BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_MAC, SERVER_MAC};
use handfast_stack::wire::{Mac, ParseConfig, SegmentInfo};
use handfast_trace::{Direction, Event, LocalEvent, Record, Side, segment_of};

/// The longest sleep, so that delayed frames and commands are seen, milliseconds.
const NAP_MS: u8 = 1;

/// What happens to the first segment that fits, once. The next rule counts from then on.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub fits: fn(Direction, &SegmentInfo) -> bool,
    pub then: Then,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// Nothing: the next rule begins to count here.
    Pass,
    Lose,
    /// It takes so long.
    Delay(Duration),
    /// It stays in the network until [`Relay::release`].
    Hold,
    /// One of each direction: neither arrives before the other has left.
    Cross,
}

/// Stops when dropped.
pub(super) struct Relay {
    shared: Arc<Shared>,
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    stop: AtomicBool,
    record: Mutex<Record>,
}

enum Command {
    Release,
    /// A frame of nobody's, to the end that this direction names.
    Inject(Direction, Vec<u8>),
}

/// A segment on its way.
struct Flying {
    direction: Direction,
    number: Option<usize>,
    frame: Vec<u8>,
}

impl Relay {
    /// To be called inside the bridge's namespace. `ends`: the client and the server that are watched.
    pub fn start(ends: (SocketAddr, SocketAddr), rules: Vec<Rule>) -> Result<Relay, Errno> {
        let ports = [port(BRIDGE_TO_CLIENT)?, port(BRIDGE_TO_SERVER)?];
        let (commands, receiver) = mpsc::channel();
        let shared = Arc::new(Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            record: Mutex::default(),
        });
        let wire = Wire {
            shared: shared.clone(),
            commands: receiver,
            ports,
            ends,
            rules: rules.into(),
            crossing: None,
            held: Vec::new(),
            delayed: Vec::new(),
        };
        let thread = thread::Builder::new().name("hf-relay".into()).spawn(move || wire.run());
        Ok(Relay { shared, commands, thread: Some(thread.map_err(|_| Errno::EAGAIN)?) })
    }

    /// Lets go what is held.
    pub fn release(&self) {
        // Its end would be seen by whoever waits for what arrives.
        let _ = self.commands.send(Command::Release);
    }

    pub fn inject(&self, direction: Direction, frame: Vec<u8>) {
        let _ = self.commands.send(Command::Inject(direction, frame));
    }

    pub fn local_event(&self, side: Side, what: LocalEvent) {
        self.shared.happens(Event::Local(side, what));
    }

    /// What happened so far.
    pub fn record(&self) -> Record {
        self.shared.record().clone()
    }
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, event: Event) {
        self.record().push(self.began.elapsed(), event);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic would have been a missing arrival.
            let _ = thread.join();
        }
    }
}

/// A socket that hears and speaks on one interface of this namespace.
fn port(interface: &str) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let port = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    // The list of interfaces has the link-layer address that bind wants, index and all.
    let link = getifaddrs()?.find(|one| {
        let family = one.address.as_ref().and_then(SockaddrLike::family);
        one.interface_name == interface && family == Some(AddressFamily::Packet)
    });
    let link = link.and_then(|one| one.address).ok_or(Errno::ENODEV)?;
    bind(port.as_raw_fd(), &link)?;
    Ok(port)
}

/// The relay's thread.
struct Wire {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// Towards the client, and towards the server.
    ports: [OwnedFd; 2],
    ends: (SocketAddr, SocketAddr),
    rules: VecDeque<Rule>,
    /// The first of two that are to cross.
    crossing: Option<(Direction, SegmentInfo, Vec<u8>)>,
    held: Vec<Flying>,
    delayed: Vec<(Instant, Flying)>,
}

impl Wire {
    fn run(mut self) {
        let mut frame = vec![0; 65_536];
        let macs = [mac(CLIENT_MAC), mac(SERVER_MAC)];
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.carry_out();
            self.deliver_due();
            for (from, direction) in [(0, Direction::ToServer), (1, Direction::ToClient)] {
                while let Some(Ok(length)) =
                    self.ports.get(from).map(|port| recv(port.as_raw_fd(), &mut frame, MsgFlags::empty()))
                {
                    let octets = frame.get(..length).unwrap_or_default();
                    if !from_the_other_side(octets, direction, macs) {
                        self.take(direction, octets.to_vec());
                    }
                }
            }
            let mut ready = self.ports.each_ref().map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN));
            let _ = poll(&mut ready, PollTimeout::from(NAP_MS));
        }
    }

    fn carry_out(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Release => {
                    self.held.drain(..).collect::<Vec<_>>().iter().for_each(|one| self.deliver(one))
                }
                Command::Inject(direction, frame) => {
                    let number = self.watched(direction, &frame).map(|segment| self.add(direction, segment));
                    self.deliver(&Flying { direction, number, frame });
                }
            }
        }
    }

    fn deliver_due(&mut self) {
        let now = Instant::now();
        let (due, later) = self.delayed.drain(..).partition(|(at, _)| *at <= now);
        self.delayed = later;
        due.iter().for_each(|(_, one)| self.deliver(one));
    }

    /// A frame comes from one of the ends.
    fn take(&mut self, direction: Direction, frame: Vec<u8>) {
        let Some(segment) = self.watched(direction, &frame) else {
            return self.deliver(&Flying { direction, number: None, frame });
        };
        let waits_already = self.crossing.as_ref().is_some_and(|(waiting, ..)| *waiting == direction);
        let rule = self.rules.front().filter(|rule| (rule.fits)(direction, &segment) && !waits_already);
        let then = rule.map(|rule| rule.then);
        if let Some(Then::Cross) = then {
            return self.cross(direction, segment, frame);
        }
        if then.is_some() {
            self.rules.pop_front();
        }
        let one = self.leaves(direction, segment, frame);
        match then {
            Some(Then::Lose) => self.happens(&one, Event::Lost),
            Some(Then::Delay(time)) => self.delayed.push((Instant::now() + time, one)),
            Some(Then::Hold) => self.held.push(one),
            Some(Then::Pass | Then::Cross) | None => self.deliver(&one),
        }
    }

    /// The first of two waits for the other. Neither knew of the other, so the order is ours to
    /// choose, and is always the same.
    fn cross(&mut self, direction: Direction, segment: SegmentInfo, frame: Vec<u8>) {
        let Some((_, first, first_frame)) = self.crossing.take() else {
            self.crossing = Some((direction, segment, frame));
            return;
        };
        self.rules.pop_front();
        let ((up, up_frame), (down, down_frame)) = match direction {
            Direction::ToServer => ((segment, frame), (first, first_frame)),
            Direction::ToClient => ((first, first_frame), (segment, frame)),
        };
        let up = self.leaves(Direction::ToServer, up, up_frame);
        let down = self.leaves(Direction::ToClient, down, down_frame);
        self.deliver(&down);
        self.deliver(&up);
    }

    fn leaves(&self, direction: Direction, segment: SegmentInfo, frame: Vec<u8>) -> Flying {
        let one = Flying { direction, number: Some(self.add(direction, segment)), frame };
        self.happens(&one, Event::Sent);
        one
    }

    fn deliver(&self, one: &Flying) {
        self.happens(one, Event::Received);
        let to = if one.direction == Direction::ToServer { 1 } else { 0 };
        if let Some(port) = self.ports.get(to) {
            // A frame that cannot be sent is missed by whoever waits for the answer.
            let _ = send(port.as_raw_fd(), &one.frame, MsgFlags::empty());
        }
    }

    /// The segment in a frame, if it belongs to the connection that is watched.
    fn watched(&self, direction: Direction, frame: &[u8]) -> Option<SegmentInfo> {
        let policy = ParseConfig { accept_partial_checksum: true, ..ParseConfig::default() };
        let (source, destination, segment) = segment_of(frame, &policy)?;
        let ends = match direction {
            Direction::ToServer => (source, destination),
            Direction::ToClient => (destination, source),
        };
        (ends == self.ends).then_some(segment)
    }

    fn add(&self, direction: Direction, segment: SegmentInfo) -> usize {
        self.shared.record().add(direction, segment.into())
    }

    fn happens(&self, one: &Flying, event: fn(usize) -> Event) {
        if let Some(number) = one.number {
            self.shared.happens(event(number));
        }
    }
}

/// A socket hears its own frames as well, and those have the other end's source.
fn from_the_other_side(frame: &[u8], direction: Direction, macs: [Mac; 2]) -> bool {
    let own = if direction == Direction::ToServer { macs[0] } else { macs[1] };
    frame.get(6..12).is_some_and(|source| source != own)
}
