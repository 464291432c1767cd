//! Hours of clients over a line that loses any segment, RSTs too: at the end no connection is left
//! that its client does not have.

use std::collections::HashMap;

use handfast_stack::service::Service;
use handfast_stack::tcp::IdleLimits;
use handfast_stack::wire::{Flags, Seq};

use crate::client::{Client, Family, Lab, Reply};

/// One in this number of segments is lost, either way.
const LOSS: u32 = 5;

/// xorshift32.
struct Dice(u32);

impl Dice {
    fn below(&mut self, most: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % most
    }
}

/// A client's state of its connection. For one that has ended it answers with a RST.
struct Peer {
    client: Client,
    open: bool,
    /// Switched off: it does not even answer.
    off: bool,
}

struct Line {
    lab: Lab,
    dice: Dice,
    peers: HashMap<u16, Peer>,
}

impl Line {
    fn new(service: Service) -> Line {
        let lab = Lab::with(service, |setup| {
            setup.capacity = 8192;
            setup.bounds.send_buffers = 1024;
            setup.config.idle = IdleLimits { keepalive_ms: 60_000, timeout_ms: 0 };
            setup.config.persist_timeout_ms = 60_000;
            setup.config.msl_ms = 1000;
        });
        Line { lab, dice: Dice(2026), peers: HashMap::new() }
    }

    fn send(&mut self, frame: &[u8]) {
        if self.dice.below(LOSS) > 0 {
            self.lab.send(frame);
        }
        for _ in 0..20 {
            let replies = self.lab.all();
            if replies.is_empty() {
                break;
            }
            replies.iter().for_each(|reply| self.arrives(reply));
        }
    }

    /// Time passes, and clients answer what comes.
    fn wait(&mut self, millis: u32) {
        for _ in 0..millis.div_ceil(500) {
            self.lab.wait(millis.min(500));
            while let Some(reply) = self.lab.reply() {
                self.arrives(&reply);
            }
        }
    }

    fn arrives(&mut self, reply: &Reply) {
        let lost = self.dice.below(LOSS) == 0;
        let Some(peer) = self.peers.get_mut(&reply.port).filter(|peer| !lost && !peer.off) else { return };
        let (info, client) = (&reply.info, &mut peer.client);
        if info.flags.has(Flags::RST) {
            peer.open = false;
            return;
        }
        let frame = if info.flags.has(Flags::SYN) && peer.open {
            client.ack = info.seq + 1;
            client.seq = info.ack;
            client.segment(".", &[])
        } else if !peer.open {
            Client { seq: info.ack, ack: Seq(0), ..*client }.segment("R", &[])
        } else if info.seq_len() > 0 || info.seq + 1 == client.ack {
            if info.seq == client.ack {
                client.ack = info.seq + info.seq_len();
            }
            client.segment(".", &[])
        } else {
            return;
        };
        if self.dice.below(LOSS) > 0 {
            self.lab.send(&frame);
        }
    }

    fn open(&mut self, port: u16) {
        let client = Client::new(Family::V4, port);
        self.peers.insert(port, Peer { client, open: true, off: false });
        self.send(&client.syn());
    }

    /// A request, an abort, a close that no peer waits for, or no more current.
    fn act(&mut self, port: u16) {
        let what = self.dice.below(8);
        let Some(peer) = self.peers.get_mut(&port).filter(|peer| peer.open) else { return };
        let frame = match what {
            0..=3 => peer.client.say(b"hello"),
            4 | 5 => {
                peer.open = false;
                peer.client.segment("R.", &[])
            }
            6 => {
                peer.open = false;
                peer.client.segment("F.", &[])
            }
            _ => {
                peer.off = true;
                return;
            }
        };
        self.send(&frame);
    }
}

#[test]
fn nothing_is_left_that_neither_end_knows() {
    for service in [Service::Echo, Service::Hold, Service::Http, Service::Close] {
        let mut line = Line::new(service);
        for port in 0..2000u16 {
            line.open(4000 + port);
            if port % 4 == 0 {
                line.wait(20);
            }
        }
        let ports: Vec<u16> = line.peers.keys().copied().collect();
        for _ in 0..3 {
            ports.iter().for_each(|port| line.act(*port));
            line.wait(30_000);
        }
        // From here on those that are left stay: they only answer.
        for _ in 0..10 {
            line.wait(60_000);
        }
        let alive = line.peers.values().filter(|peer| peer.open && !peer.off).count();
        let held = line.lab.sim.connections();
        assert!(held <= alive, "{service}: {held} held, {alive} alive");
        // Some clients of a service that does not close are there after ten minutes of silence.
        if matches!(service, Service::Echo | Service::Hold) {
            assert!(held > 20, "{service}: {held} of {alive} alive were kept");
        }
        line.peers.values_mut().for_each(|peer| peer.off = true);
        line.wait(250_000);
        assert_eq!(line.lab.sim.connections(), 0, "{service}: left when all clients are gone");
        assert_eq!(line.lab.sim.counters(0).send_buffers.value(), 0, "{service}");
        line.lab.sound();
    }
}
