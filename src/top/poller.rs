use std::collections::BTreeMap;
use std::io;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use handfast_control::{Client, ClientError, Filter, Reply, Request, Status};

/// Minimum interval between two counts of connections by state.
const MIN_COUNT_INTERVAL: Duration = Duration::from_secs(1);
/// Counting may take one part in this many of the time, since it reads each connection.
const COUNT_SHARE: u32 = 20;

/// The schedule of counts by state: the longer a count takes, the less often it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    next: Duration,
}

impl Pace {
    /// When the next count is due, relative to the start of the view.
    pub fn next(self) -> Duration {
        self.next
    }

    /// Records when a count began and how long it took.
    pub fn counted(&mut self, began: Duration, took: Duration) {
        self.next = began + MIN_COUNT_INTERVAL.max(took * COUNT_SHARE);
    }
}

/// An update from the program.
#[derive(Debug)]
pub enum Update {
    Status(Box<Status>),
    /// Connections by state.
    States(BTreeMap<String, u64>),
    /// There are no further updates.
    ClosedConnection(ClientError),
}

/// Polls a program on separate threads: a program that does not answer does not block the user
/// interface, and a long count of connections does not delay the rates.
pub struct Poller {
    updates: Receiver<Update>,
    /// Closed: the threads end.
    _stop: Sender<()>,
}

impl Poller {
    /// Polls at once, then every `interval`.
    ///
    /// # Errors
    /// No thread is left.
    pub fn start(client: Client, interval: Duration) -> io::Result<Poller> {
        let ((sender, updates), (_stop, stopped)) = (unbounded(), bounded(0));
        // Without a second connection there are only rates.
        if let Ok(client) = client.reconnect() {
            let (sender, stopped) = (sender.clone(), stopped.clone());
            let thread = move || count(client, &sender, &stopped);
            Builder::new().name("hf-top-count".to_owned()).spawn(thread)?;
        }
        let thread = move || poll(client, interval, &sender, &stopped);
        Builder::new().name("hf-top-poll".to_owned()).spawn(thread)?;
        Ok(Poller { updates, _stop })
    }

    /// The next update, if there is one.
    pub fn poll(&self) -> Option<Update> {
        self.updates.try_recv().ok()
    }

    /// The next update; `None` after a timeout.
    pub fn next(&self, timeout: Duration) -> Option<Update> {
        self.updates.recv_timeout(timeout).ok()
    }
}

fn poll(mut client: Client, interval: Duration, sender: &Sender<Update>, stopped: &Receiver<()>) {
    let start = Instant::now();
    let mut due = Duration::ZERO;
    loop {
        let update = match client.status() {
            Ok(status) => Update::Status(Box::new(status)),
            Err(error) => Update::ClosedConnection(error),
        };
        let ended = matches!(update, Update::ClosedConnection(_));
        if sender.send(update).is_err() || ended {
            return;
        }
        // After a slow answer, continue from now instead of catching up.
        due = (due + interval).max(start.elapsed());
        if !wait(stopped, due.saturating_sub(start.elapsed())) {
            return;
        }
    }
}

fn count(mut client: Client, sender: &Sender<Update>, stopped: &Receiver<()>) {
    let (start, mut pace) = (Instant::now(), Pace::default());
    loop {
        let began = start.elapsed();
        match client.send(&Request::Count(Filter::default())).and_then(|()| client.receive()) {
            Ok(Reply::States(states)) => {
                if sender.send(Update::States(states)).is_err() {
                    return;
                }
            }
            // A core that did not respond in time may answer the next count.
            Ok(_) | Err(ClientError::Refused(_)) => {}
            // The other connection reports the error.
            Err(_) => return,
        }
        pace.counted(began, start.elapsed() - began);
        if !wait(stopped, pace.next().saturating_sub(start.elapsed())) {
            return;
        }
    }
}

/// Returns false at the end.
fn wait(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_counted_once_a_second_and_less_often_if_it_takes_long() {
        let (ms, mut pace) = (Duration::from_millis, Pace::default());
        assert_eq!(pace.next(), ms(0));
        pace.counted(ms(0), ms(1));
        assert_eq!(pace.next(), ms(1_000));
        pace.counted(ms(1_000), ms(400));
        assert_eq!(pace.next(), ms(9_000));
    }
}
