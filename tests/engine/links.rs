//! Two devices: a connection's segments come in on either, and what is sent to it leaves by the device
//! that its last acceptable segment came in on, to the MAC that sent that.

use handfast_stack::observe::{CoreCounters, DropReason};
use handfast_stack::service::Service;
use handfast_stack::wire::{Mac, ParseConfig};

use crate::client::{Client, FAMILIES, Family, Lab, Reply, SERVER_MAC};
use crate::frames::read_with_mac;

/// Routers, or the client's own two interfaces, one on each link.
const PEERS: [Mac; 2] = [[2, 0, 0, 0, 0xaa, 1], [2, 0, 0, 0, 0xbb, 1]];
const OTHER_MAC: Mac = [2, 0, 0, 0, 0, 2];

/// By core: the devices of its ports. One core for both; one each; two queues each; more cores than
/// queues of one device.
const PLACES: [&[&[usize]]; 5] =
    [&[&[0, 1]], &[&[0], &[1]], &[&[0, 1], &[0, 1]], &[&[0], &[1], &[1]], &[&[0], &[0], &[0, 1]]];

struct Links {
    lab: Lab,
    places: &'static [&'static [usize]],
    /// Our own, by device.
    macs: [Mac; 2],
    /// The queue that a frame comes in on, of those of its device: one after the other.
    next: usize,
}

impl Links {
    fn new(places: &'static [&'static [usize]], equal: bool, service: Service) -> Links {
        Links::with_frames(places, equal, service, 1024)
    }

    fn with_frames(places: &'static [&'static [usize]], equal: bool, service: Service, frames: u32) -> Links {
        let macs = [SERVER_MAC, if equal { SERVER_MAC } else { OTHER_MAC }];
        let lab = Lab::with(service, |setup| {
            setup.cores = places.len();
            setup.ports = places.iter().map(|ports| ports.to_vec()).collect();
            setup.more_devices = vec![ParseConfig { mac: Some(macs[1]), ..setup.policy.clone() }];
            setup.frames = frames;
        });
        Links { lab, places, macs, next: 0 }
    }

    /// Every queue: core, port, device.
    fn queues(&self) -> Vec<(usize, usize, usize)> {
        let ports = |(core, ports): (usize, &&'static [usize])| {
            ports.iter().enumerate().map(|(port, device)| (core, port, *device)).collect::<Vec<_>>()
        };
        self.places.iter().enumerate().flat_map(ports).collect()
    }

    /// A frame of the client's comes in on a device.
    fn put(&mut self, device: usize, mut frame: Vec<u8>) {
        frame[..6].copy_from_slice(&self.macs[device]);
        frame[6..12].copy_from_slice(&PEERS[device]);
        let queues: Vec<_> = self.queues().into_iter().filter(|queue| queue.2 == device).collect();
        let (core, port, _) = queues[self.next % queues.len()];
        self.next += 1;
        assert!(self.lab.sim.inject_on(core, port, &frame));
        self.lab.sim.run();
    }

    /// Everything that a device has sent since the last look, all of it to the peer on that link.
    #[track_caller]
    fn sent_by(&mut self, device: usize) -> Vec<Reply> {
        let mut sent = Vec::new();
        for (core, port, _) in self.queues().into_iter().filter(|queue| queue.2 == device) {
            while let Some(frame) = self.lab.sim.collect_on(core, port) {
                let (to, reply) = read_with_mac(&frame);
                assert_eq!((to, &frame[6..12]), (PEERS[device], &self.macs[device][..]), "{reply:?}");
                sent.push(reply);
            }
        }
        sent
    }

    /// What one device has sent; the other must be silent.
    #[track_caller]
    fn only(&mut self, device: usize) -> Vec<Reply> {
        let sent = self.sent_by(device);
        assert!(self.sent_by(1 - device).is_empty(), "on device {}", 1 - device);
        sent
    }

    #[track_caller]
    fn one(&mut self, device: usize, flags: &str) -> Reply {
        let mut sent = self.only(device);
        assert_eq!(sent.len(), 1, "{flags} on device {device}: {sent:?}");
        let reply = sent.remove(0);
        assert_eq!(format!("{:?}", reply.info.flags), flags, "{reply:?}");
        reply
    }

    /// What a timer sends within four seconds, each with these flags.
    #[track_caller]
    fn unasked(&mut self, device: usize, flags: &str) -> Reply {
        self.lab.sim.advance_ms(4000);
        let mut sent = self.only(device);
        assert!(!sent.is_empty(), "{flags} again, on device {device}");
        assert!(sent.iter().all(|reply| format!("{:?}", reply.info.flags) == flags), "{sent:?}");
        sent.remove(0)
    }

    fn open(&mut self, device: usize, family: Family) -> Client {
        let mut client = Client::new(family, 4000);
        self.put(device, client.syn());
        let answer = self.one(device, "S.");
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        self.put(device, client.segment(".", &[]));
        assert!(self.only(device).is_empty());
        client
    }

    fn sum(&self, read: fn(&CoreCounters) -> u64) -> u64 {
        (0..self.places.len()).map(|core| read(self.lab.sim.counters(core))).sum()
    }

    /// Nothing is left, and nothing was lost between the cores.
    #[track_caller]
    fn over(&mut self) {
        assert_eq!(self.sum(|core| core.relayed_out.value()), self.sum(|core| core.relayed_in.value()));
        assert_eq!(self.sum(|core| core.forwarded_out.value()), self.sum(|core| core.forwarded_in.value()));
        for reason in [DropReason::NotForUs, DropReason::NoHop, DropReason::ForwardQueueFull] {
            let dropped =
                (0..self.places.len()).map(|core| self.lab.sim.counters(core).drops[reason as usize].value());
            assert_eq!(dropped.sum::<u64>(), 0, "{}", reason.name());
        }
        self.lab.over();
    }
}

