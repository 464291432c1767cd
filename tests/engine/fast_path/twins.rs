//! Two simulations that differ in one switch, and the comparison of their visible state.

use std::net::IpAddr;

use handfast_stack::engine::simulation::{MakeHandler, Simulation};
use handfast_stack::engine::{ConnInfo, ConnQuery, FaultInjection, OnStop, QUERY_BATCH, StopNotice};
use handfast_stack::table::Slot;
use handfast_stack::wire::{EndpointRange, FlowKey4, FlowKey6};

use super::service::{Log, maker};
use super::setting::{Rule, Setting, ends};

/// Remote, local; their ports.
pub type FourTuple = (IpAddr, IpAddr, [u16; 2]);

struct Twin {
    sim: Simulation,
    log: Log,
    sent: Vec<Vec<u8>>,
}

/// Without and with the fast path.
pub struct Twins {
    twins: [Twin; 2],
    cores: usize,
    slots: u32,
    rules: Vec<Rule>,
}

impl Twins {
    pub fn new(setting: &Setting) -> Twins {
        let twins = [false, true].map(|fast_path| {
            let log = Log::default();
            let sim = Simulation::new(setting.setup(fast_path), &setting.services(&log));
            Twin { sim, log, sent: Vec::new() }
        });
        let slots = setting.capacity * setting.cores as u32;
        Twins { twins, cores: setting.cores, slots, rules: setting.rules.clone() }
    }

    fn each(&mut self, run: impl FnMut(&mut Twin)) {
        self.twins.iter_mut().for_each(run);
    }

    /// The one without the fast path.
    pub fn general(&self) -> &Simulation {
        &self.twins[0].sim
    }

    /// False: no frame is free.
    pub fn inject(&mut self, core: usize, frame: &[u8]) -> Result<bool, String> {
        let [general, quick] = self.twins.each_mut().map(|twin| twin.sim.inject_at(core, frame));
        if general == quick { Ok(general) } else { Err(format!("free frames: {general} {quick}")) }
    }

    pub fn run(&mut self) {
        self.each(|twin| twin.sim.run());
    }

    pub fn advance_ms(&mut self, millis: u32) {
        self.each(|twin| twin.sim.advance_ms(millis));
    }

    pub fn suspend_ms(&mut self, millis: u32) {
        self.each(|twin| twin.sim.suspend_ms(millis));
    }

    pub fn stop(&mut self) {
        let plan = OnStop { notice: StopNotice::Fin, within_ms: 50, per_second: 1000 };
        self.each(|twin| twin.sim.stop(plan, |_| {}));
    }

    /// Replaces the rules; rules in force stay.
    pub fn listen(&mut self, rules: &[Rule], fault: FaultInjection) {
        let before = std::mem::replace(&mut self.rules, rules.to_vec());
        self.each(|twin| {
            let log = &twin.log;
            let make = |rule: &Rule| (!before.contains(rule)).then(|| maker(rule.1, log));
            let wanted: Vec<(EndpointRange, Option<MakeHandler>)> =
                rules.iter().flat_map(|rule| ends(rule.0).map(|end| (end, make(rule)))).collect();
            twin.sim.listen(&wanted, fault, |_, _| {}).expect("rules without conflict");
        });
    }

    /// Takes the frames that both have sent, and compares them and all other visible state. `tuples`: possible
    /// connections. Returns the frames.
    pub fn compare(&mut self, tuples: &[FourTuple]) -> Result<&[Vec<u8>], String> {
        self.each(|twin| {
            let Twin { sim, sent, .. } = twin;
            sent.clear();
            sim.collect_all(|frame| sent.push(frame.to_vec()));
        });
        let [general, quick] = &self.twins;
        differ("frames sent", &general.sent, &quick.sent)?;
        let logs =
            self.twins.each_ref().map(|twin| std::mem::take(&mut *twin.log.lock().expect("one thread")));
        differ("calls of the services", &logs[0], &logs[1])?;
        for core in 0..self.cores {
            let [general, quick] = self.twins.each_ref().map(|twin| format!("{:?}", twin.sim.counters(core)));
            if general != quick {
                let fields = |text: &str| text.split(", ").map(str::to_owned).collect::<Vec<_>>();
                return differ("counters", &fields(&general), &fields(&quick)).map(|()| &[][..]);
            }
        }
        let [general, quick] = self.twins.each_ref().map(|Twin { sim, .. }| {
            let next_timer = u64::from(sim.idle_ms(1_000_000));
            vec![sim.connections() as u64, sim.hop_users(), sim.lost_frames(), next_timer]
        });
        differ("connections, users of link headers, lost frames, ms to the next timer", &general, &quick)?;
        let [general, quick] = self.twins.each_ref().map(|twin| self.facts(twin, tuples));
        differ("connections", &general, &quick)?;
        Ok(&self.twins[0].sent)
    }

    /// The cores' reports of these connections: 4-tuple, core, slot.
    fn facts(&self, twin: &Twin, tuples: &[FourTuple]) -> Vec<(FourTuple, usize, Slot, ConnInfo)> {
        assert!(self.slots as usize <= QUERY_BATCH);
        let mut facts = Vec::new();
        for core in 0..self.cores {
            let worker = twin.sim.worker(core);
            for &tuple in tuples {
                let (remote, local, [remote_port, local_port]) = tuple;
                match (remote, local) {
                    (IpAddr::V4(remote), IpAddr::V4(local)) => {
                        let (remote, local) = (remote.octets(), local.octets());
                        let mut asked = self.queries(FlowKey4 { remote, local, remote_port, local_port });
                        worker.inspect4(&mut asked);
                        facts.extend(answers(&asked).map(|(slot, info)| (tuple, core, slot, info)));
                    }
                    (IpAddr::V6(remote), IpAddr::V6(local)) => {
                        let (remote, local) = (remote.octets(), local.octets());
                        let mut asked = self.queries(FlowKey6 { remote, local, remote_port, local_port });
                        worker.inspect6(&mut asked);
                        facts.extend(answers(&asked).map(|(slot, info)| (tuple, core, slot, info)));
                    }
                    mixed => panic!("both addresses are of one family: {mixed:?}"),
                }
            }
        }
        facts
    }

    /// Whether any slot has this connection.
    fn queries<K: Copy>(&self, key: K) -> Vec<ConnQuery<K>> {
        (0..self.slots).map(|slot| ConnQuery { key, slot: Slot(slot), facts: None }).collect()
    }
}

fn answers<K>(asked: &[ConnQuery<K>]) -> impl Iterator<Item = (Slot, ConnInfo)> {
    asked.iter().filter_map(|query| query.facts.map(|info| (query.slot, info)))
}

/// Names the first difference.
fn differ<T: PartialEq + std::fmt::Debug>(what: &str, general: &[T], quick: &[T]) -> Result<(), String> {
    if general == quick {
        return Ok(());
    }
    let at = general.iter().zip(quick).take_while(|(general, quick)| general == quick).count();
    let (lens, at_general, at_quick) = ((general.len(), quick.len()), general.get(at), quick.get(at));
    Err(format!("{what} {lens:?}, at {at}:\n  general {at_general:02x?}\n  quick   {at_quick:02x?}"))
}
