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

use std::time::Duration;

pub use catalogue::{SCENARIOS, Scenario};
pub use error::TraceError;

use crate::trace::{Diagram, Knowledge, Picture};

/// The longest wait for what must come. Time-outs of TCP in the scenarios take a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits in the scenarios take a second; what is shorter is this machine's mood.
const LEAST_WAIT: Duration = Duration::from_millis(750);

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

impl Scenario {
    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Plays it in a lab of that name, which is made and removed. `client`: instead of the usual one.
    ///
    /// # Errors
    /// [`TraceError`]; nothing is left then.
    pub fn play(&self, lab: &str, client: Option<Peer>) -> Result<Picture, TraceError> {
        let client = client.unwrap_or(self.client);
        if client != self.client && !self.either {
            return Err(TraceError::Peer { scenario: self.name, peer: client.name() });
        }
        let play = play::Play::new(lab, client, self.server, (self.wire)())?;
        let record = (self.script)(&play)?;
        let knowledge =
            Knowledge { least_wait: LEAST_WAIT, cookies: self.cookies, notes: self.notes.to_vec() };
        let diagram = Diagram::of(&record, &knowledge);
        Ok(Picture {
            title: self.title.into(),
            lesson: self.lesson.into(),
            client: format!("client ({})", client.name()),
            server: format!("server ({})", self.server.name()),
            diagram: if self.imagined { diagram.in_two_ways() } else { diagram },
            imagined: self.imagined,
            more: 0,
        })
    }
}
