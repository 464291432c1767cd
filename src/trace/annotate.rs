//! The explanation of a row, where one is needed.

use super::diagram::order::Order;
use super::diagram::window::Remark;
use super::diagram::{Arrow, Path, Row, RowKind};
use super::evidence::Numbers;
use super::{LocalEvent, Side, State};
use handfast_stack::wire::Flags;

/// The context of a row.
pub(super) struct AnnotateContext<'a> {
    /// The states of client and server before it.
    pub before: (State, State),
    pub previous: Option<&'a Row>,
    pub order: Order,
    pub remark: Option<Remark>,
    /// A retransmission after a timeout.
    pub late: bool,
    pub numbers: Numbers,
    /// The other side's segments were not captured.
    pub one_sided: bool,
    pub cookies: bool,
}

/// Returns the explanation of a row, if any. It depends on the states before and after on both sides.
pub(super) fn annotation(row: &Row, context: &AnnotateContext<'_>) -> Option<String> {
    let AnnotateContext { before, previous, order, .. } = *context;
    let arrow = match &row.kind {
        RowKind::Local(side, event) => return local_event(*side, *event, before),
        RowKind::Segment(arrow) => arrow,
    };
    let change = StateChange::new(arrow, row, before);
    if arrow.older {
        return Some(older(context.numbers, &change));
    }
    if let Some(remark) = context.remark {
        return Some(remarked(remark, &change));
    }
    let text = match arrow.path {
        Path::Lost => lost(arrow, &change),
        Path::Injected if arrow.flags.has(Flags::RST) && change.receiver_stays() => Some(
            "A forged RST, inside the window but not exactly at the next number: perhaps a \
             blind attack, so it resets nothing (RFC 5961 3.2)."
                .into(),
        ),
        _ if row.begins => new_connection(&change),
        _ if arrow.retransmitted => retransmission(arrow, &change, context),
        _ => first(arrow, &change, context),
    };
    text.or_else(|| challenge(arrow, &change, previous)).or_else(|| out_of_order(&change, order))
}

/// A segment with the numbers of a previous connection.
fn older(numbers: Numbers, change: &StateChange) -> String {
    let StateChange { from, to, .. } = change;
    match numbers {
        Numbers::ChallengeReset => format!(
            "The {from} knows of no such connection: its RST has exactly the number acknowledged, so the {to} forgets the older one (RFC 9293 3.5.2). The {from} still waits for a SYN-ACK."
        ),
        Numbers::Challenge => format!(
            "The {from} has an older connection between these ports, whose numbers these are, and doubts the SYN: a challenge ACK (RFC 5961 4.2)."
        ),
        _ => "Its numbers are not those of this connection.".into(),
    }
}

/// A SYN on a 4-tuple that was used before.
fn new_connection(change: &StateChange) -> Option<String> {
    let end = match change.receiver {
        (State::TimeWait, State::SynReceived) => {
            return Some(
                "A SYN that is surely newer than everything of the old connection, by its timestamp or \
                 its sequence number: TIME-WAIT may end early (RFC 6191). Numbers count from 0 again."
                    .into(),
            );
        }
        (State::Closed | State::Listen | State::TimeWait, _) => "",
        _ => " How the last one ended was not captured.",
    };
    Some(format!("Another connection between the same ports: numbers count from 0 again.{end}"))
}

/// Flow control and keep-alives.
fn remarked(remark: Remark, change: &StateChange) -> String {
    let StateChange { from, to, .. } = change;
    match remark {
        Remark::ZeroWindow => format!(
            "Zero window: the {from} has no room for more. The {to} may only ask whether there is some again (RFC 9293 3.8.6.1)."
        ),
        Remark::WindowUpdate => format!("The {from} has room again: the {to} may go on."),
        Remark::WindowFull => {
            format!("This fills the window of the {to}: the {from} must wait until it opens.")
        }
        Remark::WindowProbe => format!(
            "A window probe: the {to} must answer it with its present window, and need not take what is in it."
        ),
        Remark::KeepAlive => format!(
            "A keep-alive: a number that was acknowledged before, so that the {to} must answer if it is still there (RFC 9293 3.8.4)."
        ),
        Remark::KeepAliveAck => format!("The {from} is still there."),
    }
}

/// A segment and its two ends.
struct StateChange {
    from: &'static str,
    to: &'static str,
    sender: (State, State),
    receiver: (State, State),
}

impl StateChange {
    fn new(arrow: &Arrow, row: &Row, before: (State, State)) -> StateChange {
        let (client, server) = ((before.0, row.client), (before.1, row.server));
        match arrow.direction.sender() {
            Side::Client => StateChange { from: "client", to: "server", sender: client, receiver: server },
            Side::Server => StateChange { from: "server", to: "client", sender: server, receiver: client },
        }
    }

    fn receiver_stays(&self) -> bool {
        self.receiver.0 == self.receiver.1
    }
}

