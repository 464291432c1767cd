use super::play::Play;
use super::relay::Rule;
use super::{Peer, TraceError, scripts};
use handfast_trace::{Note, Record};

/// One scenario of TCP.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    pub title: &'static str,
    /// One or two sentences about it.
    pub summary: &'static str,
    /// The default ends.
    pub client: Peer,
    pub server: Peer,
    /// Whether the client may be either peer.
    pub either: bool,
    /// Drawn as it would be with a two-way handshake.
    pub imagined: bool,
    pub(super) cookies: bool,
    /// Explanations that do not follow from the segments.
    pub(super) notes: &'static [Note],
    pub(super) wire: fn() -> Vec<Rule>,
    pub(super) script: fn(&Play) -> Result<Record, TraceError>,
}

const USUAL: Scenario = Scenario {
    name: "",
    title: "",
    summary: "",
    client: Peer::Kernel,
    server: Peer::Handfast,
    either: true,
    imagined: false,
    cookies: false,
    notes: &[],
    wire: scripts::undisturbed,
    script: scripts::handshake,
};

/// An explanation of this segment when it is sent.
const fn leaving(segment: usize, text: &'static str) -> Note {
    Note { segment, arrives: false, text }
}

const fn arriving(segment: usize, text: &'static str) -> Note {
    Note { segment, arrives: true, text }
}

const HELD_UP: &str = "The client asks for a connection, but the network holds the SYN up in some queue.";

/// All scenarios, in the order in which they explain each other.
pub static SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "handshake",
        title: "Opening: three segments",
        summary: "Each side announces its first sequence number and gets it acknowledged (RFC 9293 figure 6).",
        ..USUAL
    },
    Scenario {
        name: "lost-syn",
        title: "The SYN is lost",
        summary: "The server never received it: the client repairs it.",
        wire: scripts::lose_syn,
        script: scripts::lost_syn,
        ..USUAL
    },
    Scenario {
        name: "lost-synack",
        title: "The SYN-ACK is lost",
        summary: "Both sides have sent something without an answer, so either may repair it. Here the client's time-out comes first.",
        wire: scripts::lose_syn_ack,
        script: scripts::lost_answer,
        ..USUAL
    },
    Scenario {
        name: "lost-final-ack",
        title: "The final ACK of the handshake is lost",
        summary: "The client is ESTABLISHED and sends nothing, the server is not: its SYN-ACK comes again. With data, the client's next segment would have done it.",
        wire: scripts::lose_final_ack,
        script: scripts::lost_answer,
        ..USUAL
    },
    Scenario {
        name: "old-duplicate-syn",
        title: "An old SYN arrives: why three segments",
        summary: "A SYN can be late by minutes. The third segment is the client's chance to say no (as in RFC 9293 figure 8).",
        either: false,
        notes: &[
            leaving(0, HELD_UP),
            arriving(0, "The old SYN arrives. To the server it looks like any other."),
            leaving(1, "The server asks back: it is not a connection yet."),
        ],
        wire: scripts::hold_syn,
        script: scripts::old_duplicate_syn,
        ..USUAL
    },
    Scenario {
        name: "two-way-would-fail",
        title: "The same old SYN, if two segments were enough",
        summary: "The segments are those of the real run, without the RST. The server is left with a connection that no client has, and would send into it.",
        either: false,
        imagined: true,
        notes: &[
            leaving(0, HELD_UP),
            arriving(0, "The old SYN alone makes the connection: the server believes in it at once."),
            leaving(1, "The second and last segment. There is no third in which the client could object."),
        ],
        wire: scripts::hold_syn,
        script: scripts::old_duplicate_syn,
        ..USUAL
    },
    Scenario {
        name: "simultaneous-open",
        title: "Both open at once: one connection, not two",
        summary: "Neither side listens: each connects to the port that the other connects from, and the SYNs cross (RFC 9293 figure 7).",
        client: Peer::Handfast,
        notes: &[leaving(0, "Both users open at the same moment.")],
        wire: scripts::cross_opening,
        script: scripts::simultaneous_open,
        ..USUAL
    },
    Scenario {
        name: "syn-cookie",
        title: "Opening without keeping state: a SYN cookie",
        summary: "The same three segments on the wire, but the server remembers nothing before the third: a flood of SYNs finds nothing to fill.",
        cookies: true,
        script: scripts::syn_cookie,
        ..USUAL
    },
    Scenario {
        name: "refused",
        title: "No listener",
        summary: "A closed port answers a SYN with a RST.",
        script: scripts::refused,
        ..USUAL
    },
    Scenario {
        name: "close",
        title: "Closing: four segments, the client first",
        summary: "Each direction is closed for itself, and each FIN has its ACK (RFC 9293 figure 12).",
        client: Peer::Handfast,
        server: Peer::Kernel,
        either: false,
        script: scripts::close,
        ..USUAL
    },
    Scenario {
        name: "close-server",
        title: "Closing: four segments, the server first",
        summary: "The side that closes first waits in TIME-WAIT: here it is the server.",
        script: scripts::close_by_server,
        ..USUAL
    },
    Scenario {
        name: "half-close",
        title: "Half-close: data after the peer's FIN",
        summary: "A FIN means that no more will be sent, not that no more is read: the other direction goes on.",
        script: scripts::half_close,
        ..USUAL
    },
    Scenario {
        name: "fin-ack-merged",
        title: "Closing in three segments",
        summary: "Where the second side has nothing left to say, its ACK and its FIN are one segment.",
        script: scripts::fin_ack_merged,
        ..USUAL
    },
    Scenario {
        name: "simultaneous-close",
        title: "Both close at once",
        summary: "The FINs cross: each side goes by CLOSING, and both wait in TIME-WAIT (RFC 9293 figure 13).",
        wire: scripts::cross_closing,
        script: scripts::simultaneous_close,
        ..USUAL
    },
    Scenario {
        name: "lost-last-ack",
        title: "The last ACK is lost: why TIME-WAIT",
        summary: "The side that closed first must be able to answer when the FIN comes again: for 2 MSL.",
        wire: scripts::lose_last_ack,
        script: scripts::lost_last_ack,
        ..USUAL
    },
    Scenario {
        name: "time-wait-reuse",
        title: "A new connection on the same four numbers, out of TIME-WAIT",
        summary: "TIME-WAIT keeps old segments out of a new connection. A SYN that is surely newer needs no protection.",
        notes: &[
            leaving(0, ""),
            leaving(1, ""),
            leaving(2, ""),
            leaving(3, ""),
            leaving(4, ""),
            leaving(5, ""),
        ],
        either: false,
        script: scripts::time_wait_reuse,
        ..USUAL
    },
    Scenario {
        name: "reset",
        title: "A reset ends it at once",
        summary: "ABORT instead of CLOSE: one segment, and both sides have forgotten.",
        notes: &[leaving(0, ""), leaving(1, ""), leaving(2, "")],
        script: scripts::reset,
        ..USUAL
    },
    Scenario {
        name: "challenge-ack",
        title: "A forged reset draws a challenge",
        summary: "An attacker who guesses a number inside the window, but not the exact one, breaks nothing (RFC 5961).",
        notes: &[
            leaving(0, ""),
            leaving(1, ""),
            leaving(2, ""),
            leaving(5, "The client never asked for a reset: the connection goes on."),
        ],
        script: scripts::challenge_ack,
        ..USUAL
    },
];