/// Every arrangement of queues, with different and equal MACs, over IPv4 and IPv6.
fn everywhere(service: Service, test: impl Fn(&mut Links, Family)) {
    for places in PLACES {
        for (equal, family) in [(false, FAMILIES[0]), (false, FAMILIES[1]), (true, FAMILIES[0])] {
            // So that every core is the owner once.
            for first in 0..places.len() {
                let mut links = Links::new(places, equal, service);
                links.next = first;
                test(&mut links, family);
                links.over();
            }
        }
    }
}

#[test]
fn answers_leave_by_the_device_that_was_asked() {
    everywhere(Service::Echo, |links, family| {
        let mut client = links.open(0, family);
        for turn in 0..12u8 {
            let device = usize::from(turn / 2 % 2);
            let hello = client.say(&[turn; 10]);
            links.put(device, hello);
            let echo = links.one(device, "P.");
            assert_eq!(echo.payload, [turn; 10]);
            client.hear(&echo);
            links.put(1 - device, client.segment(".", &[]));
            assert!(links.only(device).is_empty());
        }
        links.put(1, client.segment("F.", &[]));
        client.seq += 1;
        client.hear(&links.one(1, "F."));
        links.put(0, client.segment(".", &[]));
        assert!(links.only(0).is_empty());
    });
}

#[test]
fn what_is_sent_unasked_leaves_by_the_device_of_the_last_segment() {
    everywhere(Service::Echo, |links, family| {
        let mut client = links.open(0, family);
        for device in [1, 0, 1] {
            let hello = client.say(b"hello");
            links.put(device, hello);
            links.one(device, "P.");
            let again = links.unasked(device, "P.");
            client.hear(&again);
            links.put(1 - device, client.segment("P.", b"x"));
            client.seq += 1;
            let echo = links.unasked(1 - device, "P.");
            client.hear(&echo);
            links.put(1 - device, client.segment(".", &[]));
        }
        links.put(1, client.segment("F.", &[]));
        client.seq += 1;
        links.one(1, "F.");
        let fin = links.unasked(1, "F.");
        client.hear(&fin);
        links.put(1, client.segment(".", &[]));
    });
}

