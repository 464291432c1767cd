//! Other listeners for a stack at work, without losing a connection.
//!
//! Steering comes first: its new rules hold what is wanted, what goes on being listened to, and
//! what is given up but has connections. So at no moment does a segment of a connection go to the
//! kernel, which would answer with a RST. A SYN that comes before its core has the new listener
//! meets a closed port. Then every core trades its rules between two polls.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::replace;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::devices::OpenDevice;
use super::{Running, ServiceFactory};
use crate::engine::inspect::Tables;
use crate::engine::listener_registry::{CoreUpdate, ListenerInfo, ListenerRegistry, RulesError};
use crate::engine::{CommandQueueFull, FaultInjection};
use crate::wire::{EndpointRange, FlowKey};
use crate::xdp::{ProgramError, SteeringRule};

/// How long the cores may take: a poll is far shorter, but the machine may be busy with others.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a core that takes no more orders is left alone.
const PAUSE: Duration = Duration::from_millis(1);

/// What of the listeners is nothing to the cores.
pub(super) struct Listening {
    book: Mutex<ListenerRegistry>,
    /// Ours without a listener.
    sources: Vec<EndpointRange>,
    devices: Arc<[OpenDevice]>,
    /// The machine's own addresses: there the kernel keeps the ports that no rule takes.
    local: Mutex<Vec<IpAddr>>,
    /// How often what is owned was changed.
    changes: AtomicU64,
}

/// Who answers at some addresses and ports from now on.
pub enum ListenChange {
    /// Who does now: at exactly these addresses and ports.
    Keep,
    /// Another service. Connections there are go on with theirs.
    Replace(ServiceFactory),
}

/// Why there are no other listeners.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The rules are invalid.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The steering program of an interface did not take the rules.
    #[error("{interface}: {source}")]
    Steering { interface: String, source: ProgramError },
    /// The command queue of a core is full.
    #[error(transparent)]
    CommandQueueFull(#[from] CommandQueueFull),
    /// Some cores did not confirm the rules in time.
    #[error("{missing} cores have not taken the listeners within {} s; they will when they get to run", TIMEOUT.as_secs())]
    Slow { missing: usize },
}

impl Listening {
    pub(super) fn new(
        book: ListenerRegistry,
        sources: Vec<EndpointRange>,
        devices: Arc<[OpenDevice]>,
        local: Vec<IpAddr>,
    ) -> Listening {
        Listening {
            book: Mutex::new(book),
            sources,
            devices,
            local: Mutex::new(local),
            changes: AtomicU64::new(0),
        }
    }

    /// From now on these are the machine's own addresses. Needs no capability (Linux 5.19 or newer).
    ///
    /// # Errors
    /// [`ListenError::Steering`]; everything is as it was.
    pub(super) fn set_local(&self, local: Vec<IpAddr>) -> Result<(), ListenError> {
        let book = self.book();
        let before = replace(&mut *self.local(), local);
        let steered = self.steer(&book, &book);
        if steered.is_err() {
            *self.local() = before;
            // Of several devices the first ones may have the new rules.
            let _ = self.steer(&book, &book);
        }
        steered
    }

    /// Everything that steering brings, in the order of the rules.
    pub(super) fn owned(&self) -> Vec<EndpointRange> {
        self.book().owned().chain(&self.sources).cloned().collect()
    }

    /// The numbers of the listeners in force, and whether faults are injected.
    pub(super) fn answering(&self) -> (Vec<u16>, bool) {
        let book = self.book();
        let infos = book.infos().filter(|info| !info.draining);
        (infos.map(|info| info.id).collect(), book.injects_faults())
    }

    /// Another number: what is owned is something else now.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// What is owned from now on.
    fn set_book(&self, mut book: MutexGuard<'_, ListenerRegistry>, changed: ListenerRegistry) {
        *book = changed;
        // A reader of the number takes the lock to see the book.
        self.changes.fetch_add(1, Relaxed);
    }

    fn book(&self) -> MutexGuard<'_, ListenerRegistry> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn local(&self) -> MutexGuard<'_, Vec<IpAddr>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On every device or, if one fails, on none.
    fn steer(&self, before: &ListenerRegistry, after: &ListenerRegistry) -> Result<(), ListenError> {
        let rules = |book: &ListenerRegistry| steering_rules(book, &self.sources);
        let (after, local) = (rules(after), self.local().clone());
        for (number, open) in self.devices.iter().enumerate() {
            if let Err(source) = open.program.replace_rules(&after, &local) {
                let before = rules(before);
                for done in &self.devices[..number] {
                    // What was in force a moment ago fits again.
                    let _ = done.program.replace_rules(&before, &local);
                }
                return Err(ListenError::Steering { interface: open.device.name.clone(), source });
            }
        }
        Ok(())
    }
}

/// The rules of the steering program: those of listeners in force with their numbers.
pub(super) fn steering_rules(book: &ListenerRegistry, sources: &[EndpointRange]) -> Vec<SteeringRule> {
    let listened = book.infos().map(|ListenerInfo { id, owned, draining }| SteeringRule {
        owned,
        listener: (!draining).then_some(id),
    });
    listened.chain(sources.iter().map(SteeringRule::from)).collect()
}

