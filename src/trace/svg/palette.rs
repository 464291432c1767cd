use crate::State;
use handfast_stack::wire::Flags;

/// Green opens, orange closes, red breaks, blue carries.
pub(super) fn arrow_colour(flags: Flags) -> &'static str {
    match flags {
        flags if flags.has(Flags::RST) => "#cf222e",
        flags if flags.has(Flags::SYN) => "#1a7f37",
        flags if flags.has(Flags::FIN) => "#bc4c00",
        flags if flags.has(Flags::PSH) => "#0969da",
        _ => "#424a53",
    }
}

/// Of a life line: grey is nothing, yellow opens, green is open, orange closes, violet waits.
pub(super) fn bar_colour(state: State) -> &'static str {
    match state {
        State::Unknown => "#eceff2",
        State::Closed => "#c4c9cf",
        State::Listen => "#9fc6f5",
        State::SynSent | State::SynReceived => "#f0c85a",
        State::Established => "#5fbf77",
        State::TimeWait => "#b59ae6",
        _ => "#f0a46b",
    }
}

/// As [`bar_colour`], dark enough to read.
pub(super) fn text_colour(state: State) -> &'static str {
    match state {
        State::Closed | State::Unknown => "#6e7781",
        State::Listen => "#0550ae",
        State::SynSent | State::SynReceived => "#7d4e00",
        State::Established => "#116329",
        State::TimeWait => "#6639ba",
        _ => "#953800",
    }
}
