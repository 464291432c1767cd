//! A scripted engine with its peer, for whole runs of one core in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::control::Control;
use super::super::core_slot::CoreSlot;
use super::super::workload::Actions;
use super::super::{Plan, Tally, Workload};
use super::engine_api::EngineApi;
use super::state::GeneratorCore;
use handfast_stack::engine::{FourTuple, OpenError};
use handfast_stack::observe::Closed;
use handfast_stack::tcp::Time;

/// The behaviour of the peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptedPeer {
    /// Answers: SYN-ACK after `connect_us`, everything else after the same time.
    Answers,
    Silent,
    Refuses,
    /// Establishes, then stays silent.
    Dies,
    /// Establishes and resets.
    Resets,
}

/// The script: an engine and a peer in one.
pub(super) struct Script {
    pub(super) now: Time,
    pub(super) peer: Box<dyn Fn(u32) -> ScriptedPeer>,
    pub(super) connect_us: u64,
    pub(super) answer: &'static [u8],
    /// The error that [`EngineApi::open`] returns.
    pub(super) refusal: Option<OpenError>,
    pub(super) capacity: u32,
    pub(super) opened: u32,
    /// Events by time and connection number.
    pub(super) events: BTreeMap<(u64, u32), ScriptEvent>,
    pub(super) alive: BTreeMap<u32, ScriptedPeer>,
    pub(super) probes: Vec<u32>,
    pub(super) deaf: Box<dyn Fn(u32) -> bool>,
    pub(super) aborts_per_poll: Vec<u32>,
    pub(super) opens_per_poll: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ScriptEvent {
    Opened,
    Data,
    PeerClosed,
    Alive,
    Closed(Closed),
}

impl Script {
    pub(super) fn new(peer: impl Fn(u32) -> ScriptedPeer + 'static) -> Script {
        Script {
            now: Time::from_millis(3_600_000),
            peer: Box::new(peer),
            connect_us: 100,
            answer: b"pong",
            refusal: None,
            capacity: 100_000,
            opened: 0,
            events: BTreeMap::new(),
            alive: BTreeMap::new(),
            probes: Vec::new(),
            deaf: Box::new(|_| false),
            aborts_per_poll: Vec::new(),
            opens_per_poll: Vec::new(),
        }
    }

    fn after(&mut self, number: u32, times: u64, event: ScriptEvent) {
        self.events.insert((self.now.micros + times * self.connect_us, number), event);
    }
}

impl EngineApi for Script {
    fn now(&self) -> Time {
        self.now
    }

    fn open(&mut self, _: FourTuple) -> Result<u32, OpenError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let number = (0..self.capacity).find(|number| !self.alive.contains_key(number));
        let number = number.ok_or(OpenError::Full)?;
        let peer = (self.peer)(self.opened);
        self.opened += 1;
        *self.opens_per_poll.last_mut().unwrap() += 1;
        self.alive.insert(number, peer);
        match peer {
            ScriptedPeer::Silent => {}
            ScriptedPeer::Refuses => self.after(number, 1, ScriptEvent::Closed(Closed::ConnectRefused)),
            _ => self.after(number, 1, ScriptEvent::Opened),
        }
        Ok(number)
    }

    fn syn(&mut self, _: FourTuple) -> Result<(), OpenError> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let opens = self.opens_per_poll.last_mut().unwrap();
        // Limited per poll, as the engine is.
        if *opens == 64 {
            return Err(OpenError::NoFrame);
        }
        *opens += 1;
        self.opened += 1;
        Ok(())
    }

    fn apply(&mut self, number: u32, actions: Actions) -> bool {
        let Some(peer) = self.alive.get(&number).copied() else { return false };
        match (actions, peer) {
            (Actions { abort: true, .. }, _) => {
                *self.aborts_per_poll.last_mut().unwrap() += 1;
                self.events.insert((self.now.micros, number), ScriptEvent::Closed(Closed::Aborted));
            }
            (_, ScriptedPeer::Resets) => self.after(number, 1, ScriptEvent::Closed(Closed::ResetByPeer)),
            (_, ScriptedPeer::Dies) => {}
            (Actions { probe: true, .. }, _) => {
                self.probes.push(number);
                if !(self.deaf)(number) {
                    self.after(number, 1, ScriptEvent::Alive);
                }
            }
            (Actions { send: true, .. }, _) => self.after(number, 1, ScriptEvent::Data),
            (Actions { shutdown: true, .. }, _) => self.after(number, 1, ScriptEvent::Closed(Closed::Active)),
            (Actions { close: true, .. }, _) => self.after(number, 1, ScriptEvent::Closed(Closed::Passive)),
            (_, _) => self.after(number, 1, ScriptEvent::PeerClosed),
        }
        true
    }

    fn capacity(&self) -> u32 {
        self.capacity
    }
}

