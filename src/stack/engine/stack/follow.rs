//! What becomes of the interfaces and addresses of this machine while a stack is at work: a thread
//! that hears of changes, and gives them to steering and cores. It needs no capability.

mod conflicts;
mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

use super::StartError;
use super::announce::{Schedule, candidates};
use super::devices::{Given, OpenDevice, links};
use super::listening::Listening;
use super::watch::Names;
use crate::engine::command_queue::CommandQueue;
use crate::engine::runner::wake_event;
use crate::wire::ParseConfig;
use crate::xdp::{Changes, Network};
use conflicts::Conflicts;

/// How often conflicts are looked for, and other listeners; also what failed is tried again then.
const TICK: Duration = Duration::from_secs(1);
/// Sentences that wait to be read, at most: beyond it the oldest goes.
const NEWS: usize = 64;

/// What is followed, and whom it concerns.
pub(super) struct Followed {
    pub(super) changes: Changes,
    pub(super) devices: Arc<[OpenDevice]>,
    pub(super) listening: Arc<Listening>,
    pub(super) orders: Vec<Arc<CommandQueue>>,
    /// By device: the core of its first queue, which announces.
    pub(super) speakers: Vec<usize>,
    pub(super) given: Given,
    /// As the stack was opened with.
    pub(super) network: Network,
    /// By device: what the cores have.
    pub(super) policies: Vec<ParseConfig>,
    pub(super) names: Names,
}

/// Before its thread runs.
pub(super) struct Follow {
    followed: Followed,
    /// The addresses that steering knows as the machine's own.
    local: BTreeSet<IpAddr>,
    /// Those that it was given and could not take.
    refused: Option<BTreeSet<IpAddr>>,
    schedule: Schedule,
    /// Those that were announced or are being announced.
    announced: BTreeSet<IpAddr>,
    /// [`Listening::changes`] when these were chosen.
    listened: u64,
    /// `None`: others are meant to have our addresses as well.
    conflicts: Option<Conflicts>,
    /// By device: whether the eBPF program can answer SYNs there, where that may change.
    answers: Vec<Option<bool>>,
    /// Something is left to be done again.
    again: bool,
    stop: Arc<EventFd>,
    news: News,
}

#[derive(Clone, Default)]
struct News(Arc<Mutex<Vec<String>>>);

/// The thread.
pub(super) struct Follower {
    thread: Option<JoinHandle<()>>,
    stop: Arc<EventFd>,
    news: News,
}

