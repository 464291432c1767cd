//! What the ends do in each scenario, step by step, and what the wire does to them. Each returns what
//! happened. The numbers are those of segments: a script waits for what must come.

use std::thread;
use std::time::Duration;

use super::ours::LastWord;
use super::play::{Play, SERVER_PORT};
use super::relay::{Rule, Then};
use super::{PATIENCE, TraceError};
use handfast_stack::service::Service;
use handfast_stack::tcp::{Connection, ConnectionHandler};
use handfast_stack::wire::{Flags, SegmentInfo};
use handfast_trace::{Direction, LocalEvent, Record, Side};

type Outcome = Result<Record, TraceError>;

/// A user takes its time, long enough to be drawn.
const THINKS: Duration = Duration::from_secs(1);
/// In front of what is next, and inside the window.
const AHEAD: u32 = 1_000;

fn is_syn(_: Direction, segment: &SegmentInfo) -> bool {
    segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK)
}

fn is_syn_ack(_: Direction, segment: &SegmentInfo) -> bool {
    segment.flags.has(Flags::SYN) && segment.flags.has(Flags::ACK)
}

fn is_ack(_: Direction, segment: &SegmentInfo) -> bool {
    segment.flags == Flags::ACK && segment.payload_len == 0
}

fn is_ack_to_server(direction: Direction, segment: &SegmentInfo) -> bool {
    direction == Direction::ToServer && is_ack(direction, segment)
}

fn is_fin(_: Direction, segment: &SegmentInfo) -> bool {
    segment.flags.has(Flags::FIN)
}

pub(super) fn undisturbed() -> Vec<Rule> {
    Vec::new()
}

pub(super) fn lose_syn() -> Vec<Rule> {
    vec![Rule { fits: is_syn, then: Then::Lose }]
}

/// The SYN takes its time, so that the client's time-out comes before the server's: they would be the
/// same, and either could be first.
pub(super) fn lose_syn_ack() -> Vec<Rule> {
    let slow = Then::Delay(Duration::from_millis(200));
    vec![Rule { fits: is_syn, then: slow }, Rule { fits: is_syn_ack, then: Then::Lose }]
}

pub(super) fn lose_final_ack() -> Vec<Rule> {
    vec![Rule { fits: is_ack_to_server, then: Then::Lose }]
}

pub(super) fn lose_last_ack() -> Vec<Rule> {
    vec![Rule { fits: is_fin, then: Then::Pass }, Rule { fits: is_ack_to_server, then: Then::Lose }]
}

pub(super) fn cross_opening() -> Vec<Rule> {
    vec![Rule { fits: is_syn, then: Then::Cross }, Rule { fits: is_syn_ack, then: Then::Cross }]
}

pub(super) fn cross_closing() -> Vec<Rule> {
    vec![Rule { fits: is_fin, then: Then::Cross }, Rule { fits: is_ack, then: Then::Cross }]
}

pub(super) fn hold_syn() -> Vec<Rule> {
    vec![Rule { fits: is_syn, then: Then::Hold }]
}

/// Also where the wire loses something: `segments` is what it takes then.
fn opens(play: &Play, cookies: bool, segments: usize) -> Outcome {
    let _server = play.serve(SERVER_PORT, cookies, || Service::Hold.user())?;
    let _client = play.call()?.opened()?;
    play.settled(segments)?;
    Ok(play.record())
}

pub(super) fn handshake(play: &Play) -> Outcome {
    opens(play, false, 3)
}

pub(super) fn syn_cookie(play: &Play) -> Outcome {
    opens(play, true, 3)
}

pub(super) fn lost_syn(play: &Play) -> Outcome {
    opens(play, false, 4)
}

/// One of the two is lost, and with it the other comes again.
pub(super) fn lost_answer(play: &Play) -> Outcome {
    opens(play, false, 5)
}

/// Our client, the kernel's server: only a server that thinks before it closes sends its ACK alone.
pub(super) fn close(play: &Play) -> Outcome {
    let listener = play.serve_kernel()?;
    let client = play.connect()?;
    let (server, _) = listener.accept()?;
    client.shutdown()?;
    play.settled(5)?;
    thread::sleep(THINKS);
    server.shutdown(std::net::Shutdown::Write)?;
    play.settled(7)?;
    if let super::play::Client::Ours(puppet) = &client {
        puppet.engine.await_forgotten(PATIENCE)?;
        play.relay.local_event(Side::Client, LocalEvent::TwoMsl);
    }
    Ok(play.record())
}

pub(super) fn close_by_server(play: &Play) -> Outcome {
    let server = play.serve(SERVER_PORT, false, || Service::Close.user())?;
    let client = play.connect()?;
    play.settled(5)?;
    thread::sleep(THINKS);
    client.shutdown()?;
    play.settled(7)?;
    server.await_forgotten(PATIENCE)?;
    play.relay.local_event(Side::Server, LocalEvent::TwoMsl);
    Ok(play.record())
}

pub(super) fn half_close(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Box::new(LastWord(b"one last word")))?;
    let client = play.connect()?;
    client.shutdown()?;
    play.settled(8)?;
    Ok(play.record())
}

fn client_closes(play: &Play, segments: usize) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Discard.user())?;
    let client = play.connect()?;
    client.shutdown()?;
    play.settled(segments)?;
    Ok(play.record())
}

pub(super) fn fin_ack_merged(play: &Play) -> Outcome {
    client_closes(play, 6)
}

pub(super) fn lost_last_ack(play: &Play) -> Outcome {
    client_closes(play, 8)
}

pub(super) fn simultaneous_open(play: &Play) -> Outcome {
    let server = play.calling_server()?;
    let client = play.call()?;
    server.open(play.server, play.client);
    let _client = client.opened()?;
    play.settled(4)?;
    Ok(play.record())
}

pub(super) fn simultaneous_close(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Close.user())?;
    let client = play.connect()?;
    client.shutdown()?;
    play.settled(7)?;
    Ok(play.record())
}

pub(super) fn reset(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Hold.user())?;
    let _client = play.connect()?.abort()?;
    play.settled(4)?;
    Ok(play.record())
}

pub(super) fn refused(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT + 1, false, || Service::Hold.user())?;
    let _client = play.call()?;
    play.settled(2)?;
    Ok(play.record())
}

/// The SYN is under way until nobody waits for its answer any more.
pub(super) fn old_duplicate_syn(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Hold.user())?;
    let client = play.call()?;
    play.until("SYN", |record| !record.moments.is_empty())?;
    drop(client);
    play.relay.local_event(Side::Client, LocalEvent::Close);
    thread::sleep(THINKS);
    play.relay.release();
    play.settled(3)?;
    Ok(play.record())
}

/// Closes its first connection, and holds the next.
struct ClosesFirst {
    closed: bool,
}

impl ConnectionHandler for ClosesFirst {
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        if !std::mem::replace(&mut self.closed, true) {
            connection.close();
        }
    }
}

pub(super) fn time_wait_reuse(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Box::new(ClosesFirst { closed: false }))?;
    let client = play.connect()?;
    play.settled(5)?;
    client.shutdown()?;
    play.settled(7)?;
    drop(client);
    let _client = play.call()?.opened()?;
    play.settled(10)?;
    Ok(play.record())
}

pub(super) fn challenge_ack(play: &Play) -> Outcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Discard.user())?;
    let mut client = play.connect()?;
    play.forge_reset(AHEAD)?;
    play.settled(5)?;
    client.send(b"still here")?;
    play.settled(7)?;
    Ok(play.record())
}
