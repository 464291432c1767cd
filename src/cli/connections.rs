use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::control_args::{WhomArgs, unanswered};
use handfast_control::{Client, Connection, Filter, Place, Reply, Request, StateName};
use handfast_text::columns::Align::{Left, Right};
use handfast_text::columns::Growing;
use handfast_text::{grouped, printable, printable_json};

/// List the connections of a running program, as `ss -tan` does the kernel's.
///
/// Asks a running `handfast respond` or `handfast bench` over its control socket, as root or as the
/// user who started it. The program's cores go on meanwhile: keys are read off its table without a
/// lock, and each core tells of its own connections, a few at a time. What comes or goes during the
/// listing is listed or not. The order is the table's: none.
///
/// TIMER is what a connection waits for, how long still, and how often it has sent again. SERVICE is
/// the listener that took it; `(opened here)` where this side opened it.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ConnectionsArgs {
    /// Only those in this state, as in time-wait; give it again for more states
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<StateName>,

    /// Only those with this end here: ADDR[/PREFIX][:PORT] or :PORT
    #[arg(long, value_name = "PLACE")]
    local: Option<Place>,

    /// Only those with this end there
    #[arg(long, value_name = "PLACE")]
    peer: Option<Place>,

    /// List so many at most
    #[arg(long, value_name = "N", conflicts_with = "count")]
    limit: Option<u64>,

    /// Only how many there are, by state
    #[arg(long)]
    count: bool,

    /// As JSON: a line for each connection, or one object with --count
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    whom: WhomArgs,
}

const EXAMPLES: &str = "\
Examples:
  How many, and in which states?

    handfast connections --count

  Which handshakes are not done, from one network?

    handfast connections --state syn-received --peer 10.0.1.0/24

  A script's view of what is open to port 80:

    handfast connections --state established --local :80 --json";

pub(super) fn run(arguments: &ConnectionsArgs) -> Result<ExitCode, Failure> {
    let mut client = arguments.whom.connect("connections")?;
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
        // `| head` has what it wanted.
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
    client.ask(&Request::Count(filter)).map_err(|error| unanswered(&error))?;
    match client.answer().map_err(|error| unanswered(&error))? {
        Reply::States(states) if json => Ok(write_json(&mut out, &states)),
        Reply::States(states) => Ok(table(&states, &mut out)),
        _ => Err(out_of_order()),
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
    client.ask(&Request::Connections(filter)).map_err(|error| unanswered(&error))?;
    let mut listing = Listing::new();
    loop {
        let written = match client.answer().map_err(|error| unanswered(&error))? {
            Reply::Connection(connection) if json => write_json(&mut out, &connection),
            Reply::Connection(connection) => listing.line(&connection, &mut out),
            Reply::End(end) => {
                if !json && !listing.begun {
                    return Ok(listing.head(&mut out).and_then(|()| out.flush()));
                }
                if end.limited {
                    eprintln!("{} listed, and there are more: --limit", grouped(end.listed));
                }
                return Ok(out.flush());
            }
            _ => return Err(out_of_order()),
        };
        if written.is_err() {
            return Ok(written);
        }
    }
}

/// There may be millions of lines, so none waits for another.
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

fn out_of_order() -> Failure {
    Failure::new("the program answered something else than it was asked")
        .fix("use its own version of handfast")
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
    fn lines_stand_in_columns_below_their_names() {
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