impl Running {
    /// Listens to `wanted` and nothing else from now on. Connections of what is given up go on with
    /// their service until they end; new ones there are refused. `fault` is for all SYNs to come.
    ///
    /// Needs no capability (Linux 5.19 or newer). From any thread, one change at a time.
    ///
    /// # Errors
    /// [`ListenError`]; `ListenerSet` and `Steering` leave everything as it was.
    pub fn listen(
        &self,
        wanted: Vec<(EndpointRange, ListenChange)>,
        fault: FaultInjection,
    ) -> Result<(), ListenError> {
        let book = self.listening.book();
        let is_before = |answer: &ListenChange| matches!(answer, ListenChange::Keep);
        let asked: Vec<_> = wanted.iter().map(|(owned, answer)| (owned.clone(), is_before(answer))).collect();
        let plan = book.change(&asked, fault)?;
        let change = || {
            plan.for_core(|place| match wanted.get(place) {
                Some((_, ListenChange::Replace(factory))) => factory(),
                _ => unreachable!("a rule that begins comes with its service"),
            })
        };
        self.listening.steer(&book, &plan.registry)?;
        let taken = self.broadcast(change);
        self.listening.set_book(book, plan.registry);
        taken
    }

    /// Gives back what was given up and has no connections any more: from then on it is the
    /// kernel's. Reads the whole table where there is anything to give back; how many rules were.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn release(&self) -> Result<usize, ListenError> {
        let book = self.listening.book();
        let draining: Vec<&EndpointRange> = book.draining().collect();
        if draining.is_empty() {
            return Ok(0);
        }
        let in_use = in_use(&draining, self.tables());
        let Some(plan) = book.forget(&in_use) else { return Ok(0) };
        let change = || plan.for_core(|_| unreachable!("no rule begins"));
        self.listening.steer(&book, &plan.registry)?;
        let taken = self.broadcast(change);
        self.listening.set_book(book, plan.registry);
        taken?;
        Ok(in_use.iter().filter(|in_use| !**in_use).count())
    }

    /// What is owned, by the number that its connections have: also what was given up and may still
    /// have some.
    pub fn listeners(&self) -> Vec<ListenerInfo> {
        self.listening.book().infos().collect()
    }

    /// Draining listeners: removed, perhaps with connections left.
    pub fn draining(&self) -> usize {
        self.listening.book().draining().count()
    }

    /// To every core, and waits until all have it. What was given out is taken, sooner or later, so
    /// there is no way back from here.
    fn broadcast(&self, change: impl Fn() -> CoreUpdate) -> Result<(), ListenError> {
        let (sender, done) = sync_channel(self.cores());
        for core in 0..self.cores() {
            self.send_to(core, &change, &sender)?;
        }
        let deadline = Instant::now() + TIMEOUT;
        for taken in 0..self.cores() {
            // What comes back is freed here.
            if done.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_err() {
                return Err(ListenError::Slow { missing: self.cores() - taken });
            }
        }
        Ok(())
    }

    fn send_to(
        &self,
        core: usize,
        change: impl Fn() -> CoreUpdate,
        done: &SyncSender<CoreUpdate>,
    ) -> Result<(), ListenError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let (mut change, done) = (change(), done.clone());
            let order = Box::new(move |worker: &mut crate::engine::Worker<_>| {
                worker.apply(&mut change);
                // There is room for every core's; nobody waits any more only after TIMEOUT.
                let _ = done.try_send(change);
            });
            match self.order(core, order) {
                Err(refused) if Instant::now() >= deadline => return Err(refused.into()),
                Err(_) => sleep(PAUSE),
                Ok(()) => return Ok(()),
            }
        }
    }
}

/// Which of the rules some connection's local end lies in.
fn in_use(rules: &[&EndpointRange], tables: Option<&Tables>) -> Vec<bool> {
    let mut finder = Finder::new(rules);
    if let Some(tables) = tables {
        tables.v4.for_each_key(|key, _| finder.note(key.local()));
        tables.v6.for_each_key(|key, _| finder.note(key.local()));
    }
    finder.in_use
}

/// Listeners by prefix: there may be thousands, and millions of connections.
struct Finder<'a> {
    rules: &'a [&'a EndpointRange],
    by_prefix: BTreeMap<IpNet, Vec<usize>>,
    lengths: BTreeSet<u8>,
    in_use: Vec<bool>,
}

impl<'a> Finder<'a> {
    fn new(rules: &'a [&'a EndpointRange]) -> Finder<'a> {
        let mut by_prefix: BTreeMap<IpNet, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            by_prefix.entry(rule.prefix).or_default().push(index);
        }
        let lengths = rules.iter().map(|rule| rule.prefix.prefix_len()).collect();
        Finder { rules, by_prefix, lengths, in_use: vec![false; rules.len()] }
    }

    fn note(&mut self, local: SocketAddr) {
        for length in &self.lengths {
            let prefix = IpNet::new(local.ip(), *length).map(|net| net.trunc());
            let rules = prefix.ok().and_then(|prefix| self.by_prefix.get(&prefix));
            for index in rules.into_iter().flatten() {
                self.in_use[*index] |= self.rules[*index].ports.contains(&local.port());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_in_use_by_connections_to_its_addresses_and_ports() {
        let texts = ["10.0.0.0/24:80-90", "10.0.0.7:443", "10.0.0.0/24:22", "[2001:db8::]/64:80"];
        let rules: Vec<EndpointRange> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let rules: Vec<&EndpointRange> = rules.iter().collect();
        for (local, wanted) in [
            ("10.0.0.7:80", [true, false, false, false]),
            ("10.0.0.7:443", [false, true, false, false]),
            ("10.0.0.8:443", [false; 4]),
            ("10.0.1.7:80", [false; 4]),
            ("[2001:db8::1]:80", [false, false, false, true]),
        ] {
            let mut finder = Finder::new(&rules);
            finder.note(local.parse().unwrap());
            assert_eq!(finder.in_use, wanted, "{local}");
        }
    }
}
