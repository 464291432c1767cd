//! The scripts of the scenarios: the steps of both ends, and the rules of the relay. Each script waits for the
//! expected number of segments and returns the record.

use std::thread;
use std::time::Duration;

use super::engine_end::SendAfterFin;
use super::play::{Play, SERVER_PORT};
use super::relay::{Action, Rule};
use super::{TIMEOUT, TraceError};
use handfast_stack::service::Service;
use handfast_stack::tcp::{Connection, ConnectionHandler};
use handfast_stack::wire::{Flags, SegmentInfo};
use handfast_trace::{Direction, LocalEvent, Record, Side};

type ScriptOutcome = Result<Record, TraceError>;

/// A pause of a user, long enough to be drawn.
const PAUSE: Duration = Duration::from_secs(1);
/// Offset after the next sequence number, inside the window.
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
    vec![Rule { matches: is_syn, action: Action::Drop }]
}

/// The SYN is delayed, so that the client's timeout expires before the server's. Otherwise either could be first.
pub(super) fn lose_syn_ack() -> Vec<Rule> {
    let slow = Action::Delay(Duration::from_millis(200));
    vec![Rule { matches: is_syn, action: slow }, Rule { matches: is_syn_ack, action: Action::Drop }]
}

pub(super) fn lose_final_ack() -> Vec<Rule> {
    vec![Rule { matches: is_ack_to_server, action: Action::Drop }]
}

pub(super) fn lose_last_ack() -> Vec<Rule> {
    vec![
        Rule { matches: is_fin, action: Action::Pass },
        Rule { matches: is_ack_to_server, action: Action::Drop },
    ]
}

pub(super) fn cross_opening() -> Vec<Rule> {
    vec![Rule { matches: is_syn, action: Action::Cross }, Rule { matches: is_syn_ack, action: Action::Cross }]
}

pub(super) fn cross_closing() -> Vec<Rule> {
    vec![Rule { matches: is_fin, action: Action::Cross }, Rule { matches: is_ack, action: Action::Cross }]
}

pub(super) fn hold_syn() -> Vec<Rule> {
    vec![Rule { matches: is_syn, action: Action::Hold }]
}

/// `segments`: of the whole handshake, retransmissions included.
fn opens(play: &Play, cookies: bool, segments: usize) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, cookies, || Service::Hold.user())?;
    let _client = play.open()?.opened()?;
    play.await_segments(segments)?;
    Ok(play.record())
}

pub(super) fn handshake(play: &Play) -> ScriptOutcome {
    opens(play, false, 3)
}

pub(super) fn syn_cookie(play: &Play) -> ScriptOutcome {
    opens(play, true, 3)
}

pub(super) fn lost_syn(play: &Play) -> ScriptOutcome {
    opens(play, false, 4)
}

/// One of the two is lost, and both are retransmitted.
pub(super) fn lost_answer(play: &Play) -> ScriptOutcome {
    opens(play, false, 5)
}

/// Engine as the client, kernel as the server: a server that pauses before it closes sends a separate ACK.
pub(super) fn close(play: &Play) -> ScriptOutcome {
    let listener = play.serve_kernel()?;
    let client = play.connect()?;
    let (server, _) = listener.accept()?;
    client.shutdown()?;
    play.await_segments(5)?;
    thread::sleep(PAUSE);
    server.shutdown(std::net::Shutdown::Write)?;
    play.await_segments(7)?;
    if let super::play::Client::Engine(client) = &client {
        client.engine.await_time_wait_end(TIMEOUT)?;
        play.relay.local_event(Side::Client, LocalEvent::TwoMsl);
    }
    Ok(play.record())
}

pub(super) fn close_by_server(play: &Play) -> ScriptOutcome {
    let server = play.serve(SERVER_PORT, false, || Service::Close.user())?;
    let client = play.connect()?;
    play.await_segments(5)?;
    thread::sleep(PAUSE);
    client.shutdown()?;
    play.await_segments(7)?;
    server.await_time_wait_end(TIMEOUT)?;
    play.relay.local_event(Side::Server, LocalEvent::TwoMsl);
    Ok(play.record())
}

pub(super) fn half_close(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Box::new(SendAfterFin(b"one last word")))?;
    let client = play.connect()?;
    client.shutdown()?;
    play.await_segments(8)?;
    Ok(play.record())
}

fn client_closes(play: &Play, segments: usize) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Discard.user())?;
    let client = play.connect()?;
    client.shutdown()?;
    play.await_segments(segments)?;
    Ok(play.record())
}

pub(super) fn fin_ack_merged(play: &Play) -> ScriptOutcome {
    client_closes(play, 6)
}

pub(super) fn lost_last_ack(play: &Play) -> ScriptOutcome {
    client_closes(play, 8)
}

pub(super) fn simultaneous_open(play: &Play) -> ScriptOutcome {
    let server = play.opening_server()?;
    let client = play.open()?;
    server.open(play.server, play.client);
    let _client = client.opened()?;
    play.await_segments(4)?;
    Ok(play.record())
}

pub(super) fn simultaneous_close(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Close.user())?;
    let client = play.connect()?;
    client.shutdown()?;
    play.await_segments(7)?;
    Ok(play.record())
}

pub(super) fn reset(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Hold.user())?;
    let _client = play.connect()?.abort()?;
    play.await_segments(4)?;
    Ok(play.record())
}

pub(super) fn refused(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT + 1, false, || Service::Hold.user())?;
    let _client = play.open()?;
    play.await_segments(2)?;
    Ok(play.record())
}

/// The SYN is held until the client has given up.
pub(super) fn old_duplicate_syn(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Hold.user())?;
    let client = play.open()?;
    play.until("SYN", |record| !record.moments.is_empty())?;
    drop(client);
    play.relay.local_event(Side::Client, LocalEvent::Close);
    thread::sleep(PAUSE);
    play.relay.release();
    play.await_segments(3)?;
    Ok(play.record())
}

/// A service that closes its first connection and holds the next.
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

pub(super) fn time_wait_reuse(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Box::new(ClosesFirst { closed: false }))?;
    let client = play.connect()?;
    play.await_segments(5)?;
    client.shutdown()?;
    play.await_segments(7)?;
    drop(client);
    let _client = play.open()?.opened()?;
    play.await_segments(10)?;
    Ok(play.record())
}

pub(super) fn challenge_ack(play: &Play) -> ScriptOutcome {
    let _server = play.serve(SERVER_PORT, false, || Service::Discard.user())?;
    let mut client = play.connect()?;
    play.forge_reset(AHEAD)?;
    play.await_segments(5)?;
    client.send(b"still here")?;
    play.await_segments(7)?;
    Ok(play.record())
}