/// One core with a script as its engine.
pub(super) struct ScriptedRun {
    pub(super) control: Arc<Control>,
    pub(super) core: GeneratorCore,
    pub(super) script: Script,
    pub(super) polls: u64,
}

impl ScriptedRun {
    pub(super) fn new(plan: Plan, script: Script) -> ScriptedRun {
        let warnings = plan.check(1);
        assert!(warnings.is_ok(), "{warnings:?}");
        let control = Control::new(plan);
        let slot: Arc<CoreSlot> = control.slot_of(0, 1);
        control.begin().unwrap();
        ScriptedRun { core: GeneratorCore::new(control.clone(), slot, (0, 1)), control, script, polls: 0 }
    }

    /// One poll, then the events that are due.
    pub(super) fn poll(&mut self) {
        self.polls += 1;
        self.script.aborts_per_poll.push(0);
        self.script.opens_per_poll.push(0);
        self.core.poll(&mut self.script);
        // The ends of aborted connections are reported after the poll.
        self.deliver();
    }

    pub(super) fn deliver(&mut self) {
        while let Some(((at, number), event)) = self.script.events.pop_first() {
            if at > self.script.now.micros {
                self.script.events.insert((at, number), event);
                return;
            }
            if !self.script.alive.contains_key(&number) {
                continue;
            }
            let (core, now) = (&mut self.core, self.script.now);
            if self.script.alive[&number] != ScriptedPeer::Silent {
                core.on_alive(number, now);
            }
            let actions = match event {
                ScriptEvent::Opened => core.on_established(number, now),
                ScriptEvent::Data => core.on_data(number, now, self.script.answer),
                ScriptEvent::PeerClosed => core.on_fin(number, now),
                ScriptEvent::Alive => continue,
                ScriptEvent::Closed(how) => {
                    self.script.alive.remove(&number);
                    self.script.events.retain(|(_, other), _| *other != number);
                    core.on_closed(number, now, how);
                    continue;
                }
            };
            let waits = actions == Actions::NOTHING && *self.core.workload() == Workload::Hold;
            if !waits {
                self.script.apply(number, actions);
            }
        }
    }

    /// Advances to the next event.
    pub(super) fn pass(&mut self) {
        let now = self.script.now.micros;
        let due = match self.core.next_deadline_ms(self.script.now, 1000) {
            0 => 20,
            millis => u64::from(millis) * 1000,
        };
        let event = self.script.events.keys().next().map_or(u64::MAX, |(at, _)| (*at).max(now + 1));
        self.script.now.micros = event.min(now + due);
        self.deliver();
    }

    pub(super) fn run(&mut self) -> Tally {
        self.run_until(|_| false)
    }

    /// Runs to the end, or stops when `stop` returns true.
    pub(super) fn run_until(&mut self, stop: impl Fn(&ScriptedRun) -> bool) -> Tally {
        for _ in 0..3_000_000 {
            self.poll();
            if let Some(tally) = self.control.take() {
                assert_eq!(tally.attempted, tally.completed + tally.failed() + tally.in_flight, "{tally:?}");
                assert_eq!(tally.connect.len(), tally.established);
                let flood = *self.core.workload() == Workload::Flood;
                assert_eq!(tally.completion.len(), if flood { 0 } else { tally.completed });
                assert_eq!(self.core.live, 0, "all have ended");
                return tally;
            }
            if stop(self) {
                self.control.stop();
            }
            self.pass();
        }
        panic!("the run does not end: {:?}", self.core.run);
    }
}
