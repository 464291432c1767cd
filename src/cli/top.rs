use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::control_args::{WhomArgs, unanswered};
use super::result_file::ResultFile;
use super::values::seconds;
use super::{Failure, charset};
use handfast_top::{Interactive, Once, TopError, View, once, run, svg, text};

/// Watch a running program: rates, connections, drops, cores, queues, latency.
///
/// Asks a running `handfast respond` or `handfast bench` over its control socket, as root or as the
/// user who started it, and draws what it tells, in 60 columns and 12 lines or more. The program's cores
/// pay nothing on the path of a segment: counts are read as they stand, and connections by state are
/// counted at most once a second, less often where there are so many that it takes long.
///
/// Drops are the frames that handfast gave up, by name; the chosen one says what it means. Queues show
/// what the kernel dropped before we saw it, steering what the program on the interface decided. Where
/// NO_COLOR is set, there are no colours; where the locale has no UTF-8, nothing but ASCII.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TopArgs {
    #[command(flatten)]
    whom: WhomArgs,

    /// Ask every so many seconds, from 0.1 to 30
    #[arg(long, value_name = "TIME", default_value = "1", value_parser = interval)]
    interval: Duration,

    /// Print one picture, of the rates over one interval, and leave
    #[arg(long)]
    once: bool,

    /// Columns of what is printed [default: the terminal's, or 80]
    #[arg(long, value_name = "N", requires = "once", value_parser = clap::value_parser!(u16).range(60..=500))]
    width: Option<u16>,

    /// Lines of it
    #[arg(long, value_name = "N", requires = "once", hide = true, value_parser = clap::value_parser!(u16).range(12..=500))]
    height: Option<u16>,

    /// Print it after so many intervals
    #[arg(long, value_name = "N", requires = "once", hide = true, default_value_t = 1)]
    intervals: u16,

    /// Draw what would be watched into a file, as SVG
    #[arg(long, value_name = "FILE", requires = "once", hide = true)]
    svg: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Watch the only program that runs:

    handfast top

  A record of the day, a picture every minute:

    while sleep 60; do handfast top --once; done >> day.txt";

pub(super) fn run_top(arguments: &TopArgs) -> Result<ExitCode, Failure> {
    if arguments.once {
        return print(arguments);
    }
    if !io::stdout().is_terminal() {
        return Err(Failure::new("standard output is no terminal").fix("handfast top --once"));
    }
    let client = arguments.whom.connect("top")?;
    let stop = Arc::new(AtomicBool::new(false));
    // The second one is as the first: the terminal is given back before anything else.
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Failure::of)?;
    }
    let how =
        Interactive { interval: arguments.interval, colour: colour(), ascii: !charset::is_utf8(), stop };
    run(client, &how).map_err(failure)?;
    Ok(ExitCode::SUCCESS)
}

fn print(arguments: &TopArgs) -> Result<ExitCode, Failure> {
    let terminal = terminal_size::terminal_size().map_or(80, |(width, _)| width.0.max(60));
    let wanted = Once {
        interval: arguments.interval,
        statuses: u32::from(arguments.intervals) + 1,
        width: arguments.width.unwrap_or(terminal),
        height: arguments.height,
        // A file is no terminal.
        view: match arguments.svg {
            Some(_) => View::watched(true),
            None => View { ascii: !charset::is_utf8(), ..View::printed() },
        },
    };
    let picture = once(arguments.whom.connect("top")?, &wanted).map_err(failure)?;
    if let Some(path) = &arguments.svg {
        let drawn = svg(&picture, "handfast top");
        ResultFile::check(path)?.write(drawn.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", text(&picture));
    Ok(ExitCode::SUCCESS)
}

/// As no-color.org has it: any value but an empty one.
fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn failure(error: TopError) -> Failure {
    match error {
        TopError::Ask(error) => unanswered(&error),
        TopError::Terminal(_) => Failure::new(error.to_string()).fix("handfast top --once"),
        other => Failure::of(other),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    let wanted = Duration::from_millis(100)..=Duration::from_secs(30);
    if wanted.contains(&interval) { Ok(interval) } else { Err("write seconds from 0.1 to 30".to_owned()) }
}
