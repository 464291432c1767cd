//! Scenarios of TCP, played by real stacks and recorded: one end is the engine, the other the Linux kernel or the
//! engine too. The link between them is a relay in user space, so loss, delay and crossing are deterministic.
//!
//! - `catalogue`: the scenarios and their explanations; `scripts`: their steps.
//! - `play`: the environment of a script; `engine_end`, `kernel`: the ends; `relay`: the link.
//!
//! May use `engine`, `service` and `trace`.

mod catalogue;
mod engine_end;
mod error;
mod kernel;
mod play;
mod relay;
mod scripts;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

pub use catalogue::{SCENARIOS, Scenario};
pub use error::TraceError;

use handfast_stack::wire::Mac;
use handfast_trace::{Diagram, DiagramOptions, Picture};

/// Timeout of each wait. Timeouts of TCP in the scenarios are a second.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Pauses in the scenarios take a second; shorter ones are scheduling delays.
const MIN_WAIT: Duration = Duration::from_millis(750);

/// Suffix of a title.
const OVER_IPV6: &str = " (IPv6)";

/// An end of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Kernel,
    Handfast,
}

impl Peer {
    pub const fn name(self) -> &'static str {
        match self {
            Peer::Kernel => "Linux kernel",
            Peer::Handfast => "handfast",
        }
    }
}

/// Options of a play.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlayOptions {
    /// The client, instead of the default one.
    pub client: Option<Peer>,
    /// Over IPv6.
    pub ipv6: bool,
}

impl PlayOptions {
    /// Removes what the scenario does not allow.
    pub fn allowed(self, scenario: &Scenario) -> PlayOptions {
        PlayOptions { client: self.client.filter(|_| scenario.either), ..self }
    }
}

impl Scenario {
    /// Returns the scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Plays it in a lab of that name, which is created and removed.
    ///
    /// # Errors
    /// [`TraceError`]; nothing is left then.
    pub fn play(&self, lab: &str, options: PlayOptions) -> Result<Picture, TraceError> {
        let client = options.client.unwrap_or(self.client);
        if client != self.client && !self.either {
            return Err(TraceError::Peer { scenario: self.name, peer: client.name() });
        }
        let play = play::Play::new(lab, options.ipv6, client, self.server, (self.wire)())?;
        let record = (self.script)(&play)?;
        let options = DiagramOptions {
            min_wait: MIN_WAIT,
            capture: false,
            cookies: self.cookies,
            notes: self.notes.to_vec(),
        };
        let diagram = Diagram::of(&record, &options);
        Ok(Picture {
            // The relay records the segments between these addresses only.
            title: format!("{}{}", self.title, if play.client.is_ipv6() { OVER_IPV6 } else { "" }),
            summary: self.summary.into(),
            client: format!("client ({})", client.name()),
            server: format!("server ({})", self.server.name()),
            diagram: if self.imagined { diagram.in_two_ways() } else { diagram },
            imagined: self.imagined,
            more: 0,
        })
    }
}

/// Labs at a time: a scenario mostly waits.
const PARALLEL_LABS: usize = 4;

/// Plays all scenarios, a few at a time, in labs whose names begin with `lab`. Returns them in the order of the list.
/// A client that a scenario does not allow is ignored there. Once `stop` is set, no further one begins.
pub fn play_all(
    lab: &str,
    options: PlayOptions,
    stop: &AtomicBool,
) -> Vec<(&'static Scenario, Result<Picture, TraceError>)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for lane in 0..PARALLEL_LABS {
            let (next, done) = (&next, &done);
            scope.spawn(move || {
                while let Some((index, scenario)) = take(next).filter(|_| !stop.load(Ordering::Relaxed)) {
                    let played = scenario.play(&format!("{lab}-{lane}"), options.allowed(scenario));
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, scenario, played));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    done.into_iter().map(|(_, scenario, played)| (scenario, played)).collect()
}

fn take(next: &AtomicUsize) -> Option<(usize, &'static Scenario)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    SCENARIOS.get(index).map(|scenario| (index, scenario))
}

/// Parses one of the lab's MAC addresses.
fn mac(text: &str) -> Mac {
    let mut bytes = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap_or_default());
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}
