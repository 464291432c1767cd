use crate::State;
use handfast_stack::wire::Flags;
use handfast_text::palette::ladder;

/// Green: SYN; orange: FIN; red: RST; blue: data.
pub(super) fn arrow_colour(flags: Flags) -> &'static str {
    match flags {
        flags if flags.has(Flags::RST) => ladder::RED,
        flags if flags.has(Flags::SYN) => ladder::GREEN,
        flags if flags.has(Flags::FIN) => ladder::ORANGE,
        flags if flags.has(Flags::PSH) => ladder::BLUE,
        _ => ladder::LABEL,
    }
}

/// Colour of a lifeline: grey closed, yellow opening, green established, orange closing, violet TIME-WAIT.
pub(super) fn bar_colour(state: State) -> &'static str {
    match state {
        State::Unknown => ladder::BAR_UNKNOWN,
        State::Closed => ladder::BAR_GREY,
        State::Listen => ladder::BAR_BLUE,
        State::SynSent | State::SynReceived => ladder::BAR_YELLOW,
        State::Established => ladder::BAR_GREEN,
        State::TimeWait => ladder::BAR_VIOLET,
        _ => ladder::BAR_ORANGE,
    }
}

/// As [`bar_colour`], dark enough for text.
pub(super) fn text_colour(state: State) -> &'static str {
    match state {
        State::Closed | State::Unknown => ladder::TEXT_GREY,
        State::Listen => ladder::TEXT_BLUE,
        State::SynSent | State::SynReceived => ladder::TEXT_YELLOW,
        State::Established => ladder::TEXT_GREEN,
        State::TimeWait => ladder::TEXT_VIOLET,
        _ => ladder::TEXT_ORANGE,
    }
}
