use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::connection::{AdvanceResult, Connection};
use super::{Failure, Plan, Progress, Step, Tally};

/// Maximum interval between checks of timeouts.
const TICK: Duration = Duration::from_millis(50);

/// Runs the plan in the calling thread's network namespace, and returns after the last connection has ended.
///
/// # Errors
/// No epoll descriptor. Failed connections are counted, not errors.
pub fn run(plan: &Plan, progress: &Progress) -> Result<Tally, Errno> {
    allow_descriptors(plan.parallel as u64 + 64);
    let threads = plan.threads.clamp(1, plan.parallel.max(1));
    let parts: Vec<Result<Tally, Errno>> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || LoadWorker::new(plan, progress, index, threads)?.run()))
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.into_iter().try_fold(Tally::default(), |sum, part| Ok(sum.merge(part?)))
}

/// One thread: a slot for each connection in flight, identified by its epoll token.
struct LoadWorker<'a> {
    plan: &'a Plan,
    progress: &'a Progress,
    epoll: Epoll,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Slots in the order in which their connections were opened: the first times out first.
    begun: VecDeque<(Instant, usize, u64)>,
    /// Index of the next target and source.
    next: usize,
    left: Option<u64>,
    tally: Tally,
}

struct Slot {
    connection: Option<Connection>,
    /// Counts the slot's connections.
    generation: u64,
    waits_for: EpollFlags,
}

impl Slot {
    fn empty() -> Slot {
        Slot { connection: None, generation: 0, waits_for: EpollFlags::empty() }
    }
}

impl<'a> LoadWorker<'a> {
    fn new(
        plan: &'a Plan,
        progress: &'a Progress,
        index: usize,
        threads: usize,
    ) -> Result<LoadWorker<'a>, Errno> {
        let share = |whole: u64| whole / threads as u64 + u64::from((index as u64) < whole % threads as u64);
        let slots = share(plan.parallel.max(1) as u64) as usize;
        Ok(LoadWorker {
            plan,
            progress,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            slots: (0..slots).map(|_| Slot::empty()).collect(),
            free: (0..slots).rev().collect(),
            begun: VecDeque::new(),
            next: index,
            left: plan.count.map(share),
            tally: Tally::default(),
        })
    }

    fn run(mut self) -> Result<Tally, Errno> {
        let start = Instant::now();
        let tick = EpollTimeout::try_from(TICK).unwrap_or(EpollTimeout::ZERO);
        let mut events = vec![EpollEvent::empty(); 256];
        loop {
            if !self.finished(start) {
                self.fill();
            }
            if self.free.len() == self.slots.len() && self.finished(start) {
                self.tally.elapsed = start.elapsed();
                return Ok(self.tally);
            }
            let ready = match self.epoll.wait(&mut events, tick) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            for event in &events[..ready] {
                self.advance(event.data() as usize);
            }
            self.expire(Instant::now());
        }
    }

    /// Whether no further connection is opened.
    fn finished(&self, start: Instant) -> bool {
        self.left == Some(0)
            || self.progress.stopped()
            || self.plan.duration.is_some_and(|limit| start.elapsed() >= limit)
    }

    /// Opens a connection in every free slot, once: a failure is not retried here.
    fn fill(&mut self) {
        for _ in 0..self.free.len() {
            if self.left == Some(0) {
                return;
            }
            let Some(index) = self.free.pop() else { return };
            self.left = self.left.map(|left| left - 1);
            self.tally.started += 1;
            if let Err(failure) = self.begin(index) {
                self.tally.fail(failure);
                self.free.push(index);
            }
        }
    }

    fn begin(&mut self, index: usize) -> Result<(), Failure> {
        let Plan { targets, sources, .. } = self.plan;
        let target = targets[self.next % targets.len()];
        // The sources advance by one after each round of targets.
        let source = sources.get((self.next / targets.len() + self.next) % sources.len().max(1)).copied();
        self.next += self.plan.threads.max(1);
        let connection = Connection::open(target, source)?;
        let slot = &mut self.slots[index];
        slot.waits_for = EpollFlags::EPOLLOUT;
        let event = EpollEvent::new(slot.waits_for, index as u64);
        self.epoll.add(&connection, event).map_err(|errno| Failure::Errno(Step::Open, errno))?;
        slot.generation += 1;
        slot.connection = Some(connection);
        self.begun.push_back((Instant::now(), index, slot.generation));
        Ok(())
    }

    fn advance(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(connection) = slot.connection.as_mut() else { return };
        let was_established = connection.is_established();
        let outcome = connection.advance(&self.plan.script);
        self.tally.established += u64::from(!was_established && connection.is_established());
        let waits_for = match outcome {
            Ok(AdvanceResult::NeedsRead) => EpollFlags::EPOLLIN,
            Ok(AdvanceResult::NeedsWrite) => EpollFlags::EPOLLOUT,
            Ok(AdvanceResult::Done) => return self.release(index, None),
            Err(failure) => return self.release(index, Some(failure)),
        };
        if waits_for != slot.waits_for {
            slot.waits_for = waits_for;
            let mut event = EpollEvent::new(waits_for, index as u64);
            if let Err(errno) = self.epoll.modify(&*connection, &mut event) {
                let failure = Failure::Errno(connection.step(), errno);
                self.release(index, Some(failure));
            }
        }
    }

    /// Closes the slot's connection and counts it. Closing alone removes it from the epoll set only when no
    /// duplicate descriptor is left, and a fork of another thread has one for a moment: its events would
    /// count as the next connection's.
    fn release(&mut self, index: usize, failure: Option<Failure>) {
        if let Some(connection) = self.slots[index].connection.take() {
            // It fails only if it is not in the set.
            let _ = self.epoll.delete(&connection);
        }
        self.free.push(index);
        match failure {
            Some(failure) => self.tally.fail(failure),
            None => {
                self.tally.completed += 1;
                self.progress.add(1);
            }
        }
    }

    /// Ends the connections that have timed out, oldest first.
    fn expire(&mut self, now: Instant) {
        while let Some(&(begun, index, generation)) = self.begun.front() {
            let slot = &self.slots[index];
            let current = slot.connection.as_ref().filter(|_| slot.generation == generation);
            let failure = match current {
                Some(_) if now.duration_since(begun) < self.plan.timeout => return,
                Some(connection) => Some(Failure::Timeout(connection.step())),
                None => None,
            };
            self.begun.pop_front();
            if failure.is_some() {
                self.release(index, failure);
            }
        }
    }
}

