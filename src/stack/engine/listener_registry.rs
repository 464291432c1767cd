//! The listeners of a core: replaced as a whole while the core runs.
//!
//! A connection knows its listener by its id alone. So a rule that stays keeps its id through
//! every change, and one that is removed keeps id and service until no connection is left that
//! may be its own (docs/decisions/0021).

use std::collections::{BTreeSet, HashMap};
use std::mem::swap;
use std::sync::Arc;

use ipnet::IpNet;
use thiserror::Error;

use super::fault::FaultInjection;
use super::listeners::{ListenerError, ListenerSet, Listeners};
use crate::tcp::{ACTIVE_OPEN, ConnectionHandler};
use crate::wire::EndpointRange;

/// Why other rules are not taken. The ones before stay in force.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RulesError {
    /// The list itself is invalid.
    #[error(transparent)]
    Listeners(#[from] ListenerError),
    /// A rule keeps the service of an earlier rule that does not exist.
    #[error("{0} is to be answered as before, but nothing answers there")]
    NotThere(EndpointRange),
    /// No listener id is free.
    #[error(
        "the numbers of listeners are used up: {draining} given up ones still have connections; wait until \
         these have ended, or start again"
    )]
    NoNumber { draining: usize },
}

/// The rules in force and those removed, with their ids. Cores never see it.
#[derive(Clone)]
pub(super) struct ListenerRegistry {
    rules: Vec<RegisteredRule>,
    draining: Vec<RegisteredRule>,
    fault: FaultInjection,
}

#[derive(Clone)]
struct RegisteredRule {
    owned: EndpointRange,
    id: u16,
}

/// A rule, and the id that its connections know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Number of the listener, unique among the rules in force and the draining ones.
    pub id: u16,
    /// Addresses and ports that the rule claims.
    pub owned: EndpointRange,
    /// Removed; connections of it may go on.
    pub draining: bool,
}

/// A change that can be made: what the cores are given, and what the registry is then.
pub(super) struct ListenerUpdate {
    pub(super) registry: ListenerRegistry,
    pub(super) rules: Arc<ListenerSet>,
    /// Of the rules that begin: the place in what was asked for, and the id.
    added: Vec<(usize, u16)>,
    keep: Arc<[u16]>,
}

/// One core's part of a change; after [`super::Worker::apply`], what the core had before. It is
/// large: the thread that submitted it frees it.
pub struct CoreUpdate {
    pub(super) rules: Arc<ListenerSet>,
    /// By listener id.
    pub(super) handlers: Vec<Box<dyn ConnectionHandler>>,
    keep: Arc<[u16]>,
}

/// In the place of an unused id.
struct NoService;

impl ConnectionHandler for NoService {}

impl ListenerRegistry {
    /// The first rules, with ids in the order given.
    ///
    /// # Errors
    /// [`ListenerError`]: they contradict each other, or are too many.
    pub(super) fn new(
        owned: impl IntoIterator<Item = EndpointRange>,
        fault: FaultInjection,
    ) -> Result<(ListenerRegistry, Arc<ListenerSet>), ListenerError> {
        let rule = |(place, owned)| RegisteredRule { owned, id: place as u16 };
        let rules = owned.into_iter().enumerate().map(rule).collect();
        let registry = ListenerRegistry { rules, draining: Vec::new(), fault };
        let rules = registry.compile()?;
        Ok((registry, rules))
    }

    /// Everything that steering must bring: also what is only still owned.
    pub(super) fn owned(&self) -> impl Iterator<Item = &EndpointRange> {
        self.rules.iter().chain(&self.draining).map(|rule| &rule.owned)
    }

    /// Whether faults are injected into handshakes.
    pub(super) fn injects_faults(&self) -> bool {
        self.fault != FaultInjection::default()
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = ListenerInfo> {
        let of = |rules: &'_ [RegisteredRule], draining| -> Vec<ListenerInfo> {
            rules
                .iter()
                .map(|rule| ListenerInfo { id: rule.id, owned: rule.owned.clone(), draining })
                .collect()
        };
        of(&self.rules, false).into_iter().chain(of(&self.draining, true))
    }

    /// Rules that were removed and may have connections.
    pub(super) fn draining(&self) -> impl Iterator<Item = &EndpointRange> {
        self.draining.iter().map(|rule| &rule.owned)
    }

