//! Header prediction (RFC 7323 5.6): most segments are the one that their connection waits for. A few
//! comparisons recognize it; it passes all checks of RFC 9293 3.10.7.4, so they are skipped.

use super::{BufferId, Negotiated, State, Tcb, TcbFlags};
use crate::wire::{Flags, SegmentInfo};

/// A segment without text, next in order, that acknowledges all that was sent, of a connection opened
/// by the peer without a send buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicted {
    /// In SYN-RECEIVED: [`super::establish`].
    AckOfSyn,
    /// In ESTABLISHED, with nothing in flight: [`super::on_predicted_fin`].
    Fin,
    /// In LAST-ACK: [`Context::close`](super::Context::close), passive.
    AckOfFin,
}

/// Which predicted segment this is; `None`: take the general path.
#[inline(always)]
pub fn predict(tcb: &Tcb, segment: &SegmentInfo) -> Option<Predicted> {
    let (predicted, flags) = match tcb.state {
        State::SynReceived => (Predicted::AckOfSyn, Flags::ACK),
        State::Established if tcb.snd_una == tcb.snd_nxt => (Predicted::Fin, Flags::ACK.with(Flags::FIN)),
        State::LastAck => (Predicted::AckOfFin, Flags::ACK),
        _ => return None,
    };
    let plain = segment.flags == flags && segment.payload_len == 0;
    let exact = segment.seq == tcb.rcv_nxt && segment.ack == tcb.snd_nxt;
    let simple = tcb.buffer == BufferId::NONE && !tcb.is_active() && !tcb.has(TcbFlags::QUEUED);
    (plain && exact && simple && in_time(tcb, segment)).then_some(predicted)
}

/// Whether it passes PAWS (RFC 7323 5.3) whatever the age of TS.Recent.
#[inline(always)]
fn in_time(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    match segment.options.timestamps {
        _ if !tcb.negotiated.has(Negotiated::TIMESTAMPS) => true,
        Some(timestamps) => (timestamps.value.wrapping_sub(tcb.ts_recent) as i32) >= 0,
        None => false,
    }
}

#[cfg(test)]
mod tests;
