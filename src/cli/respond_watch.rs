//! The main loop of a responder until it ends.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::notify::Notifier;
use super::reload::Reloader;
use super::{Listen, RespondArgs, out};
use handfast_control::StatusSource;
use handfast_report::Rates;
use handfast_stack::engine::ListenerInfo;
use handfast_stack::engine::stack::{Effective, Running};

/// Interval between two checks of signals, the duration and the interfaces.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Default interval between two lines of rates, on a terminal.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);

/// What the main loop watches and updates.
pub(super) struct RespondWatch<'a> {
    running: &'a Running,
    source: &'a StatusSource,
    reloader: Option<Reloader>,
    names: BTreeMap<u16, String>,
    alarm: Alarm,
}

impl<'a> RespondWatch<'a> {
    pub(super) fn new(
        running: &'a Running,
        active: &Effective,
        source: &'a StatusSource,
        reloader: Option<Reloader>,
    ) -> RespondWatch<'a> {
        RespondWatch { running, source, reloader, names: BTreeMap::new(), alarm: Alarm::new(active) }
    }

    /// Until a signal, the duration, or a fault; a line of rates at each interval.
    pub(super) fn until_the_end(
        mut self,
        arguments: &RespondArgs,
        stop: &AtomicBool,
        notifier: &mut Notifier,
    ) {
        let running = self.running;
        let began = Instant::now();
        let (mut rates, mut status) = (Rates::default(), Rates::default());
        let every = arguments.interval.unwrap_or(DEFAULT_INTERVAL);
        let mut next = every;
        let mut captures = true;
        self.name(&arguments.listeners);
        loop {
            let elapsed = began.elapsed();
            let over = arguments.duration.is_some_and(|limit| elapsed >= limit);
            let stopped = stop.load(Ordering::Relaxed) || out::reader_has_gone();
            if over || stopped || running.fault().is_some() {
                return;
            }
            let news = running.news();
            news.iter().filter(|_| !arguments.quiet).for_each(|news| println!("note: {news}"));
            if let (true, Some(error)) = (captures, running.capture_failure()) {
                captures = false;
                println!("warning: the capture has ended, the responder goes on: {error}");
            }
            self.alarm.look(running).iter().for_each(|trouble| println!("warning: {trouble}"));
            if !every.is_zero() && elapsed >= next {
                next = elapsed + every;
                let snapshot = running.snapshot();
                let seen = match arguments.interval {
                    _ if arguments.quiet => false,
                    Some(_) => true,
                    None => out::is_watched(&std::io::stdout()) && rates.have_changed(&snapshot),
                };
                if seen {
                    println!("{}", rates.line(&snapshot, elapsed));
                }
            }
            notifier.tick(|| status.line(&running.snapshot(), elapsed));
            self.reload();
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn reload(&mut self) {
        let Some(reloader) = &mut self.reloader else { return };
        if reloader.look(self.running) {
            let listeners = reloader.listeners().to_vec();
            self.name(&listeners);
        }
    }

    /// Connections know their listener by number: its name for those who ask.
    fn name(&mut self, listeners: &[Listen]) {
        self.names = names(&self.names, self.running.listeners(), listeners);
        self.source.set_listeners(self.names.clone());
    }
}

const GIVEN_UP: &str = " (given up)";

/// By number. What was given up keeps the name it had.
fn names(
    before: &BTreeMap<u16, String>,
    rules: Vec<ListenerInfo>,
    listeners: &[Listen],
) -> BTreeMap<u16, String> {
    let name = |rule: &ListenerInfo| match (rule.draining, before.get(&rule.id)) {
        (true, Some(name)) if name.ends_with(GIVEN_UP) => name.clone(),
        (true, Some(name)) => format!("{name}{GIVEN_UP}"),
        (true, None) => format!("{}{GIVEN_UP}", rule.owned),
        (false, _) => {
            let listen = listeners.iter().find(|listen| listen.owned == rule.owned);
            listen.map_or_else(|| rule.owned.to_string(), ToString::to_string)
        }
    };
    rules.iter().map(|rule| (rule.id, name(rule))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listens(texts: &[&str]) -> Vec<Listen> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rule(number: u16, owned: &str, draining: bool) -> ListenerInfo {
        ListenerInfo { id: number, owned: owned.parse().unwrap(), draining }
    }

    #[test]
    fn a_service_that_was_traded_keeps_its_name_while_it_has_connections() {
        let first =
            names(&BTreeMap::new(), vec![rule(0, "10.0.0.1:80", false)], &listens(&["10.0.0.1:80=echo"]));
        assert_eq!(first[&0], "10.0.0.1:80=echo");
        let rules = vec![rule(1, "10.0.0.1:80", false), rule(0, "10.0.0.1:80", true)];
        let then = names(&first, rules.clone(), &listens(&["10.0.0.1:80=http"]));
        assert_eq!((&*then[&1], &*then[&0]), ("10.0.0.1:80=http", "10.0.0.1:80=echo (given up)"));
        assert_eq!(names(&then, rules, &listens(&["10.0.0.1:80=http"])), then);
    }
}
