//! Scenarios of TCP, played for real and written down: one end is our engine, the other the Linux
//! kernel or our engine as well, and the wire between them is in our hands (`relay`), so that what is
//! lost, late or crossing is no accident.
//!
//! - `catalogue`: the scenarios, and what is said of them; `scripts`: what happens in each.
//! - `play`: what a script stands on; `ours`, `kernel`: the ends; `relay`: the wire.
//!
//! May use `engine`, `service` and `trace`.

mod catalogue;
mod error;
mod kernel;
mod ours;
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

/// The longest wait for what must come. Time-outs of TCP in the scenarios take a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits in the scenarios take a second; what is shorter is this machine's mood.
const MIN_WAIT: Duration = Duration::from_millis(750);

/// Behind a title.
const OVER_IPV6: &str = " (IPv6)";

/// Who is at an end.
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

/// How a scenario is played.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    /// The client, instead of the usual one.
    pub client: Option<Peer>,
    /// Over IPv6.
    pub ipv6: bool,
}

impl Choice {
    /// As far as the scenario allows it.
    pub fn allowed(self, scenario: &Scenario) -> Choice {
        Choice { client: self.client.filter(|_| scenario.either), ..self }
    }
}

impl Scenario {
    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Plays it in a lab of that name, which is made and removed.
    ///
    /// # Errors
    /// [`TraceError`]; nothing is left then.
    pub fn play(&self, lab: &str, choice: Choice) -> Result<Picture, TraceError> {
        let client = choice.client.unwrap_or(self.client);
        if client != self.client && !self.either {
            return Err(TraceError::Peer { scenario: self.name, peer: client.name() });
        }
        let play = play::Play::new(lab, choice.ipv6, client, self.server, (self.wire)())?;
        let record = (self.script)(&play)?;
        let options = DiagramOptions {
            min_wait: MIN_WAIT,
            capture: false,
            cookies: self.cookies,
            notes: self.notes.to_vec(),
        };
        let diagram = Diagram::of(&record, &options);
        Ok(Picture {
            // The relay saw nothing but what passed between these addresses.
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

/// Labs at a time: most of a scenario's time is waiting.
const TOGETHER: usize = 4;

/// Plays all scenarios, a few at a time, in labs whose names begin with `lab`; in the order of the
/// list. A client that a scenario does not allow is left out there. Those that play when `stop`
/// becomes true are the last.
pub fn play_all(
    lab: &str,
    choice: Choice,
    stop: &AtomicBool,
) -> Vec<(&'static Scenario, Result<Picture, TraceError>)> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for lane in 0..TOGETHER {
            let (next, done) = (&next, &done);
            scope.spawn(move || {
                while let Some((index, scenario)) = take(next).filter(|_| !stop.load(Ordering::Relaxed)) {
                    let played = scenario.play(&format!("{lab}-{lane}"), choice.allowed(scenario));
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

/// Of one of the lab's own addresses.
fn mac(text: &str) -> Mac {
    let mut octets = text.split(':').map(|octet| u8::from_str_radix(octet, 16).unwrap_or_default());
    std::array::from_fn(|_| octets.next().unwrap_or_default())
}