impl Follower {
    pub(super) fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.news.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it: it holds the steering programs.
    pub(super) fn stop(&mut self) {
        // It fails only when the count is at its limit: then it is readable anyway.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // After a panic the stack goes on with what it knows.
            let _ = thread.join();
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

impl News {
    fn add(&self, sentence: String) {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if news.len() == NEWS {
            news.remove(0);
        }
        news.push(sentence);
    }
}

impl Follow {
    /// `times`: how often an address that is ours alone is announced.
    pub(super) fn new(followed: Followed, times: u32, no_arp: bool) -> Result<Follow, StartError> {
        let stop = wake_event().map_err(|errno| StartError::Thread(errno.into()))?;
        Ok(Follow {
            local: followed.network.local().into_iter().collect(),
            refused: None,
            schedule: Schedule::new(if no_arp { 0 } else { times }),
            announced: BTreeSet::new(),
            listened: followed.listening.changes(),
            conflicts: (!no_arp).then(Conflicts::default),
            answers: followed
                .devices
                .iter()
                .map(|open| open.may_change().then(|| open.can_answer()))
                .collect(),
            again: false,
            stop: Arc::new(stop),
            news: News::default(),
            followed,
        })
    }

    pub(super) fn start(self) -> std::io::Result<Follower> {
        let (stop, news) = (self.stop.clone(), self.news.clone());
        let thread = std::thread::Builder::new().name("hf-follow".into()).spawn(|| self.run())?;
        Ok(Follower { thread: Some(thread), stop, news })
    }

    fn run(mut self) {
        self.choose_announcements();
        let mut tick = Instant::now();
        while !self.wait(tick + TICK) {
            let ticks = tick.elapsed() >= TICK;
            if self.followed.changes.take() || (ticks && self.again) {
                self.look();
            }
            if ticks {
                tick = Instant::now();
                if self.followed.listening.changes() != self.listened {
                    self.choose_announcements();
                }
                self.look_for_conflicts();
                self.follow_tier();
            }
            self.announce();
        }
    }

    /// Until something has changed or is due; true: until the end.
    fn wait(&self, tick: Instant) -> bool {
        let due = self.schedule.due().map_or(tick, |due| due.min(tick));
        // Rounded up: a poll of zero milliseconds would spin.
        let wait = due.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let ready = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [ready(self.stop.as_fd()), ready(self.followed.changes.as_fd())];
        // EINTR is a short wait.
        let _ = poll(&mut fds, PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX));
        fds[0].any().unwrap_or(false)
    }

    /// Something has changed: what it was is seen by comparison.
    fn look(&mut self) {
        let Ok(network) = Network::read() else {
            self.again = true;
            return;
        };
        self.again = false;
        self.followed.network = network;
        self.follow_names();
        self.follow_addresses();
        self.follow_policies();
        self.choose_announcements();
    }

    fn follow_names(&mut self) {
        let Followed { devices, network, names, .. } = &self.followed;
        let mut names = names.write().unwrap_or_else(PoisonError::into_inner);
        for device in devices.iter().map(|open| &open.device) {
            let Some(interface) = network.at(device.index) else { continue };
            let before = names.insert(device.name.clone(), interface.name.clone());
            let before = before.unwrap_or_else(|| device.name.clone());
            if before != interface.name {
                self.news.add(format!("interface {before} is called {} now", interface.name));
            }
        }
    }

    /// The machine's own addresses are shared with the kernel, all others of ours are ours alone.
    fn follow_addresses(&mut self) {
        let now: BTreeSet<IpAddr> = self.followed.network.local().into_iter().collect();
        if now == self.local || self.refused.as_ref() == Some(&now) {
            return;
        }
        let Followed { listening, network, .. } = &self.followed;
        match listening.set_local(now.iter().copied().collect()) {
            Ok(()) => {
                let owned = listening.owned();
                let ours = |address: &&IpAddr| owned.iter().any(|owned| owned.prefix.contains(*address));
                let added: Vec<&IpAddr> = now.difference(&self.local).filter(ours).collect();
                let removed: Vec<&IpAddr> = self.local.difference(&now).filter(ours).collect();
                words::addresses(network, &added, &removed).into_iter().for_each(|line| self.news.add(line));
                (self.local, self.refused) = (now, None);
            }
            Err(error) => {
                self.news.add(words::refused(&now, &self.local, &error));
                self.refused = Some(now);
            }
        }
    }

    /// MACs and subnets, to the cores.
    fn follow_policies(&mut self) {
        for number in 0..self.followed.devices.len() {
            let Followed { devices, network, given, policies, .. } = &self.followed;
            let index = devices[number].device.index;
            let policy = given.policy(network, index);
            if policy == policies[number] || network.at(index).is_none() {
                continue;
            }
            let given = self.followed.orders.iter().all(|orders| {
                let policy = policy.clone();
                orders.submit(Box::new(move |worker| worker.set_policy(number, &policy)))
            });
            if !given {
                // A core takes no more orders just now. Those that have it may be given it again.
                self.again = true;
                continue;
            }
            devices[number].configure_tier(&policy);
            let before = std::mem::replace(&mut self.followed.policies[number], policy);
            let now = self.followed.policies[number].mac;
            if before.mac != now {
                let name = self.name(number);
                self.news.add(words::mac(&name, before.mac, now));
                self.schedule.forget(number);
                self.schedule.add(number, self.announced.iter().copied(), Instant::now());
            }
        }
    }

    /// The other end of a veth may begin or cease to take frames from a program.
    fn follow_tier(&mut self) {
        for number in 0..self.answers.len() {
            let (Some(before), open) = (self.answers[number], &self.followed.devices[number]) else {
                continue;
            };
            let now = open.can_answer();
            if now != before {
                open.configure_tier(&self.followed.policies[number]);
                self.answers[number] = Some(now);
                self.news.add(words::tier(&self.name(number), open.transmit().err()));
            }
        }
    }

    /// What has become ours alone is announced; what is so no more is not announced again.
    fn choose_announcements(&mut self) {
        self.listened = self.followed.listening.changes();
        let links = self.links();
        let wanted = candidates(&self.followed.listening.owned(), &self.local, &links);
        self.schedule.retain(&wanted);
        let fresh: Vec<IpAddr> = wanted.difference(&self.announced).copied().collect();
        for device in 0..self.followed.devices.len() {
            self.schedule.add(device, fresh.iter().copied(), Instant::now());
        }
        self.announced = wanted;
    }

    fn announce(&mut self) {
        let Followed { orders, speakers, .. } = &self.followed;
        self.schedule.run(Instant::now(), |device, addresses| {
            let orders = speakers.get(device).and_then(|core| orders.get(*core));
            let order = Box::new(move |worker: &mut crate::engine::Worker<_>| {
                worker.announce(device, &addresses);
            });
            orders.is_some_and(|orders| orders.submit(order))
        });
    }

    fn look_for_conflicts(&mut self) {
        let (links, owned) = (self.links(), self.followed.listening.owned());
        let names = (0..self.followed.devices.len()).map(|number| self.name(number));
        let claims = names.zip(self.followed.devices.iter());
        let claims: Vec<_> = claims.map(|(name, open)| (name, open.program.claims())).collect();
        // Of a link that is taken whole, the note at start has said what becomes of its hosts.
        let is_taken = |link: &&IpNet| owned.iter().any(|owned| owned.prefix.contains(*link));
        let whole: Vec<&IpNet> = links.iter().filter(is_taken).collect();
        let expected = |address: &IpAddr| whole.iter().any(|link| link.contains(address));
        let Some(conflicts) = &mut self.conflicts else { return };
        let lines = conflicts.look(&claims, &self.followed.network, expected, Instant::now());
        lines.into_iter().for_each(|line| self.news.add(line));
    }

    /// The prefixes on the links of all devices.
    fn links(&self) -> Vec<IpNet> {
        let Followed { devices, network, .. } = &self.followed;
        devices.iter().flat_map(|open| links(network, open.device.index)).collect()
    }

    /// What a device is called now.
    fn name(&self, number: usize) -> String {
        let device = &self.followed.devices[number].device;
        self.followed.network.at(device.index).map_or_else(|| device.name.clone(), |now| now.name.clone())
    }
}
