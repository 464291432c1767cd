use std::fmt;
use std::time::Duration;

use super::{Conversation, Direction, Line, State};
use crate::wire::Flags;

/// A conversation drawn: the client's states on the left, the server's on the right, one line
/// for each segment between them. 93 columns wide.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    pub conversation: &'a Conversation,
    /// With ANSI colours.
    pub colour: bool,
}

/// The widths of the two state columns and of the segment's text, in characters.
const STATE: usize = 13;
const TEXT: usize = 44;

impl fmt::Display for Ladder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conversation { client, server, lines } = self.conversation;
        let (client, server) = (client.to_string(), server.to_string());
        let between = STATE + 1 + TEXT + 8 + 1;
        writeln!(f, "{:>11}  {client:<between$}{server}", "time")?;
        let (mut client, mut server) = (State::Closed, State::Listen);
        self.states(f, (client, true), (server, true))?;
        for line in lines {
            self.line(f, line, line.client != client, line.server != server)?;
            (client, server) = (line.client, line.server);
        }
        Ok(())
    }
}

impl Ladder<'_> {
    /// The states before the first segment.
    fn states(
        &self,
        f: &mut fmt::Formatter<'_>,
        client: (State, bool),
        server: (State, bool),
    ) -> fmt::Result {
        let [client, server] = [client, server].map(|(state, changed)| self.state(state, changed));
        writeln!(f, "{:13}{client} {:width$} {server}", "", "", width = TEXT + 8)
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, line: &Line, client: bool, server: bool) -> fmt::Result {
        let text = self.paint(colour_of(line.flags), &text(line));
        let (left, right) = match line.direction {
            Direction::ToServer => ("─── ", " ──▶"),
            Direction::ToClient => ("◀── ", " ───"),
        };
        writeln!(
            f,
            "{:>11}  {} {left}{text}{right} {}",
            time(line.at),
            self.state(line.client, client),
            self.state(line.server, server)
        )
    }

    /// A state that has changed stands out.
    fn state(&self, state: State, changed: bool) -> String {
        self.paint(if changed { "1" } else { "2" }, &format!("{state:<STATE$}"))
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

fn text(line: &Line) -> String {
    let ack = line.ack.map(|ack| format!("ack {ack}")).unwrap_or_default();
    let text = format!(
        "{:<11} {:<12} {ack:<12} len {}",
        flags(line.flags),
        format!("seq {}", line.seq),
        line.payload_len
    );
    format!("{text:<TEXT$}")
}

fn flags(flags: Flags) -> String {
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
    names.join(" ")
}

/// Green opens, yellow closes, red breaks, cyan carries.
fn colour_of(flags: Flags) -> &'static str {
    match flags {
        flags if flags.has(Flags::RST) => "31",
        flags if flags.has(Flags::SYN) => "32",
        flags if flags.has(Flags::FIN) => "33",
        flags if flags.has(Flags::PSH) => "36",
        _ => "39",
    }
}

fn time(at: Duration) -> String {
    let micros = at.as_micros();
    match micros {
        0..10_000 => format!("{micros} µs"),
        10_000..10_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(
        at: u64,
        direction: Direction,
        flags: Flags,
        seq: u32,
        ack: Option<u32>,
        states: (State, State),
    ) -> Line {
        let (client, server) = states;
        Line { at: Duration::from_micros(at), direction, flags, seq, ack, payload_len: 0, client, server }
    }

    fn handshake() -> Conversation {
        use Direction::{ToClient, ToServer};
        use State::{Established, SynReceived, SynSent};
        let syn_ack = Flags::SYN.with(Flags::ACK);
        Conversation {
            client: "198.18.0.1:40312".parse().unwrap(),
            server: "198.18.1.1:80".parse().unwrap(),
            lines: vec![
                line(0, ToServer, Flags::SYN, 0, None, (SynSent, SynReceived)),
                line(41, ToClient, syn_ack, 0, Some(1), (Established, SynReceived)),
                line(12_340, ToServer, Flags::ACK, 1, Some(1), (Established, Established)),
            ],
        }
    }

    #[test]
    fn draws_one_line_for_each_segment() {
        let drawn = Ladder { conversation: &handshake(), colour: false }.to_string();
        let expected = [
            "       time  198.18.0.1:40312                                                   198.18.1.1:80",
            "             CLOSED                                                             LISTEN",
            "       0 µs  SYN-SENT      ─── SYN         seq 0                     len 0  ──▶ SYN-RECEIVED",
            "      41 µs  ESTABLISHED   ◀── SYN ACK     seq 0        ack 1        len 0  ─── SYN-RECEIVED",
            "   12.34 ms  ESTABLISHED   ─── ACK         seq 1        ack 1        len 0  ──▶ ESTABLISHED",
        ];
        let trimmed: Vec<&str> = drawn.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, expected, "\n{drawn}");
    }

    #[test]
    fn colour_changes_no_width_and_is_off_unless_asked() {
        let conversation = handshake();
        let plain = Ladder { conversation: &conversation, colour: false }.to_string();
        let coloured = Ladder { conversation: &conversation, colour: true }.to_string();
        assert!(!plain.contains('\x1b'));
        let mut stripped = String::new();
        for (index, part) in coloured.split('\x1b').enumerate() {
            stripped += if index == 0 { part } else { part.split_once('m').unwrap().1 };
        }
        assert_eq!(stripped, plain);
        assert!(plain.lines().all(|line| line.chars().count() <= 100));
    }
}
