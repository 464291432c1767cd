use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::control_args::{TargetProcess, unanswered};
use handfast_control::{AddressFilter, Client, Connection, Filter, Reply, Request, StateName};
use handfast_text::columns::Align::{Left, Right};
use handfast_text::columns::Growing;
use handfast_text::{grouped, printable, printable_json};

/// List the connections of a running program, like `ss -tan` for the kernel.
///
/// Queries a running `handfast respond` or `handfast bench` over its control socket, as root or as the
/// user who started it. The program keeps running: the listing reads its connection table without
/// locks, and each core reports its own connections, a few at a time. Connections that open or close
/// during the listing may or may not appear. The order is not defined.
///
/// TIMER is the running timer of a connection, the time left, and the number of retransmissions.
/// SERVICE is the listener that accepted the connection, or `(opened here)`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct ConnectionsArgs {
    /// List only connections in this state, as in time-wait; repeat for more states
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<StateName>,

    /// List only connections with this local address: ADDR[/PREFIX][:PORT] or :PORT
    #[arg(long, value_name = "ADDR:PORT")]
    local: Option<AddressFilter>,

    /// List only connections with this peer address, in the same form
    #[arg(long, value_name = "ADDR:PORT")]
    peer: Option<AddressFilter>,

    /// List at most this many
    #[arg(long, value_name = "N", conflicts_with = "count")]
    limit: Option<u64>,

    /// Print only the number of connections in each state
    #[arg(long)]
    count: bool,

    /// Print JSON: one line per connection, or one object with --count
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    process: TargetProcess,
}

const EXAMPLES: &str = "\
Examples:
  How many connections are in each state?

    handfast connections --count

  Which handshakes from one network are incomplete?

    handfast connections --state syn-received --peer 10.0.1.0/24

  Established connections to port 80, for a script:

    handfast connections --state established --local :80 --json";

pub(super) fn run(arguments: &ConnectionsArgs) -> Result<ExitCode, Failure> {
    let mut client = arguments.process.connect("connections")?;
    let filter = Filter {
        state: arguments.states.clone(),
        local: arguments.local,
        peer: arguments.peer,
        limit: arguments.limit,
    };
    let out = BufWriter::new(io::stdout().lock());
    let written = match arguments.count {
        true => count(&mut client, filter, arguments.json, out)?,
        false => list(&mut client, filter, arguments.json, out)?,
    };
    match written {
        // The reader has closed, as `| head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn count(
    client: &mut Client,
    filter: Filter,
    json: bool,
    mut out: impl Write,
) -> Result<io::Result<()>, Failure> {
    client.send(&Request::Count(filter)).map_err(|error| unanswered(&error))?;
    match client.receive().map_err(|error| unanswered(&error))? {
        Reply::States(states) if json => Ok(write_json(&mut out, &states)),
        Reply::States(states) => Ok(table(&states, &mut out)),
        _ => Err(unexpected_answer()),
    }
}

fn table(states: &BTreeMap<String, u64>, out: &mut impl Write) -> io::Result<()> {
    let total = [("total".to_owned(), states.values().sum())];
    let rows = states.iter().map(|(name, count)| (printable(name), *count)).chain(total);
    for (name, count) in rows {
        writeln!(out, "{name:<13}{:>12}", grouped(count))?;
    }
    out.flush()
}

fn list(
    client: &mut Client,
    filter: Filter,
    json: bool,
    mut out: impl Write,
) -> Result<io::Result<()>, Failure> {
    client.send(&Request::Connections(filter)).map_err(|error| unanswered(&error))?;
    let mut listing = Listing::new();
    loop {
        let written = match client.receive().map_err(|error| unanswered(&error))? {
            Reply::Connection(connection) if json => write_json(&mut out, &connection),
            Reply::Connection(connection) => listing.line(&connection, &mut out),
            Reply::End(end) => {
                if !json && !listing.begun {
                    return Ok(listing.head(&mut out).and_then(|()| out.flush()));
                }
                if end.limited {
                    eprintln!("{} listed; there are more (--limit)", grouped(end.listed));
                }
                return Ok(out.flush());
            }
            _ => return Err(unexpected_answer()),
        };
        if written.is_err() {
            return Ok(written);
        }
    }
}

/// Columns grow with their contents: with millions of lines, none can wait for the widest.
struct Listing {
    columns: Growing<6>,
    begun: bool,
}

impl Listing {
    fn new() -> Listing {
        let columns = [(12, Left), (21, Left), (21, Left), (4, Right), (20, Left), (0, Left)];
        Listing { columns: Growing::new(columns), begun: false }
    }

    fn line(&mut self, connection: &Connection, out: &mut impl Write) -> io::Result<()> {
        let (local, peer) = (connection.local.to_string(), connection.peer.to_string());
        if !self.begun {
            // The first line decides how wide its header is.
            self.columns.fit(["", &local, &peer, "", "", ""]);
            self.head(out)?;
        }
        let timer = connection.timer.as_ref().map_or_else(String::new, |timer| {
            let again = if timer.retries > 0 { format!(" x{}", timer.retries) } else { String::new() };
            format!(
                "{} {:.1}s{again}",
                printable(&timer.name).replace('_', "-"),
                f64::from(timer.left_ms) / 1e3
            )
        });
        let service = connection.listener.as_deref().map_or_else(|| "(opened here)".to_owned(), printable);
        let (state, core) = (printable(&connection.state), connection.core.to_string());
        writeln!(out, "{}", self.columns.line([&state, &local, &peer, &core, &timer, &service]))
    }

    fn head(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.begun = true;
        writeln!(out, "{}", self.columns.line(["STATE", "LOCAL", "PEER", "CORE", "TIMER", "SERVICE"]))
    }
}

fn write_json(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    writeln!(out, "{}", printable_json(&serde_json::to_string(value)?))
}

fn unexpected_answer() -> Failure {
    Failure::new("unexpected answer from the program").fix("use the same version of handfast as the program")
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_control::TimerLeft;

    fn connection() -> Connection {
        Connection {
            state: "TIME-WAIT".into(),
            local: "198.18.1.1:80".parse().unwrap(),
            peer: "198.18.0.1:40000".parse().unwrap(),
            listener: Some("198.18.1.0/24:80=http".into()),
            core: 1,
            timer: Some(TimerLeft { name: "time_wait".into(), left_ms: 41_930, retries: 0 }),
            rtt_ms: None,
        }
    }

    #[test]
    fn lines_are_aligned_below_their_headings() {
        let mut text = Vec::new();
        let mut listing = Listing::new();
        listing.line(&connection(), &mut text).unwrap();
        let opened = Connection { listener: None, timer: None, ..connection() };
        listing.line(&opened, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "STATE         LOCAL                  PEER                   CORE  TIMER                 SERVICE",
                "TIME-WAIT     198.18.1.1:80          198.18.0.1:40000          1  time-wait 41.9s       198.18.1.0/24:80=http",
                "TIME-WAIT     198.18.1.1:80          198.18.0.1:40000          1                        (opened here)",
            ]
        );
    }
}
