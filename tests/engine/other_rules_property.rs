//! Rules change in any order, during any conversations: a connection stays with the listener of its
//! beginning, a SYN meets the listener of now.

use std::collections::BTreeMap;

use handfast_stack::engine::FaultInjection;
use handfast_stack::engine::simulation::{Service as Ours, Setup, Simulation};
use handfast_stack::service::Service;
use handfast_stack::tcp::Time;
use handfast_stack::wire::{ParseConfig, Seq, TcpOptions, TxSegment};
use proptest::prelude::*;

use crate::client::{CLIENT_ISN, Family, Lab, SERVER_MAC};
use crate::frames::{build, flags_of};
use crate::other_rules::rules;

const PORTS: u16 = 4;

#[derive(Clone, Debug)]
enum Event {
    /// What each port does from now on: nothing, discard, or echo.
    Listen([u8; PORTS as usize]),
    /// Client, port.
    Open(u16, u16),
    Say(u16),
    Abort(u16),
    /// Everything without a connection is given back.
    Forget,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => prop::array::uniform4(0..3u8).prop_map(Event::Listen),
        6 => (0..6u16, 0..PORTS).prop_map(|(client, port)| Event::Open(client, port)),
        6 => (0..6u16).prop_map(Event::Say),
        2 => (0..6u16).prop_map(Event::Abort),
        2 => Just(Event::Forget),
    ]
}

/// What a client believes.
struct Open {
    /// The client's port, and which of ours.
    from: u16,
    port: u16,
    echoes: bool,
    seq: Seq,
    ack: Seq,
}

struct World {
    lab: Lab,
    now: [u8; PORTS as usize],
    open: BTreeMap<u16, Open>,
    /// 4-tuples are used once, so that no old connection is in the way.
    used: u16,
    turn: usize,
}

impl World {
    fn new() -> World {
        let policy = ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() };
        let setup = Setup { policy, capacity: 64, cores: 2, ..Setup::default() };
        let sim = Simulation::new(setup, &[] as &[Ours]);
        World {
            lab: Lab::around(sim, Time::from_millis(1_000_000)),
            now: [0; PORTS as usize],
            open: BTreeMap::new(),
            used: 0,
            turn: 0,
        }
    }

    /// At one core or the other.
    fn send(&mut self, from: u16, port: u16, (seq, ack): (Seq, Seq), flags: &str, payload: &[u8]) {
        let emit =
            TxSegment { seq, ack, flags: flags_of(flags), window: 65_535, options: TcpOptions::default() };
        self.turn += 1;
        assert!(self.lab.sim.inject_at(self.turn % 2, &build(Family::V4, from, 80 + port, &emit, payload)));
        self.lab.run();
    }

    fn listen(&mut self, wanted: [u8; PORTS as usize]) {
        let names: Vec<String> = (0..PORTS).map(|port| format!("192.0.2.1:{}", 80 + port)).collect();
        let mut asked = Vec::new();
        for (place, what) in wanted.iter().enumerate().filter(|(_, what)| **what > 0) {
            let service = if *what == 2 { Service::Echo } else { Service::Discard };
            let same = self.now[place] == *what;
            asked.push((names[place].as_str(), (!same).then_some(service)));
        }
        // Not always in the same order.
        if self.turn % 2 == 1 {
            asked.reverse();
        }
        self.lab.sim.listen(&rules(&asked), FaultInjection::default(), |_, _| {}).expect("no two are alike");
        self.now = wanted;
    }

    fn open(&mut self, client: u16, port: u16) {
        if self.open.contains_key(&client) {
            return;
        }
        self.used += 1;
        let from = 1000 + 8 * self.used + client;
        self.send(from, port, (CLIENT_ISN, Seq(0)), "S", &[]);
        if self.now[usize::from(port)] == 0 {
            self.lab.expect("R.");
            return;
        }
        let answer = self.lab.expect("S.");
        let (seq, ack) = (CLIENT_ISN + 1, answer.info.seq + 1);
        self.send(from, port, (seq, ack), ".", &[]);
        let echoes = self.now[usize::from(port)] == 2;
        self.open.insert(client, Open { from, port, echoes, seq, ack });
    }

    fn say(&mut self, client: u16) {
        let Some(Open { from, port, echoes, seq, ack }) = self.open.remove(&client) else { return };
        self.send(from, port, (seq, ack), "P.", b"word");
        let (seq, ack) = (seq + 4, if echoes { ack + 4 } else { ack });
        if echoes {
            assert_eq!(self.lab.expect("P.").payload, b"word");
            self.send(from, port, (seq, ack), ".", &[]);
        } else {
            assert_eq!(self.lab.expect(".").payload, b"");
        }
        self.lab.silent();
        self.open.insert(client, Open { from, port, echoes, seq, ack });
    }

    fn abort(&mut self, client: u16) {
        let Some(Open { from, port, seq, ack, .. }) = self.open.remove(&client) else { return };
        self.send(from, port, (seq, ack), "R.", &[]);
        self.lab.silent();
    }

    fn forget(&mut self) {
        let ports: Vec<u16> = self.open.values().map(|open| 80 + open.port).collect();
        let left = self.lab.sim.forget(|owned| ports.iter().any(|port| owned.ports.contains(port)));
        assert!(left == 0 || !ports.is_empty(), "{left} rules are kept without a connection");
    }
}

proptest! {
    #[test]
    fn who_listened_when_it_began_answers(events in prop::collection::vec(event(), 1..80)) {
        let mut world = World::new();
        for event in events {
            match event {
                Event::Listen(wanted) => world.listen(wanted),
                Event::Open(client, port) => world.open(client, port),
                Event::Say(client) => world.say(client),
                Event::Abort(client) => world.abort(client),
                Event::Forget => world.forget(),
            }
        }
        for client in 0..6 {
            world.abort(client);
        }
        world.forget();
        world.lab.over();
    }
}
