use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::Sample;
use crate::control::{AskError, Client, Filter, Reply, Request};

/// States are counted no oftener.
const STATES_AT_LEAST: Duration = Duration::from_secs(1);
/// Of the time, one part in so many may go to counting them: each connection is looked at.
const STATES_SHARE: u32 = 20;

/// When states are counted: a count that takes long comes seldom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    next: Duration,
}

impl Pace {
    /// Times are since the start of the view.
    pub fn is_due(self, now: Duration) -> bool {
        now >= self.next
    }

    /// A count began then, and took so long.
    pub fn counted(&mut self, began: Duration, took: Duration) {
        self.next = began + STATES_AT_LEAST.max(took * STATES_SHARE);
    }
}

/// What a feed says.
#[derive(Debug)]
pub enum Told {
    Sample(Box<Sample>),
    /// There is nothing more to come.
    Ended(AskError),
}

/// Asks a program on a thread of its own: one that does not answer keeps nobody from leaving.
pub struct Feed {
    told: Receiver<Told>,
    /// Closed: the thread ends.
    _stop: SyncSender<()>,
    _thread: JoinHandle<()>,
}

impl Feed {
    /// Every `interval`, at once for the first time.
    ///
    /// # Errors
    /// No thread is left.
    pub fn start(client: Client, interval: Duration) -> std::io::Result<Feed> {
        let (say, told) = channel();
        let (_stop, stopped) = sync_channel(0);
        let thread = move || feed(client, interval, &say, &stopped);
        let _thread = Builder::new().name("hf-top-feed".to_owned()).spawn(thread)?;
        Ok(Feed { told, _stop, _thread })
    }

    /// What was told since the last call, if anything.
    pub fn poll(&self) -> Option<Told> {
        self.told.try_recv().ok()
    }

    /// The next that is told.
    pub fn next(&self) -> Option<Told> {
        self.told.recv().ok()
    }
}

fn feed(mut client: Client, interval: Duration, say: &Sender<Told>, stopped: &Receiver<()>) {
    let start = Instant::now();
    let mut pace = Pace::default();
    let mut due = Duration::ZERO;
    loop {
        let told = match sample(&mut client, &mut pace, start) {
            Ok(sample) => Told::Sample(Box::new(sample)),
            Err(error) => Told::Ended(error),
        };
        let ended = matches!(told, Told::Ended(_));
        if say.send(told).is_err() || ended {
            return;
        }
        // Behind after a slow answer: go on from now, rather than catch up.
        due = (due + interval).max(start.elapsed());
        let pause = due.saturating_sub(start.elapsed());
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn sample(client: &mut Client, pace: &mut Pace, start: Instant) -> Result<Sample, AskError> {
    let status = client.status()?;
    let began = start.elapsed();
    if !pace.is_due(began) {
        return Ok(Sample { status, states: None });
    }
    client.ask(&Request::Count(Filter::default()))?;
    let states = match client.next() {
        Ok(Reply::States(states)) => Some(states),
        // A core that is busy with something longer: its counters are told all the same.
        Ok(_) | Err(AskError::Refused(_)) => None,
        Err(error) => return Err(error),
    };
    pace.counted(began, start.elapsed() - began);
    Ok(Sample { status, states })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_counted_once_a_second_and_seldom_if_it_takes_long() {
        let (ms, mut pace) = (Duration::from_millis, Pace::default());
        assert!(pace.is_due(ms(0)));
        pace.counted(ms(0), ms(1));
        assert!(!pace.is_due(ms(999)) && pace.is_due(ms(1000)));
        pace.counted(ms(1000), ms(400));
        assert!(!pace.is_due(ms(8_999)) && pace.is_due(ms(9_000)));
    }
}
