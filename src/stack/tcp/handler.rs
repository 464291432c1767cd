use std::net::SocketAddr;

use super::send::BufferOwner;
use super::{Context, Endpoints, IcmpError, IdleLimits, SendBuffers, Tcb, TcbFlags, Time};
use crate::observe::{Closed, DropReason};

/// The answer to arriving data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataResult {
    /// Taken: it will be acknowledged.
    Taken,
    /// Not taken, for this reason: the peer sends it again.
    Refused(DropReason),
}

/// The user's side of the user/TCP interface (RFC 9293 3.9.1): what a connection tells it. One
/// value serves all connections of a listener on one core. Must not block.
pub trait ConnectionHandler: Send {
    /// The bytes the peer may send before anything is read.
    fn window(&self) -> u16 {
        u16::MAX
    }

    /// How long its connections may be silent (RFC 9293 MUST-24); `None`: as [`super::Config`] says.
    fn idle_limits(&self) -> Option<IdleLimits> {
        None
    }

    /// ESTABLISHED is reached.
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        let _ = connection;
    }

    /// Data, in order, once. Taking it uses window; [`Connection::consume`] gives window back.
    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        DataResult::Taken
    }

    /// `bytes` of what was sent have been acknowledged, so there is room for more.
    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        let _ = (connection, bytes);
    }

    /// The peer has closed its direction: no more data will come.
    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        connection.close();
    }

    /// An acceptable segment has arrived: the peer lives. Told only of connections that a caller
    /// opened, before what else the segment brings.
    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        let _ = connection;
    }

    /// An ICMP error came for a segment in flight. The connection goes on: it may be a passing
    /// trouble of some router. If it is given up later, this may be why.
    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, error: IcmpError) {
        let _ = (connection, error);
    }

    /// The connection is over for its user: closed in both directions, reset or given up. Told once
    /// of every connection that was [`ConnectionHandler::on_established`], and of every one that a caller asked for.
    /// What TIME-WAIT still has to do is no user's matter.
    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        let _ = (ended, how);
    }
}

/// A connection that is over.
pub struct ClosedConnection<'a> {
    /// As [`Connection::id`] was.
    pub id: u32,
    pub now: Time,
    pub endpoints: &'a dyn Endpoints,
}

/// What a user may do with a connection while it is told something.
pub struct Connection<'a> {
    tcb: &'a mut Tcb,
    buffers: &'a mut SendBuffers,
    endpoints: &'a dyn Endpoints,
    number: u32,
    now: Time,
}

impl<'a> Connection<'a> {
    pub(super) fn new<'s: 'a>(tcb: &'a mut Tcb, cx: &'a mut Context<'s>) -> Connection<'a> {
        Connection { tcb, buffers: cx.buffers, endpoints: cx.endpoints, number: cx.number, now: cx.now }
    }

    /// Below the core's number of connections, and no other connection's of this core as long as
    /// this one lives: a place to keep something about it.
    pub fn id(&self) -> u32 {
        self.number
    }

    /// The time of the turn.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Queues all of `data` behind what is queued already, or nothing.
    /// False: no room or no free buffer, or the direction is closed.
    pub fn send(&mut self, data: &[u8]) -> bool {
        let Connection { endpoints, number, now, .. } = *self;
        let holder = BufferOwner { number, endpoints, now_ms: now.millis() };
        !self.tcb.has(TcbFlags::SEND_CLOSED) && self.buffers.append(self.tcb, data, &holder)
    }

    /// Nothing more can be sent: [`Connection::shutdown`] or [`Connection::close`] was called.
    pub fn is_sending_closed(&self) -> bool {
        self.tcb.has(TcbFlags::SEND_CLOSED)
    }

    /// Bytes that [`Connection::send`] would take, if a buffer is free.
    pub fn send_capacity(&self) -> usize {
        self.buffers.room(self.tcb.buffer)
    }

    /// `bytes` of what arrived have been used: the window opens by as much.
    pub fn consume(&mut self, bytes: usize) {
        let before = self.tcb.rcv_wnd;
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.tcb.rcv_wnd = before.saturating_add(bytes);
        // A window that was too small for a segment and no longer is: tell (MUST-39's other
        // half: not for less).
        if before < self.tcb.mss && self.tcb.rcv_wnd >= self.tcb.mss {
            self.tcb.set(TcbFlags::ACK_NOW);
        }
    }

    /// Nothing more to send: FIN after what is queued. Data may still come (half-close).
    pub fn shutdown(&mut self) {
        self.tcb.set(TcbFlags::SEND_CLOSED);
    }

    /// Nothing more to send, and nothing more is read: new data draws a RST (SHLD-3).
    pub fn close(&mut self) {
        self.tcb.set(TcbFlags::SEND_CLOSED);
        self.tcb.set(TcbFlags::RECEIVE_CLOSED);
    }

    /// RST now, whatever is queued.
    pub fn abort(&mut self) {
        self.tcb.set(TcbFlags::ABORT);
    }

    /// Asks the peer for a sign of life: a segment that any peer that has this connection answers
    /// with an ACK (RFC 9293 3.8.4). [`ConnectionHandler::on_alive`] tells of it. Without effect in a handshake.
    pub fn probe(&mut self) {
        if !self.tcb.is_opening() {
            self.tcb.set(TcbFlags::PROBE);
        }
    }

    pub fn local(&self) -> SocketAddr {
        self.endpoints.local()
    }

    pub fn remote(&self) -> SocketAddr {
        self.endpoints.remote()
    }
}
