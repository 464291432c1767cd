use super::Diagram;

/// A diagram with title and summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    pub title: String,
    /// One or two sentences below the title.
    pub summary: String,
    /// Names of the left and the right end.
    pub client: String,
    pub server: String,
    pub diagram: Diagram,
    /// Hypothetical: every format says so.
    pub imagined: bool,
    /// Segments after the last row, which are not drawn.
    pub more: u64,
}

/// Label of a hypothetical picture.
pub(super) const IMAGINED: &str = "IMAGINED: this TCP does not exist";

/// Formats a pause: in tenths below a second, then in seconds, so that scheduling delays do not show.
pub(super) fn rounded(wait: std::time::Duration) -> String {
    match wait.as_millis() {
        millis @ 0..750 => format!("0.{} s", (millis + 50) / 100),
        millis => format!("{} s", (millis + 500) / 1000),
    }
}

/// Returns the flags as textbooks name them, ACK last.
pub(super) fn flag_names(flags: handfast_stack::wire::Flags) -> String {
    use handfast_stack::wire::Flags;
    const NAMES: [(Flags, &str); 8] = [
        (Flags::SYN, "SYN"),
        (Flags::FIN, "FIN"),
        (Flags::RST, "RST"),
        (Flags::PSH, "PSH"),
        (Flags::URG, "URG"),
        (Flags::ECE, "ECE"),
        (Flags::CWR, "CWR"),
        (Flags::ACK, "ACK"),
    ];
    let names: Vec<&str> = NAMES.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name).collect();
    if names.is_empty() { "no flags".into() } else { names.join(" ") }
}
