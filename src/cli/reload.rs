//! SIGHUP: the file is read again, and its listeners are applied to the running stack.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::abbreviated::abbreviated;
use super::config::{Config, Reread};
use super::root_files::RootFiles;
use super::take_over::Place;
use super::{Failure, Listen, RespondArgs, signals, take_over};
use handfast_stack::engine::FaultInjection;
use handfast_stack::engine::stack::{ListenChange, ListenError, Running};
use handfast_stack::tcp::IdleLimits;

/// Interval between two checks whether removed listeners still have connections.
const RELEASE_INTERVAL: Duration = Duration::from_secs(5);
/// A check reads the whole table: it may take one part in this many of the time.
const RELEASE_SHARE: u32 = 100;

const UNCHANGED: &str = "nothing was changed: the previous configuration stays in force";

/// Applies the file to the running stack.
pub(super) struct Reloader {
    config: Config,
    /// For files that only root can read.
    files: Option<Arc<RootFiles>>,
    hangup: Arc<AtomicBool>,
    listeners: Vec<Listen>,
    fault: FaultInjection,
    limits: IdleLimits,
    /// When to check the removed listeners next.
    release: Instant,
}

impl Reloader {
    /// From now on SIGHUP does not end the process.
    pub(crate) fn new(
        config: Config,
        arguments: &RespondArgs,
        files: Option<Arc<RootFiles>>,
    ) -> Result<Reloader, Failure> {
        Ok(Reloader {
            config,
            files,
            hangup: signals::hangup()?,
            listeners: arguments.listeners.clone(),
            fault: arguments.fault.unwrap_or_default(),
            limits: arguments.idle.limits(),
            release: Instant::now() + RELEASE_INTERVAL,
        })
    }

    /// Does what is due, and returns whether there was anything. Several signals since the last call count
    /// as one.
    pub(crate) fn look(&mut self, running: &Running) -> bool {
        let (hangup, release) = (self.hangup.swap(false, Ordering::Relaxed), Instant::now() >= self.release);
        if hangup {
            self.reload(running);
        }
        if release {
            self.release_removed(running);
        }
        hangup || release
    }

    /// The listeners in force.
    pub(crate) fn listeners(&self) -> &[Listen] {
        &self.listeners
    }

    fn reload(&mut self, running: &Running) {
        let path = self.config.path().display().to_string();
        match self.config.again(self.files.as_deref()).map(|again| self.taken(again)) {
            Ok(Err(refused)) => eprintln!("{}\n{UNCHANGED}", refused.of_what(&path)),
            Ok(Ok(Reread { arguments, restart })) => match self.listen(running, &arguments) {
                Ok(changes) => {
                    println!("reloaded {path}: {changes}");
                    restart.iter().for_each(|key| {
                        println!("note: the new value of `{key}` takes effect after a restart");
                    });
                }
                Err(error @ (ListenError::Rules(_) | ListenError::Steering { .. })) => {
                    eprintln!("handfast: {path}: {error}\n{UNCHANGED}");
                }
                Err(error) => eprintln!("handfast: {path}: {error}"),
            },
            Err(bad) => eprintln!("handfast: {bad}\n{UNCHANGED}"),
        }
    }

    /// Prints what new listeners take from the kernel of this host, or refuses them.
    fn taken(&self, again: Reread) -> Result<Reread, Failure> {
        let is_new = |listen: &&Listen| !self.listeners.contains(listen);
        let added: Vec<Listen> = again.arguments.listeners.iter().filter(is_new).cloned().collect();
        take_over::check(&Place::of(&again.arguments), &added)?
            .iter()
            .for_each(|note| println!("note: {note}"));
        Ok(again)
    }

    /// Applies the listeners. Returns the changes, in one line.
    fn listen(&mut self, running: &Running, arguments: &RespondArgs) -> Result<String, ListenError> {
        let fault = arguments.fault.unwrap_or_default();
        let before: HashSet<String> = self.listeners.iter().map(ToString::to_string).collect();
        let after: HashSet<String> = arguments.listeners.iter().map(ToString::to_string).collect();
        let without = |these: &[Listen], those: &HashSet<String>, sign: char| -> Vec<String> {
            let names = these.iter().map(ToString::to_string).filter(|name| !those.contains(name));
            names.map(|name| format!("{sign}{name}")).collect()
        };
        let added = without(&arguments.listeners, &before, '+');
        let removed = without(&self.listeners, &after, '-');
        if added.is_empty() && removed.is_empty() && fault == self.fault {
            return Ok("the listeners are the same".into());
        }
        // Limits for silent peers need a restart, except those of a listener itself.
        let limits = self.limits;
        let answer = |listen: &Listen| {
            let own = listen.clone();
            match before.contains(&listen.to_string()) {
                true => ListenChange::Keep,
                false => ListenChange::Replace(Box::new(move || own.user(limits))),
            }
        };
        let wanted = arguments.listeners.iter().map(|listen| (listen.owned.clone(), answer(listen)));
        let taken = running.listen(wanted.collect(), fault);
        if matches!(taken, Err(ListenError::Rules(_) | ListenError::Steering { .. })) {
            return taken.map(|()| String::new());
        }
        let same = arguments.listeners.len() - added.len();
        let mut parts = Vec::new();
        for changed in [added, removed].into_iter().filter(|changed| !changed.is_empty()) {
            parts.push(abbreviated(changed.into_iter()));
        }
        parts.push(format!("{same} unchanged"));
        if fault != self.fault {
            parts.push("new faults".into());
        }
        self.listeners.clone_from(&arguments.listeners);
        self.fault = fault;
        // A core that is not scheduled applies them later.
        taken.map(|()| parts.join(", "))
    }

    fn release_removed(&mut self, running: &Running) {
        let began = Instant::now();
        if let Err(error) = running.release() {
            eprintln!("handfast: {error}; handfast keeps the removed addresses and ports meanwhile");
        }
        self.release = Instant::now() + RELEASE_INTERVAL.max(began.elapsed() * RELEASE_SHARE);
    }
}
