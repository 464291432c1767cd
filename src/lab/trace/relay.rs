//! The link between the two ends, in user space: it forwards every frame from one port of the bridge's namespace to
//! the other, and can drop, delay or hold one, or let two cross. It keeps the record that is drawn, so nothing is
//! inferred from captures.

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

/// Maximum sleep, milliseconds: delayed frames and commands are due meanwhile.
const POLL_INTERVAL_MS: u8 = 1;

/// An action on the first segment that matches, once. Then the next rule applies.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub matches: fn(Direction, &SegmentInfo) -> bool,
    pub action: Action,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Forward it: the next rule applies from here.
    Pass,
    Drop,
    /// Forward it after this time.
    Delay(Duration),
    /// Hold it until [`Relay::release`].
    Hold,
    /// Let one of each direction cross: neither arrives before the other is sent.
    Cross,
}

/// A running relay. Dropping it stops it.
pub(super) struct Relay {
    shared: Arc<RelayState>,
    commands: Sender<RelayCommand>,
    thread: Option<JoinHandle<()>>,
}

struct RelayState {
    began: Instant,
    stop: AtomicBool,
    record: Mutex<Record>,
}

enum RelayCommand {
    Release,
    /// A forged frame in this direction.
    Inject(Direction, Vec<u8>),
}

/// A frame in flight.
struct InFlight {
    direction: Direction,
    number: Option<usize>,
    frame: Vec<u8>,
}

impl Relay {
    /// Starts the relay. Call it inside the bridge's namespace. `ends`: the recorded client and server.
    pub(super) fn start(ends: (SocketAddr, SocketAddr), rules: Vec<Rule>) -> Result<Relay, Errno> {
        let ports = [port(BRIDGE_TO_CLIENT)?, port(BRIDGE_TO_SERVER)?];
        let (commands, receiver) = mpsc::channel();
        let shared = Arc::new(RelayState {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            record: Mutex::default(),
        });
        let wire = RelayThread {
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

    /// Forwards the held frames.
    pub(super) fn release(&self) {
        // Fails if the relay has ended: then the wait for a segment times out.
        let _ = self.commands.send(RelayCommand::Release);
    }

    pub(super) fn inject(&self, direction: Direction, frame: Vec<u8>) {
        let _ = self.commands.send(RelayCommand::Inject(direction, frame));
    }

    pub(super) fn local_event(&self, side: Side, event: LocalEvent) {
        self.shared.record_event(Event::Local(side, event));
    }

    /// Returns the record so far.
    pub(super) fn record(&self) -> Record {
        self.shared.record().clone()
    }
}

impl RelayState {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_event(&self, event: Event) {
        self.record().push(self.began.elapsed(), event);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it shows as a missing segment.
            let _ = thread.join();
        }
    }
}

/// Opens a packet socket on one interface of this namespace.
fn port(interface: &str) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let port = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    // The interface list contains the link-layer address with the index, as bind needs it.
    let link = getifaddrs()?.find(|one| {
        let family = one.address.as_ref().and_then(SockaddrLike::family);
        one.interface_name == interface && family == Some(AddressFamily::Packet)
    });
    let link = link.and_then(|one| one.address).ok_or(Errno::ENODEV)?;
    bind(port.as_raw_fd(), &link)?;
    Ok(port)
}

/// The relay's thread.
struct RelayThread {
    shared: Arc<RelayState>,
    commands: Receiver<RelayCommand>,
    /// The ports to client and server.
    ports: [OwnedFd; 2],
    ends: (SocketAddr, SocketAddr),
    rules: VecDeque<Rule>,
    /// The first of two segments that cross.
    crossing: Option<(Direction, SegmentInfo, Vec<u8>)>,
    held: Vec<InFlight>,
    delayed: Vec<(Instant, InFlight)>,
}

impl RelayThread {
    fn run(mut self) {
        let mut frame = vec![0; 65_536];
        let macs = [mac(CLIENT_MAC), mac(SERVER_MAC)];
        while !self.shared.stop.load(Ordering::Relaxed) {
            self.run_commands();
            self.deliver_due();
            for (from, direction) in [(0, Direction::ToServer), (1, Direction::ToClient)] {
                while let Some(Ok(length)) =
                    self.ports.get(from).map(|port| recv(port.as_raw_fd(), &mut frame, MsgFlags::empty()))
                {
                    let bytes = frame.get(..length).unwrap_or_default();
                    if !is_own_frame(bytes, direction, macs) {
                        self.handle(direction, bytes.to_vec());
                    }
                }
            }
            let mut ready = self.ports.each_ref().map(|port| PollFd::new(port.as_fd(), PollFlags::POLLIN));
            let _ = poll(&mut ready, PollTimeout::from(POLL_INTERVAL_MS));
        }
    }

    fn run_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                RelayCommand::Release => {
                    self.held.drain(..).collect::<Vec<_>>().iter().for_each(|one| self.deliver(one))
                }
                RelayCommand::Inject(direction, frame) => {
                    let number = self.watched(direction, &frame).map(|segment| self.add(direction, segment));
                    self.deliver(&InFlight { direction, number, frame });
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

    /// Handles a frame of one end.
    fn handle(&mut self, direction: Direction, frame: Vec<u8>) {
        let Some(segment) = self.watched(direction, &frame) else {
            return self.deliver(&InFlight { direction, number: None, frame });
        };
        let waits_already = self.crossing.as_ref().is_some_and(|(waiting, ..)| *waiting == direction);
        let rule = self.rules.front().filter(|rule| (rule.matches)(direction, &segment) && !waits_already);
        let action = rule.map(|rule| rule.action);
        if let Some(Action::Cross) = action {
            return self.cross(direction, segment, frame);
        }
        if action.is_some() {
            self.rules.pop_front();
        }
        let one = self.send(direction, segment, frame);
        match action {
            Some(Action::Drop) => self.record_event(&one, Event::Lost),
            Some(Action::Delay(time)) => self.delayed.push((Instant::now() + time, one)),
            Some(Action::Hold) => self.held.push(one),
            Some(Action::Pass | Action::Cross) | None => self.deliver(&one),
        }
    }

    /// Holds the first of two segments until the other is sent. The ends do not determine their order, so the relay
    /// uses a fixed one.
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
        let up = self.send(Direction::ToServer, up, up_frame);
        let down = self.send(Direction::ToClient, down, down_frame);
        self.deliver(&down);
        self.deliver(&up);
    }

    fn send(&self, direction: Direction, segment: SegmentInfo, frame: Vec<u8>) -> InFlight {
        let one = InFlight { direction, number: Some(self.add(direction, segment)), frame };
        self.record_event(&one, Event::Sent);
        one
    }

    fn deliver(&self, one: &InFlight) {
        self.record_event(one, Event::Received);
        let to = if one.direction == Direction::ToServer { 1 } else { 0 };
        if let Some(port) = self.ports.get(to) {
            // If it fails, the wait for the reply times out.
            let _ = send(port.as_raw_fd(), &one.frame, MsgFlags::empty());
        }
    }

    /// Returns the segment of a frame, if it belongs to the recorded connection.
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

    fn record_event(&self, one: &InFlight, event: fn(usize) -> Event) {
        if let Some(number) = one.number {
            self.shared.record_event(event(number));
        }
    }
}

/// Whether the socket received a frame that this relay sent: its source is the other end's.
fn is_own_frame(frame: &[u8], direction: Direction, macs: [Mac; 2]) -> bool {
    let own = if direction == Direction::ToServer { macs[0] } else { macs[1] };
    frame.get(6..12).is_some_and(|source| source != own)
}