/// The link on which the handshake began goes down and stays down, before its SYN-ACK got through.
#[test]
fn the_handshake_goes_on_over_the_other_link() {
    everywhere(Service::Echo, |links, family| {
        let mut client = Client::new(family, 4000);
        links.put(0, client.syn());
        links.one(0, "S.");
        links.put(1, client.syn());
        let answer = links.one(1, "S.");
        links.lab.sim.advance_ms(1010);
        assert_eq!(links.one(1, "S.").info, answer.info);
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        links.put(1, client.segment(".", &[]));
        links.put(1, client.segment("R.", &[]));
        assert!(links.only(1).is_empty());
    });
}

/// Data and FIN were taken and their answers were lost with the link: all that comes over the other
/// one is the same again. That is enough.
#[test]
fn a_repetition_shows_the_way_to_a_peer_whose_link_is_down() {
    everywhere(Service::Echo, |links, family| {
        let mut client = links.open(0, family);
        let hello = client.segment("P.", b"hello");
        links.put(0, hello.clone());
        links.one(0, "P.");
        links.put(1, hello);
        links.one(1, ".");
        client.seq += 5;
        let echo = links.unasked(1, "P.");
        client.hear(&echo);
        let fin = client.segment("F.", &[]);
        links.put(1, fin.clone());
        links.one(1, "F.");
        // And back.
        links.put(0, fin);
        links.one(0, ".");
        client.seq += 1;
        let fin = links.unasked(0, "F.");
        client.hear(&fin);
        links.put(0, client.segment(".", &[]));
        assert!(links.only(0).is_empty());
    });
}

/// Without the numbers of the connection, no segment moves its way.
#[test]
fn a_segment_out_of_nowhere_moves_nothing() {
    for family in FAMILIES {
        let mut links = Links::new(PLACES[1], false, Service::Echo);
        let mut client = links.open(0, family);
        let hello = client.say(b"hello");
        links.put(0, hello);
        links.one(0, "P.");
        let mut forged = [client; 4];
        forged[0].seq = client.seq + 100_000;
        (forged[1].seq, forged[1].ack) = (client.seq - 5, client.ack + 6);
        (forged[2].seq, forged[2].ack) = (client.seq - 5, client.ack - 1);
        forged[3].seq = client.seq - 70_000;
        for client in forged {
            links.put(1, client.segment("P.", b"hello"));
            links.put(1, client.segment("R.", &[]));
            links.sent_by(1);
        }
        let again = links.unasked(0, "P.");
        assert_eq!(again.payload, b"hello");
        links.put(0, client.segment("R.", &[]));
        links.over();
    }
}

/// A link that is down keeps what it cannot send, in the end every frame of its queue. The core's
/// connections go on over the other link.
#[test]
fn a_core_whose_only_link_is_down_answers_over_the_other() {
    let mut links = Links::with_frames(PLACES[1], false, Service::Echo, 8);
    let mut client = links.open(0, FAMILIES[0]);
    // What the first device sends stays where it is, until its frames are all used up.
    let known = Client { seq: client.seq - 1, ..client };
    for _ in 0..8 {
        links.put(0, known.segment("P.", b"x"));
    }
    assert!(!links.lab.sim.inject_on(0, 0, &client.syn()), "no frame is left");
    for turn in 0..100u8 {
        let hello = client.say(&[turn; 10]);
        links.put(1, hello);
        let echo = links.sent_by(1);
        assert_eq!((echo.len(), &echo[0].payload[..]), (1, &[turn; 10][..]));
        client.hear(&echo[0]);
        links.put(1, client.segment(".", &[]));
    }
    links.put(1, client.segment("R.", &[]));
    links.sent_by(0);
    links.over();
}
