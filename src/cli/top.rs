use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::control_args::{TargetProcess, unanswered};
use super::result_file::ResultFile;
use super::values::seconds;
use super::{Failure, charset};
use handfast_top::{Interactive, Once, TopError, View, once, run, svg, text};

/// Watch a running program: rates, connections, drops, cores, queues, latency.
///
/// Queries a running `handfast respond` or `handfast bench` over its control socket, as root or as the
/// user who started it. It needs a terminal of at least 60 columns and 12 lines. It does not slow down
/// packet processing: counters are read without locks, and connections are counted by state at most
/// once a second, less often if there are many.
///
/// Drops are frames that handfast discarded, by reason; the selected reason is explained. Queues shows
/// the frames that the kernel dropped before handfast received them. Steering shows the decisions of
/// the eBPF program on the interface. With NO_COLOR set there are no colours; in a locale without UTF-8
/// only ASCII is drawn.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    process: TargetProcess,

    /// Refresh interval, from 0.1 to 30 seconds
    #[arg(long, value_name = "TIME", default_value = "1", value_parser = interval)]
    interval: Duration,

    /// Print the display once, with the rates over one interval, and exit
    #[arg(long)]
    once: bool,

    /// Width of the printed display in columns [default: that of the terminal, or 80]
    #[arg(long, value_name = "N", requires = "once", value_parser = clap::value_parser!(u16).range(60..=500))]
    width: Option<u16>,

    /// Height of the printed display in lines
    #[arg(long, value_name = "N", requires = "once", hide = true, value_parser = clap::value_parser!(u16).range(12..=500))]
    height: Option<u16>,

    /// Print after this many intervals
    #[arg(long, value_name = "N", requires = "once", hide = true, default_value_t = 1)]
    intervals: u16,

    /// Draw the interactive display into a file, as SVG
    #[arg(long, value_name = "FILE", requires = "once", hide = true)]
    svg: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Watch the only running program:

    handfast top

  A log of the day, one display per minute:

    while sleep 60; do handfast top --once; done >> day.txt";

pub(super) fn run_top(arguments: &TopArgs) -> Result<ExitCode, Failure> {
    if arguments.once {
        return print(arguments);
    }
    if !io::stdout().is_terminal() {
        return Err(Failure::new("standard output is not a terminal").fix("handfast top --once"));
    }
    let client = arguments.process.connect("top")?;
    let stop = Arc::new(AtomicBool::new(false));
    // A second signal does the same: the terminal is always restored first.
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
        // A file is not a terminal.
        view: match arguments.svg {
            Some(_) => View::watched(true),
            None => View { ascii: !charset::is_utf8(), ..View::printed() },
        },
    };
    let picture = once(arguments.process.connect("top")?, &wanted).map_err(failure)?;
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
        TopError::Client(error) => unanswered(&error),
        TopError::Terminal(_) => Failure::new(error.to_string()).fix("handfast top --once"),
        other => Failure::of(other),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = seconds(text)?;
    let wanted = Duration::from_millis(100)..=Duration::from_secs(30);
    if wanted.contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("invalid interval `{text}`: write seconds from 0.1 to 30"))
    }
}
