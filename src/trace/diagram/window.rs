//! The receive windows of both sides: flow control in a capture.

use super::{Arrow, Window};
use crate::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// A remark on a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// Its sender's window is closed.
    ZeroWindow,
    /// The window is open again.
    WindowUpdate,
    /// It fills the receiver's window.
    WindowFull,
    /// A probe of the receiver's window (RFC 9293 3.8.6.1).
    WindowProbe,
    /// A keep-alive (RFC 9293 3.8.4).
    KeepAlive,
    /// The reply to a keep-alive.
    KeepAliveAck,
}

impl Remark {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Remark::ZeroWindow => "zero window",
            Remark::WindowUpdate => "window update",
            Remark::WindowFull => "window full",
            Remark::WindowProbe => "window probe",
            Remark::KeepAlive => "keep-alive",
            Remark::KeepAliveAck => "keep-alive ACK",
        }
    }
}

#[derive(Default)]
pub(super) struct Windows {
    up: SenderWindow,
    down: SenderWindow,
}

/// The window of one sender.
#[derive(Clone, Copy, Default)]
struct SenderWindow {
    syn: bool,
    scale: Option<u8>,
    /// Its last window.
    window: Option<Window>,
    /// Its last acknowledgement.
    acknowledged: Option<Seq>,
    /// Behind what it has sent.
    end: Option<Seq>,
    /// It has asked whether the peer is still there, and was not answered yet.
    probed: bool,
}

impl Windows {
    /// Of the next segment, whose window it notes.
    pub(super) fn see(
        &mut self,
        direction: Direction,
        segment: &Segment,
        arrow: &mut Arrow,
    ) -> Option<Remark> {
        if segment.flags.has(Flags::RST) || arrow.older {
            return None;
        }
        let (own, peer) = match direction {
            Direction::ToServer => (&mut self.up, &mut self.down),
            Direction::ToClient => (&mut self.down, &mut self.up),
        };
        if segment.flags.has(Flags::SYN) {
            (own.syn, own.scale) = (true, segment.window_scale);
        }
        arrow.window = own.window_of(segment, peer);
        let remark = own.remark(segment, peer, arrow.window);
        own.probed = remark == Some(Remark::KeepAlive);
        peer.probed = false;
        own.window = arrow.window.or(own.window);
        own.acknowledged = segment.acknowledges().or(own.acknowledged);
        if own.end.is_none_or(|end| end.before(segment.end())) {
            own.end = Some(segment.end());
        }
        remark
    }
}

impl SenderWindow {
    /// Returns the window of a segment. It is never scaled in a SYN, otherwise if both SYNs had the option (RFC 7323
    /// 2.2).
    fn window_of(&self, segment: &Segment, peer: &SenderWindow) -> Option<Window> {
        let raw = u32::from(segment.window?);
        let scaled = self.syn && peer.syn;
        let shift = match (self.scale, peer.scale) {
            (Some(shift), Some(_)) if scaled && !segment.flags.has(Flags::SYN) => shift,
            _ => 0,
        };
        // A window of 0 needs no scale.
        Some(Window { bytes: raw << shift, scaled: scaled || raw == 0 || segment.flags.has(Flags::SYN) })
    }

    fn remark(&self, segment: &Segment, peer: &SenderWindow, window: Option<Window>) -> Option<Remark> {
        let pure_ack = segment.seq_len() == 0;
        let opens_or_ends = segment.flags.has(Flags::SYN) || segment.flags.has(Flags::FIN);
        let asks = !opens_or_ends && segment.payload_len <= 1 && self.end == Some(segment.seq + 1);
        let peer_is_full = peer.window.is_some_and(|window| window.bytes == 0);
        let had_none = self.window.is_some_and(|window| window.bytes == 0);
        // Nothing is in flight, so this is not a retransmission.
        let idle = self.end.is_some() && peer.acknowledged == self.end;
        let probes = peer_is_full && !opens_or_ends;
        match window.map(|window| window.bytes) {
            _ if probes && (asks || segment.payload_len == 1 && self.end == Some(segment.seq)) => {
                Some(Remark::WindowProbe)
            }
            _ if asks && idle => Some(Remark::KeepAlive),
            Some(0) => Some(Remark::ZeroWindow),
            Some(_) if had_none => Some(Remark::WindowUpdate),
            _ if pure_ack && peer.probed => Some(Remark::KeepAliveAck),
            _ if segment.payload_len > 0 && self.fills(segment, peer) => Some(Remark::WindowFull),
            _ => None,
        }
    }

    /// Whether it fills the peer's window exactly.
    fn fills(&self, segment: &Segment, peer: &SenderWindow) -> bool {
        let room = peer.window.filter(|window| window.scaled && window.bytes > 0);
        peer.acknowledged.zip(room).is_some_and(|(ack, room)| ack + room.bytes == segment.end())
    }
}
