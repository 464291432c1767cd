use super::Diagram;

/// A diagram and what stands around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    pub title: String,
    /// What it shows, in a sentence or two.
    pub summary: String,
    /// Who is on the left, and on the right: below the words "client" and "server".
    pub client: String,
    pub server: String,
    pub diagram: Diagram,
    /// Not what happened, but what would: said in every drawing.
    pub imagined: bool,
    /// Segments that come after the last row and are not drawn.
    pub more: u64,
}

/// Said of an imagined picture.
pub(super) const IMAGINED: &str = "IMAGINED: this TCP does not exist";

/// A silence, as people say it: to the tenth below a second, then to the second. What a machine's mood
/// adds to a time-out is no part of the story.
pub(super) fn rounded(wait: std::time::Duration) -> String {
    match wait.as_millis() {
        millis @ 0..750 => format!("0.{} s", (millis + 50) / 100),
        millis => format!("{} s", (millis + 500) / 1000),
    }
}

/// As a textbook names them, in the order of reading: what it does, then ACK.
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
