use std::net::SocketAddr;

use super::send::BufferOwner;
use super::{Context, Endpoints, IcmpError, IdleLimits, SendBuffers, Tcb, TcbFlags, Time};
use crate::observe::{Closed, DropReason};

/// The handler's answer to received data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataResult {
    /// Accepted: it will be acknowledged.
    Taken,
    /// Refused, for this reason: the peer retransmits it.
    Refused(DropReason),
}

/// The events of connections: the user's side of the user/TCP interface (RFC 9293 3.9.1). One value serves
/// all connections of a listener on one core. Its methods must not block.
pub trait ConnectionHandler: Send {
    /// The first receive window, bytes: asked for once per batch of segments or more often.
    fn window(&self) -> u16 {
        u16::MAX
    }

    /// How long its connections may be idle (RFC 9293 MUST-24); `None`: as in [`super::Config`].
    fn idle_limits(&self) -> Option<IdleLimits> {
        None
    }

    /// The connection has reached ESTABLISHED.
    fn on_established(&mut self, connection: &mut Connection<'_>) {
        let _ = connection;
    }

    /// Data has arrived, in order, each byte once. It uses up the receive window, which
    /// [`Connection::consume`] opens again.
    fn on_data(&mut self, connection: &mut Connection<'_>, data: &[u8]) -> DataResult {
        connection.consume(data.len());
        DataResult::Taken
    }

    /// `bytes` of the data sent have been acknowledged, so the send buffer has room again.
    fn on_acked(&mut self, connection: &mut Connection<'_>, bytes: usize) {
        let _ = (connection, bytes);
    }

    /// The peer has closed its direction: no more data will arrive.
    fn on_fin(&mut self, connection: &mut Connection<'_>) {
        connection.close();
    }

    /// An acceptable segment has arrived: the peer is alive. Called only for actively opened
    /// connections, before the other events of the segment.
    fn on_alive(&mut self, connection: &mut Connection<'_>) {
        let _ = connection;
    }

    /// An ICMP error has arrived for a segment in flight. The connection continues, as the error may be
    /// temporary. If the connection times out later, this may be the cause.
    fn on_icmp_error(&mut self, connection: &mut Connection<'_>, error: IcmpError) {
        let _ = (connection, error);
    }

    /// The connection has ended: closed in both directions, reset or timed out. Called once for every
    /// connection that was [`ConnectionHandler::on_established`], and for every active open. TIME-WAIT
    /// comes after it.
    fn on_closed(&mut self, ended: &ClosedConnection<'_>, how: Closed) {
        let _ = (ended, how);
    }
}

/// A connection that has ended.
pub struct ClosedConnection<'a> {
    /// As [`Connection::id`].
    pub id: u32,
    /// The time of the end, microseconds.
    pub now: Time,
    /// The 4-tuple that the connection had.
    pub endpoints: &'a dyn Endpoints,
}

/// A connection, as a handler may use it during an event.
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

    /// Below the core's capacity of connections, and unique on this core while the connection exists: an
    /// index for the handler's own state.
    pub fn id(&self) -> u32 {
        self.number
    }

    /// The time of the current poll.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Queues all of `data` after the data queued already, or nothing. Returns false if there is no room or
    /// no free buffer, or the direction is closed.
    pub fn send(&mut self, data: &[u8]) -> bool {
        let Connection { endpoints, number, now, .. } = *self;
        let holder = BufferOwner { number, endpoints, now_ms: now.millis() };
        !self.tcb.has(TcbFlags::SEND_CLOSED) && self.buffers.append(self.tcb, data, &holder)
    }

    /// Whether [`Connection::shutdown`] or [`Connection::close`] was called: no more data can be sent.
    pub fn is_sending_closed(&self) -> bool {
        self.tcb.has(TcbFlags::SEND_CLOSED)
    }

    /// Bytes that [`Connection::send`] would accept, if a buffer is free.
    pub fn send_capacity(&self) -> usize {
        self.buffers.room(self.tcb.buffer)
    }

    /// Opens the receive window by `bytes` of received data that the handler has used.
    pub fn consume(&mut self, bytes: usize) {
        let before = self.tcb.rcv_wnd;
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.tcb.rcv_wnd = before.saturating_add(bytes);
        // Announce a window that has become large enough for a segment, and no smaller step (the other
        // half of MUST-39).
        if before < self.tcb.mss && self.tcb.rcv_wnd >= self.tcb.mss {
            self.tcb.set(TcbFlags::ACK_NOW);
        }
    }

    /// Sends a FIN after the data queued. Data may still arrive (half-close).
    pub fn shutdown(&mut self) {
        self.tcb.set(TcbFlags::SEND_CLOSED);
    }

    /// Sends a FIN after the data queued, and answers new data with a RST (SHLD-3).
    pub fn close(&mut self) {
        self.tcb.set(TcbFlags::SEND_CLOSED);
        self.tcb.set(TcbFlags::RECEIVE_CLOSED);
    }

    /// Sends a RST at once and discards the data queued.
    pub fn abort(&mut self) {
        self.tcb.set(TcbFlags::ABORT);
    }

    /// Probes the peer: sends a segment that a peer with this connection answers with an ACK (RFC 9293
    /// 3.8.4), which leads to [`ConnectionHandler::on_alive`]. Without effect in a handshake.
    pub fn probe(&mut self) {
        if !self.tcb.is_opening() {
            self.tcb.set(TcbFlags::PROBE);
        }
    }

    /// The address and port of this end.
    pub fn local(&self) -> SocketAddr {
        self.endpoints.local()
    }

    /// The address and port of the peer.
    pub fn remote(&self) -> SocketAddr {
        self.endpoints.remote()
    }
}