    /// Other rules: each with whether it is one of those in force, with its service.
    ///
    /// # Errors
    /// [`RulesError`]; nothing has changed.
    pub(super) fn change(
        &self,
        wanted: &[(EndpointRange, bool)],
        fault: FaultInjection,
    ) -> Result<ListenerUpdate, RulesError> {
        let before: HashMap<&EndpointRange, u16> =
            self.rules.iter().map(|rule| (&rule.owned, rule.id)).collect();
        let taken: BTreeSet<u16> = self.rules.iter().chain(&self.draining).map(|rule| rule.id).collect();
        let mut free = (0..ACTIVE_OPEN).filter(|id| !taken.contains(id));
        let (mut rules, mut added) = (Vec::with_capacity(wanted.len()), Vec::new());
        for (place, (owned, as_before)) in wanted.iter().enumerate() {
            let id = if *as_before {
                *before.get(owned).ok_or_else(|| RulesError::NotThere(owned.clone()))?
            } else {
                let id = free.next().ok_or(RulesError::NoNumber { draining: self.draining.len() })?;
                added.push((place, id));
                id
            };
            rules.push(RegisteredRule { owned: owned.clone(), id });
        }
        let kept: BTreeSet<u16> = rules.iter().map(|rule| rule.id).collect();
        let removed = self.rules.iter().filter(|rule| !kept.contains(&rule.id));
        let draining = self.draining.iter().chain(removed).cloned().collect();
        Ok(ListenerRegistry { rules, draining, fault }.plan(added)?)
    }

    /// Forgets removed rules of which none of these says that it is in use; they stand in the order
    /// of [`ListenerRegistry::draining`]. `None`: there is nothing to forget.
    pub(super) fn forget(&self, in_use: &[bool]) -> Option<ListenerUpdate> {
        let mut in_use = in_use.iter();
        let mut registry = self.clone();
        registry.draining.retain(|_| in_use.next().is_none_or(|in_use| *in_use));
        let fewer = registry.draining.len() < self.draining.len();
        fewer.then(|| registry.plan(Vec::new()).ok()).flatten()
    }

    fn plan(self, added: Vec<(usize, u16)>) -> Result<ListenerUpdate, ListenerError> {
        let rules = self.compile()?;
        let begins: BTreeSet<u16> = added.iter().map(|(_, id)| *id).collect();
        let all = self.rules.iter().chain(&self.draining).map(|rule| rule.id);
        let keep = all.filter(|id| !begins.contains(id)).collect();
        Ok(ListenerUpdate { registry: self, rules, added, keep })
    }

    fn compile(&self) -> Result<Arc<ListenerSet>, ListenerError> {
        let rules = self.rules.iter().map(|rule| (rule.owned.prefix, rule.owned.ports.clone(), rule.id));
        // Each prefix once, so that no two of them contradict each other.
        let draining: BTreeSet<IpNet> = self.draining.iter().map(|rule| rule.owned.prefix).collect();
        Ok(Arc::new(ListenerSet {
            listeners: Listeners::new(rules)?.with_ids(),
            draining: Listeners::new(draining.into_iter().map(|net| (net, 1..=u16::MAX, ())))?,
            fault: self.fault,
        }))
    }

    /// Room for the handlers of all ids.
    fn max_ids(&self) -> usize {
        let highest = self.rules.iter().chain(&self.draining).map(|rule| rule.id).max();
        highest.map_or(0, |highest| usize::from(highest) + 1)
    }
}

impl ListenerUpdate {
    /// What one core is given. `make` makes the handler of a rule that begins, by its place in what
    /// was asked for.
    pub(super) fn for_core(&self, make: impl Fn(usize) -> Box<dyn ConnectionHandler>) -> CoreUpdate {
        // No allocation: NoService has no size.
        let mut handlers: Vec<Box<dyn ConnectionHandler>> =
            (0..self.registry.max_ids()).map(|_| Box::new(NoService) as Box<dyn ConnectionHandler>).collect();
        for (place, id) in &self.added {
            if let Some(handler) = handlers.get_mut(usize::from(*id)) {
                *handler = make(*place);
            }
        }
        CoreUpdate { rules: Arc::clone(&self.rules), handlers, keep: Arc::clone(&self.keep) }
    }
}

impl CoreUpdate {
    /// Swaps with what the core has; handlers that stay go over.
    pub(super) fn swap(
        &mut self,
        rules: &mut Arc<ListenerSet>,
        handlers: &mut Vec<Box<dyn ConnectionHandler>>,
    ) {
        for id in self.keep.iter().map(|id| usize::from(*id)) {
            if let (Some(new), Some(old)) = (self.handlers.get_mut(id), handlers.get_mut(id)) {
                swap(new, old);
            }
        }
        swap(&mut self.handlers, handlers);
        swap(&mut self.rules, rules);
    }
}

#[cfg(test)]
mod tests;
