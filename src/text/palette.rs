//! The colours of all pictures and pages.

/// A colour of pages that follow the reader's light or dark setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// On light pages: red, green, blue.
    pub light: [u8; 3],
    /// On dark ones.
    pub dark: [u8; 3],
}

impl Colour {
    const fn new(light: u32, dark: u32) -> Colour {
        Colour { light: rgb(light), dark: rgb(dark) }
    }
}

const fn rgb(colour: u32) -> [u8; 3] {
    [(colour >> 16) as u8, (colour >> 8) as u8, colour as u8]
}

/// `#1c2126`.
pub fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Pages and plots of benchmarks.
pub mod page {
    use super::Colour;

    pub const INK: Colour = Colour::new(0x1c2126, 0xe4e8ec);
    pub const MUTED: Colour = Colour::new(0x5b6570, 0x98a2ad);
    pub const PAPER: Colour = Colour::new(0xffffff, 0x14181c);
    pub const CARD: Colour = Colour::new(0xf4f6f8, 0x1d2227);
    pub const LINE: Colour = Colour::new(0xd5dbe1, 0x39424b);
    pub const BLUE: Colour = Colour::new(0x1f6fb4, 0x5aa9e6);
    pub const ORANGE: Colour = Colour::new(0xc86a0a, 0xf0a04b);
    pub const RED: Colour = Colour::new(0xc8333d, 0xec6a72);
    pub const GREEN: Colour = Colour::new(0x2e8b57, 0x5cc48a);
    pub const PALE: Colour = Colour::new(0xe6eaee, 0x2a3138);
    pub const AMBER: Colour = Colour::new(0xd4820f, 0xd4820f);

    /// Every colour that a plot may use.
    pub const PLOT: [Colour; 8] = [INK, MUTED, LINE, BLUE, ORANGE, RED, GREEN, PALE];
}

/// Ladder diagrams: always on white paper.
pub mod ladder {
    pub const PAPER: &str = "#ffffff";
    pub const PAGE: &str = "#f6f8fa";
    pub const INK: &str = "#1f2328";
    pub const MUTED: &str = "#57606a";
    pub const LABEL: &str = "#424a53";
    pub const RED: &str = "#cf222e";
    pub const GREEN: &str = "#1a7f37";
    pub const ORANGE: &str = "#bc4c00";
    pub const BLUE: &str = "#0969da";

    /// Life lines.
    pub const BAR_UNKNOWN: &str = "#eceff2";
    pub const BAR_GREY: &str = "#c4c9cf";
    pub const BAR_BLUE: &str = "#9fc6f5";
    pub const BAR_YELLOW: &str = "#f0c85a";
    pub const BAR_GREEN: &str = "#5fbf77";
    pub const BAR_VIOLET: &str = "#b59ae6";
    pub const BAR_ORANGE: &str = "#f0a46b";

    /// Names of states: the life lines' colours, dark enough to read.
    pub const TEXT_GREY: &str = "#6e7781";
    pub const TEXT_BLUE: &str = "#0550ae";
    pub const TEXT_YELLOW: &str = "#7d4e00";
    pub const TEXT_GREEN: &str = "#116329";
    pub const TEXT_VIOLET: &str = "#6639ba";
    pub const TEXT_ORANGE: &str = "#953800";
}

/// Pictures of a terminal: always on dark paper.
pub mod terminal {
    pub const PAPER: &str = "#16191d";
    pub const INK: &str = "#d6dbe0";
    pub const GREY: &str = "#7a828b";
    pub const GREEN: &str = "#7fd1ae";
    pub const BLUE: &str = "#8fb8de";
    pub const YELLOW: &str = "#e5c07b";
    pub const RED: &str = "#e06c75";
}
