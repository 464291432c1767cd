//! Colours of a terminal (ECMA-48 SGR).

pub const BOLD: &str = "1";
pub const DIM: &str = "2";
pub const RED: &str = "31";
pub const GREEN: &str = "32";
pub const YELLOW: &str = "33";
pub const CYAN: &str = "36";
/// The terminal's own.
pub const DEFAULT: &str = "39";
pub const BOLD_RED: &str = "1;31";
pub const BOLD_GREEN: &str = "1;32";
pub const BOLD_YELLOW: &str = "1;33";
pub const BOLD_CYAN: &str = "1;36";

/// The text in this colour; `on`: false where the output has no colours.
pub fn paint(on: bool, code: &str, text: &str) -> String {
    if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
