use std::collections::BTreeMap;
use std::io;
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use handfast_control::{Client, ClientError, Filter, Reply, Request, Status};

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
    /// When the next count is due, since the start of the view.
    pub fn next(self) -> Duration {
        self.next
    }

    /// A count began then, and took so long.
    pub fn counted(&mut self, began: Duration, took: Duration) {
        self.next = began + STATES_AT_LEAST.max(took * STATES_SHARE);
    }
}

/// What a feed says.
#[derive(Debug)]
pub enum Told {
    Status(Box<Status>),
    /// Connections by state.
    States(BTreeMap<String, u64>),
    /// There is nothing more to come.
    ClosedConnection(ClientError),
}

/// Asks a program on threads of its own: one that does not answer keeps nobody from leaving, and a
/// count of many connections no rate from being told.
pub struct Feed {
    told: Receiver<Told>,
    /// Closed: the threads end.
    _stop: Sender<()>,
}

impl Feed {
    /// Every `interval`, at once for the first time.
    ///
    /// # Errors
    /// No thread is left.
    pub fn start(client: Client, interval: Duration) -> io::Result<Feed> {
        let ((say, told), (_stop, stopped)) = (unbounded(), bounded(0));
        // Without a second talk there are rates all the same.
        if let Ok(client) = client.reconnect() {
            let (say, stopped) = (say.clone(), stopped.clone());
            let thread = move || count(client, &say, &stopped);
            Builder::new().name("hf-top-count".to_owned()).spawn(thread)?;
        }
        let thread = move || ask(client, interval, &say, &stopped);
        Builder::new().name("hf-top-ask".to_owned()).spawn(thread)?;
        Ok(Feed { told, _stop })
    }

    /// What was told since the last call, if anything.
    pub fn poll(&self) -> Option<Told> {
        self.told.try_recv().ok()
    }

    /// The next that is told; `None`: nothing, for so long.
    pub fn next(&self, patience: Duration) -> Option<Told> {
        self.told.recv_timeout(patience).ok()
    }
}

fn ask(mut client: Client, interval: Duration, say: &Sender<Told>, stopped: &Receiver<()>) {
    let start = Instant::now();
    let mut due = Duration::ZERO;
    loop {
        let told = match client.status() {
            Ok(status) => Told::Status(Box::new(status)),
            Err(error) => Told::ClosedConnection(error),
        };
        let ended = matches!(told, Told::ClosedConnection(_));
        if say.send(told).is_err() || ended {
            return;
        }
        // Behind after a slow answer: go on from now, rather than catch up.
        due = (due + interval).max(start.elapsed());
        if !waits(stopped, due.saturating_sub(start.elapsed())) {
            return;
        }
    }
}

fn count(mut client: Client, say: &Sender<Told>, stopped: &Receiver<()>) {
    let (start, mut pace) = (Instant::now(), Pace::default());
    loop {
        let began = start.elapsed();
        match client.send(&Request::Count(Filter::default())).and_then(|()| client.receive()) {
            Ok(Reply::States(states)) => {
                if say.send(Told::States(states)).is_err() {
                    return;
                }
            }
            // A core that is busy with something longer may answer the next time.
            Ok(_) | Err(ClientError::Refused(_)) => {}
            // The other talk says why.
            Err(_) => return,
        }
        pace.counted(began, start.elapsed() - began);
        if !waits(stopped, pace.next().saturating_sub(start.elapsed())) {
            return;
        }
    }
}

/// False: the end.
fn waits(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_counted_once_a_second_and_seldom_if_it_takes_long() {
        let (ms, mut pace) = (Duration::from_millis, Pace::default());
        assert_eq!(pace.next(), ms(0));
        pace.counted(ms(0), ms(1));
        assert_eq!(pace.next(), ms(1_000));
        pace.counted(ms(1_000), ms(400));
        assert_eq!(pace.next(), ms(9_000));
    }
}