/// Raises the soft limit on open files as far as the hard limit allows. Beyond it connections fail with EMFILE.
pub(super) fn allow_descriptors(wanted: u64) {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < wanted => {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ClientScript;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    /// A kernel server on loopback that handles every connection with `treat`.
    fn server(treat: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || listener.incoming().flatten().for_each(&treat));
        address
    }

    fn echo(mut stream: TcpStream) {
        let mut buffer = [0; 512];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            let _ = stream.write_all(&buffer[..length]);
        }
    }

    fn answer(mut stream: TcpStream) {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbody");
    }

    fn tally(plan: &Plan) -> Tally {
        run(plan, &Progress::default()).expect("epoll")
    }

    #[test]
    fn every_script_completes_with_a_matching_server() {
        let request =
            ClientScript::Request { request: b"GET /\r\n".into(), response_prefix: b"HTTP/1.1 200".into() };
        for (script, target) in [
            (ClientScript::PeerCloses, server(drop)),
            (ClientScript::CloseFirst, server(echo)),
            (ClientScript::Echo(b"hello".into()), server(echo)),
            (request, server(answer)),
            (ClientScript::Send(b"hello".into()), server(|mut s| drop(s.read_to_end(&mut Vec::new())))),
            (ClientScript::Reset, server(echo)),
        ] {
            let tally = tally(&Plan::parallel(target, 50, 8).script(script.clone()));
            assert_eq!(
                (tally.completed, tally.established, tally.failed()),
                (50, 50, 0),
                "{script:?}: {tally}"
            );
        }
    }

    #[test]
    fn a_wrong_answer_and_a_missing_one_are_failures() {
        let expected =
            ClientScript::Request { request: b"x".into(), response_prefix: b"HTTP/1.1 404".into() };
        for (script, target) in [
            (expected.clone(), server(answer)),
            (ClientScript::Echo(b"hello".into()), server(answer)),
            (ClientScript::PeerResets, server(drop)),
        ] {
            let tally = tally(&Plan::sequential(target, 3).script(script.clone()));
            assert_eq!(tally.failed_by(Failure::WrongResponse), 3, "{script:?}: {tally}");
        }
    }

    #[test]
    fn a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let target = listener.local_addr().expect("bound");
        drop(listener);
        let tally = tally(&Plan::parallel(target, 10, 4));
        let refused = Failure::Errno(Step::Connect, Errno::ECONNREFUSED);
        assert_eq!((tally.established, tally.failed_by(refused)), (0, 10), "{tally}");
    }

    #[test]
    fn a_server_that_stays_silent_times_out() {
        let (sender, kept) = std::sync::mpsc::channel();
        let target = server(move |stream| drop(sender.send(stream)));
        let plan = Plan { timeout: Duration::from_millis(100), ..Plan::parallel(target, 4, 2) };
        let tally = tally(&plan);
        assert_eq!(tally.failed_by(Failure::Timeout(Step::Close)), 4, "{tally}");
        drop(kept);
    }

    #[test]
    fn a_duration_ends_the_run_and_progress_stops_it() {
        let target = server(drop);
        let plan =
            Plan { count: None, duration: Some(Duration::from_millis(100)), ..Plan::parallel(target, 0, 2) };
        assert!(tally(&plan).completed > 0);
        let endless = Plan { duration: None, ..plan };
        let progress = Progress::default();
        thread::scope(|scope| {
            let running = scope.spawn(|| run(&endless, &progress));
            while progress.completed() < 10 {
                thread::sleep(Duration::from_millis(1));
            }
            progress.stop();
            let tally = running.join().expect("no panic").expect("epoll");
            assert!(tally.completed >= 10 && tally.failed() == 0, "{tally}");
        });
    }
}