fn local_event(side: Side, event: LocalEvent, before: (State, State)) -> Option<String> {
    let state = if side == Side::Client { before.0 } else { before.1 };
    match (event, state) {
        (LocalEvent::Close, State::SynSent) => {
            Some("Its user gives up: nothing is left of the attempt.".into())
        }
        (LocalEvent::TwoMsl, _) => Some(
            "Twice the longest life of a segment: the peer had time to send its FIN again, and whatever \
             of this connection was still under way is gone."
                .into(),
        ),
        _ => None,
    }
}

fn lost(arrow: &Arrow, change: &StateChange) -> Option<String> {
    let StateChange { from, to, sender, receiver } = change;
    let (flags, from, to) = (arrow.flags, *from, *to);
    let text = match (flags.has(Flags::SYN), flags.has(Flags::ACK)) {
        (true, false) => format!("Lost. The {to} knows of nothing: only the {from} can repair it."),
        (true, true) => format!("Lost. Both sides wait now: the {to} for an answer, the {from} for an ACK."),
        _ if flags.has(Flags::FIN) => format!("Lost. The {from} will send its FIN again."),
        _ if arrow.payload_len > 0 => format!("Lost. The {from} keeps the data until it is acknowledged."),
        _ if sender.1 == State::Established && receiver.1 == State::SynReceived => format!(
            "Lost. The {from} believes in the connection, the {to} does not yet. An ACK is not \
             acknowledged, so the {from} cannot notice."
        ),
        _ if sender.1 == State::TimeWait => format!(
            "Lost. The {to} stays in LAST-ACK: it cannot know that its FIN arrived. Had the {from} \
             forgotten the connection now, the FIN that comes again would draw a RST."
        ),
        _ => return None,
    };
    Some(text)
}

fn retransmission(arrow: &Arrow, change: &StateChange, context: &AnnotateContext<'_>) -> Option<String> {
    let StateChange { from, to, sender, receiver } = change;
    let (flags, from, to) = (arrow.flags, *from, *to);
    let text = match (flags.has(Flags::SYN), flags.has(Flags::ACK)) {
        _ if context.order == Order::FastRetransmit && !context.late => format!(
            "The {to} has repeated its ACK, which shows what it misses, so the {from} sends that again before any time-out (fast retransmit, RFC 5681 3.2)."
        ),
        _ if !context.late => {
            "The same once more, before any time-out: sent again, or captured twice.".into()
        }
        _ if context.one_sided => {
            format!("The {from} sends it again. No reply of the {to} was captured.")
        }
        (true, false) if sender.0 == State::Closed => {
            format!("The {from} was refused, and tries the same SYN again.")
        }
        (true, false) if context.previous.is_some_and(is_older) => {
            "The same SYN again: no older connection is in its way any more.".into()
        }
        (true, false) if receiver.0 == State::SynReceived => {
            format!("The same SYN again. The {to} knows it and repeats its SYN-ACK.")
        }
        (true, false) => {
            format!("No answer within the time-out: the {from} sends the same SYN again (RFC 6298).")
        }
        (true, true) if receiver.0 == State::Established => format!(
            "No ACK within the time-out: the {from} sends its SYN-ACK again, and the {to} learns that its ACK was lost."
        ),
        (true, true) => "The same SYN-ACK, with the same sequence number.".into(),
        _ if flags.has(Flags::FIN) && receiver.0 == State::TimeWait => {
            format!(
                "The FIN comes again, and the {to} can still answer it: this is what TIME-WAIT is for. 2 MSL start anew."
            )
        }
        _ if arrow.payload_len > 0 || flags.has(Flags::FIN) => {
            format!("Not acknowledged within the time-out: the {from} sends it again (RFC 6298).")
        }
        _ => return None,
    };
    Some(text)
}

fn is_older(row: &Row) -> bool {
    matches!(&row.kind, RowKind::Segment(arrow) if arrow.older)
}

