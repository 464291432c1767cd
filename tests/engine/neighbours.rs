//! Neighbours on the link: unsolicited segments go to the right MAC, for any number of neighbours.

use std::collections::HashMap;

use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;
use handfast_stack::wire::Mac;

use crate::client::{Client, Family, Lab, Reply};
use crate::frames::read_with_mac;

/// One core's link, on which there may be a flood.
struct Link {
    lab: Lab,
    /// To ports of honest clients, each with the MAC that it went to.
    sent: Vec<(Mac, Reply)>,
    /// SYNs in each step of time, each from another MAC.
    flood: u32,
    /// Neighbours invented so far, and the last one that used a port.
    invented: u32,
    users: HashMap<u16, u32>,
}

/// The first are honest ones.
const INVENTED: u32 = 1 << 24;
/// Ports of the flood, from there on.
const FLOOD_PORT: u16 = 20_000;
/// Milliseconds.
const STEP: u32 = 10;

fn mac(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 1, a, b, c, d]
}

/// As sent by neighbour `number`.
fn from(number: u32, mut frame: Vec<u8>) -> Vec<u8> {
    frame[6..12].copy_from_slice(&mac(number));
    frame
}

impl Link {
    fn new() -> Link {
        let lab = Lab::with(Service::Echo, |setup| {
            setup.capacity = 16_384;
            setup.frames = 16_384;
            setup.bounds.send_buffers = 8192;
        });
        Link { lab, sent: Vec::new(), flood: 0, invented: 0, users: HashMap::new() }
    }

    fn put(&mut self, number: u32, frame: Vec<u8>) {
        assert!(self.lab.sim.inject(&from(number, frame)));
        self.lab.sim.run();
        self.collect();
    }

    /// At least this time, while the flood goes on.
    fn wait(&mut self, millis: u32) {
        for _ in 0..millis.div_ceil(STEP) {
            for _ in 0..self.flood {
                let number = INVENTED + self.invented;
                let port = FLOOD_PORT + (self.invented % 40_000) as u16;
                self.invented += 1;
                self.users.insert(port, number);
                assert!(self.lab.sim.inject(&from(number, Client::new(Family::V4, port).syn())));
            }
            self.lab.sim.run();
            self.lab.sim.advance_ms(STEP);
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(frame) = self.lab.sim.collect() {
            let (to, reply) = read_with_mac(&frame);
            match self.users.get(&reply.port) {
                Some(number) => assert_eq!(to, mac(*number), "{reply:?}"),
                None => self.sent.push((to, reply)),
            }
        }
    }

    /// What went out to this honest client since the last look, all of it to neighbour `number`.
    #[track_caller]
    fn sent_to(&mut self, number: u32, port: u16) -> Vec<Reply> {
        let (taken, left): (Vec<_>, Vec<_>) = self.sent.drain(..).partition(|(_, reply)| reply.port == port);
        self.sent = left;
        assert!(taken.iter().all(|(to, _)| *to == mac(number)), "to {:02x?}: {taken:?}", mac(number));
        taken.into_iter().map(|(_, reply)| reply).collect()
    }

    /// Handshake of neighbour `number`.
    fn open(&mut self, number: u32, family: Family, port: u16) -> Client {
        let mut client = Client::new(family, port);
        self.put(number, client.syn());
        let answer = self.sent_to(number, port).remove(0);
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        self.put(number, client.segment(".", &[]));
        client
    }

    /// By port: what was sent since the last look.
    fn by_port(&mut self) -> HashMap<u16, (Mac, Reply)> {
        self.sent.drain(..).map(|(to, reply)| (reply.port, (to, reply))).collect()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.lab.dropped(reason)
    }
}

/// A new neighbour whose every answer is lost: SYN-ACK, data and FIN come again, to its MAC.
fn loses_everything_once(link: &mut Link, number: u32, family: Family, port: u16) {
    let mut client = Client::new(family, port);
    link.put(number, client.syn());
    link.sent_to(number, port);
    link.wait(1010);
    let again = link.sent_to(number, port);
    assert_eq!(again.len(), 1, "SYN-ACK again: {again:?}");
    (client.seq, client.ack) = (client.seq + 1, again[0].info.seq + 1);
    let hello = client.say(b"hello");
    link.put(number, hello);
    link.sent_to(number, port);
    link.wait(3010);
    let again = link.sent_to(number, port);
    assert!(again.iter().any(|reply| reply.payload == b"hello"), "data again: {again:?}");
    client.hear(&again[0]);
    link.put(number, client.segment("F.", &[]));
    client.seq += 1;
    link.sent_to(number, port);
    link.wait(3010);
    let again = link.sent_to(number, port);
    let fin = again.iter().find(|reply| format!("{:?}", reply.info.flags).contains('F'));
    client.hear(fin.unwrap_or_else(|| panic!("FIN again: {again:?}")));
    link.put(number, client.segment(".", &[]));
    assert!(link.sent_to(number, port).is_empty());
}

/// 700 SYNs a second for two minutes, each from another MAC: more half-open connections than the
/// table of link headers has entries.
#[test]
fn a_flood_of_invented_neighbours_costs_the_honest_nothing() {
    let mut link = Link::new();
    let mut before = link.open(1, Family::V4, 3000);
    link.flood = 700 * STEP / 1000;
    link.wait(8000);
    assert!(link.lab.sim.connections() as u64 > link.lab.sim.hop_users(), "the table is full");
    for client in 0..16u32 {
        let family = if client % 2 == 0 { Family::V4 } else { Family::V6 };
        loses_everything_once(&mut link, 100 + client, family, 4000 + client as u16);
    }
    assert!(link.invented > 80_000);
    let hello = before.say(b"still here");
    link.put(1, hello);
    link.sent_to(1, 3000);
    link.wait(3010);
    let again = link.sent_to(1, 3000);
    assert!(again.iter().any(|reply| reply.payload == b"still here"), "{again:?}");
    before.hear(&again[0]);
    link.put(1, before.segment("R.", &[]));
    assert_eq!((link.dropped(DropReason::NoHop), link.dropped(DropReason::NoFrame)), (0, 0));
    // The flood is over: what it held is free for others.
    link.flood = 0;
    link.wait(10_000);
    link.open(2, Family::V6, 3001);
    assert_eq!((link.lab.sim.connections(), link.lab.sim.hop_users()), (1, 1));
    link.lab.sound();
}

/// Neighbours that are there and stay, more than the table has entries.
#[test]
fn more_neighbours_than_entries_each_get_what_is_theirs() {
    let mut link = Link::new();
    let count = 5_000u32;
    let mut clients: Vec<Client> =
        (0..count).map(|number| link.open(number, Family::V4, 5000 + number as u16)).collect();
    assert!(link.lab.sim.hop_users() < u64::from(count), "the table is full");
    for (client, number) in clients.iter_mut().zip(0..) {
        let hello = client.say(b"hello");
        link.put(number, hello);
    }
    link.sent.clear();
    link.wait(3010);
    let again = link.by_port();
    for (client, number) in clients.iter_mut().zip(0..) {
        let (to, reply) = &again[&client.port];
        assert_eq!((to, &reply.payload[..]), (&mac(number), &b"hello"[..]));
        client.hear(reply);
        link.put(number, client.segment("R.", &[]));
    }
    assert_eq!(link.dropped(DropReason::NoHop), 0);
    link.lab.over();
}