fn first(arrow: &Arrow, change: &StateChange, context: &AnnotateContext<'_>) -> Option<String> {
    use State::*;
    let cookies = context.cookies;
    let (flags, from, to) = (arrow.flags, change.from, change.to);
    let whole = arrow.path != Path::Pending;
    let text = match (change.sender, change.receiver) {
        _ if flags.has(Flags::RST) => return reset(arrow, change, context),
        (_, (TimeWait, SynReceived)) => {
            "A SYN that is surely newer than everything of the old connection, by its timestamp or its \
             sequence number: TIME-WAIT may end early (RFC 6191). Numbers count from 0 again."
                .into()
        }
        (_, (SynReceived, Established)) if flags.has(Flags::SYN) => {
            "Each SYN has its acknowledgement: one connection, not two.".into()
        }
        (_, (SynSent, SynReceived)) => {
            format!("A SYN where a SYN-ACK was expected: the {from} opens as well. No harm: both answer.")
        }
        ((Closed, SynSent), (Listen | SynReceived, _)) if whole => format!(
            "The {from} asks for a connection, and announces its initial sequence number: its ISN, here 0."
        ),
        ((Listen, Listen), _) if flags.has(Flags::SYN) && cookies => format!(
            "The {from} keeps nothing: what it must remember is coded in the sequence number of its answer, a cookie (RFC 4987 3.6)."
        ),
        (_, (SynSent, Established)) => {
            format!("Two in one: it acknowledges the {to}'s number and announces the {from}'s own.")
        }
        (_, (Listen, Established)) => format!(
            "The number acknowledged is the cookie: it proves that the {from} got the SYN-ACK, and the connection begins to exist here."
        ),
        (_, (SynReceived, Established)) => format!(
            "Only now does the {to} know that its number has arrived, and that the SYN was no old duplicate: why three."
        ),
        ((Established, FinWait1), _) if flags.has(Flags::FIN) => format!(
            "The {from} has nothing more to send. A FIN takes one sequence number, so that it can be acknowledged."
        ),
        (_, (FinWait1, FinWait2)) if arrow.payload_len > 0 => {
            format!("The FIN is acknowledged, and data comes with it: only the {to} has finished sending.")
        }
        (_, (FinWait1, FinWait2)) => {
            format!("One direction is closed. The other stays open for as long as the {from} likes.")
        }
        (_, (FinWait1, TimeWait)) => format!(
            "The {from}'s user closed at once, so ACK and FIN share a segment: FIN-WAIT-2 is skipped."
        ),
        ((CloseWait, LastAck), _) => {
            format!("Now the {from} closes its direction, too: why four.")
        }
        (_, (FinWait1, Closing)) => {
            "A FIN, but not one that acknowledges what was sent: the two have crossed.".into()
        }
        (_, (Closing, TimeWait)) => "Both have sent the first FIN, so both must wait.".into(),
        (_, (LastAck, Closed)) => format!(
            "The {to} is done. The {from} stays in TIME-WAIT: it cannot know whether this ACK arrives."
        ),
        (_, (FinWait2, FinWait2)) if arrow.payload_len > 0 => {
            format!("Data after the {to}'s FIN: only the {to} has finished sending.")
        }
        _ => return None,
    };
    Some(text)
}

fn reset(arrow: &Arrow, change: &StateChange, context: &AnnotateContext<'_>) -> Option<String> {
    use State::*;
    let flags = arrow.flags;
    let StateChange { from, to, receiver, .. } = change;
    let text = match receiver {
        (SynSent, Closed) if flags.has(Flags::ACK) => {
            "No listener. The RST acknowledges the SYN, which proves that its sender has seen it (RFC 9293 \
             3.5.2)."
                .into()
        }
        (SynReceived, Listen) => format!(
            "The {from} asked for nothing. Its RST has the number that the SYN-ACK acknowledged, so the {to} believes it and forgets: no connection appears."
        ),
        (Listen | Closed, _) => return None,
        (_, Closed) if !flags.has(Flags::ACK) && context.previous.is_some_and(|row| provoked(row, arrow)) => {
            format!(
                "The {from} knows nothing of this connection (any more): half-open. Its RST takes its number from the segment that it answers (RFC 9293 3.5.2)."
            )
        }
        (_, Closed) if !flags.has(Flags::ACK) => format!(
            "The {from} resets the connection: its user has aborted it, or it has forgotten it. The segments do not say which."
        ),
        (_, Closed) => {
            format!("The {from}'s user aborts: no FIN, no TIME-WAIT, and what was under way is thrown away.")
        }
        (_, Unknown) => format!(
            "Whether the {to} heeds this RST cannot be seen: what it expects next was not captured, or it sends more afterwards."
        ),
        _ => return None,
    };
    Some(text)
}

/// Whether this segment provoked the RST: one without ACK takes its sequence number from the segment's
/// acknowledgement number.
fn provoked(row: &Row, reset: &Arrow) -> bool {
    match &row.kind {
        RowKind::Segment(cause) => cause.direction != reset.direction && cause.ack == Some(reset.seq),
        RowKind::Local(..) => false,
    }
}

/// A challenge ACK, to a RST or a SYN in the wrong place.
fn challenge(arrow: &Arrow, change: &StateChange, previous: Option<&Row>) -> Option<String> {
    let RowKind::Segment(cause) = &previous?.kind else { return None };
    let doubted = cause.direction != arrow.direction
        && (cause.flags.has(Flags::RST) || cause.flags.has(Flags::SYN) && !cause.flags.has(Flags::ACK));
    (doubted && change.sender.1 == State::Established && arrow.flags == Flags::ACK).then(|| {
        format!(
            "A challenge ACK: if the {} really has no such connection, it answers with a RST that has \
             exactly the right number.",
            change.to
        )
    })
}

/// Sequence numbers out of order.
fn out_of_order(change: &StateChange, order: Order) -> Option<String> {
    let StateChange { from, to, .. } = change;
    let text = match order {
        Order::Expected | Order::FastRetransmit => return None,
        Order::Gap { missing } => format!(
            "The {missing} bytes before it have not come past: lost on the way, overtaken, or not captured."
        ),
        Order::Overlap => {
            "These numbers have come past before: sent again in other pieces, or captured twice.".into()
        }
        Order::FillsGap => "What was missing: sent again, or overtaken on the way.".into(),
        Order::DuplicateAck => format!(
            "The same ACK again: something has come to the {from}, but not what follows there. The {to} may send that again at once."
        ),
    };
    Some(text)
}
