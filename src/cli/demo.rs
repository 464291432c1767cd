//! The demonstration: a network, a responder, one connection in detail, then many, then a comparison.

use std::env;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::args::LabDemo;
use super::responder_process::ResponderProcess;
use super::styled_text::{StyledText, bar};
use super::trace_output::columns;
use super::{Failure, demo_comparison, out, signals};
use handfast_lab::load::{self, ClientScript, Plan, Progress, Tally};
use handfast_lab::{CLIENT_DEVICE, Lab, LabError, Removed, SERVER_DEVICE, Spec, client_addresses};
use handfast_text::{ansi, counted, grouped};
use handfast_trace::{Capture, Diagram, DiagramOptions, Picture, Record, State, Text};

/// Maximum time for the responder to start or to end.
const RESPONDER_TIMEOUT: Duration = Duration::from_secs(10);
const ECHO_PORT: u16 = 7;
const HTTP_PORT: u16 = 80;
const CLOSE_PORT: u16 = 7001;
const MESSAGE: &[u8] = b"handfast";

pub(super) fn run(arguments: &LabDemo) -> Result<ExitCode, Failure> {
    let demo = Demo::new(arguments)?;
    let began = Instant::now();
    demo.output.heading("A network of two namespaces, on this host only");
    let lab = Lab::up(&demo.spec)?;
    demo.network(&lab);
    let outcome = demo.run_acts(&lab).and_then(|outcome| demo.comparison(&lab, outcome));

    demo.output.heading("Cleaning up");
    let removed: Removed = lab.remove()?;
    demo.output.body(&removed.to_string());
    match outcome? {
        DemoOutcome::Interrupted => Ok(ExitCode::from(signals::INTERRUPTED)),
        DemoOutcome::Complete => {
            demo.output.body(&format!("\nThat took {:.0} s.", began.elapsed().as_secs_f64()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// How the demonstration ended.
enum DemoOutcome {
    Complete,
    Interrupted,
}

struct Demo {
    spec: Spec,
    duration: Duration,
    /// Rounds of the comparison; 0: none.
    rounds: u32,
    /// Set by Ctrl-C or SIGTERM.
    interrupted: Arc<AtomicBool>,
    output: StyledText,
}

impl Demo {
    fn new(arguments: &LabDemo) -> Result<Demo, Failure> {
        let interrupted = signals::stop()?;
        let LabDemo { name, link, duration, rounds } = arguments;
        Ok(Demo {
            spec: link.spec(name),
            duration: *duration,
            rounds: *rounds,
            interrupted,
            output: StyledText::of_stdout(),
        })
    }

    /// The acts that need the responder, which has ended when this returns.
    fn run_acts(&self, lab: &Lab) -> Result<DemoOutcome, Failure> {
        let mut responder = self.start(lab)?;
        if !self.is_interrupted() {
            self.fetch_page(lab)?;
        }
        if !self.is_interrupted() {
            self.one_connection(lab)?;
        }
        if !self.is_interrupted() {
            self.many_connections(lab)?;
        }
        self.output.heading("The summary of the responder");
        responder.printed();
        for line in responder.stop(RESPONDER_TIMEOUT)? {
            self.output.body(&line);
        }
        Ok(if self.is_interrupted() { DemoOutcome::Interrupted } else { DemoOutcome::Complete })
    }

    /// Runs after the responder has ended, when the link is free.
    fn comparison(&self, lab: &Lab, outcome: DemoOutcome) -> Result<DemoOutcome, Failure> {
        if self.rounds == 0 || self.is_interrupted() {
            return Ok(outcome);
        }
        demo_comparison::run(&self.output, lab, &self.spec, self.rounds, &self.interrupted)?;
        Ok(if self.is_interrupted() { DemoOutcome::Interrupted } else { outcome })
    }

    fn network(&self, lab: &Lab) {
        let (client, server) = (lab.client().name(), lab.server().name());
        let first = client_addresses(self.spec.ipv6).next().map(|address| address.to_string());
        let first = first.unwrap_or_default();
        let width = client.len().max(server.len());
        let column = first.len().max(self.prefix().len());
        self.output.body(&format!(
            "{client:<width$}  {CLIENT_DEVICE}  {first:<column$}  and more: the Linux kernel, our client"
        ));
        let prefix = self.prefix();
        self.output.body(&format!(
            "{server:<width$}  {SERVER_DEVICE}  {prefix:<column$}  unassigned addresses: handfast answers them"
        ));
        let tag = self.spec.vlan.map(|id| format!(", VLAN {id}")).unwrap_or_default();
        self.output.body(&format!(
            "one veth pair between them, {} each way{tag}",
            counted(self.spec.queues.into(), "queue")
        ));
    }

    fn start(&self, lab: &Lab) -> Result<ResponderProcess, Failure> {
        self.output.heading("The responder, on the server's end");
        let services = [(HTTP_PORT, "http"), (ECHO_PORT, "echo"), (CLOSE_PORT, "close")];
        let mut arguments = vec!["respond".to_string(), "--dev".into(), SERVER_DEVICE.into()];
        let mut shown = format!("$ handfast {}", arguments.join(" "));
        for (port, service) in services {
            let listener = format!("{}:{port}={service}", self.prefix());
            shown += &format!(" \\\n    --listen {listener}");
            arguments.extend(["--listen".into(), listener]);
        }
        shown.lines().for_each(|line| self.output.body(&self.output.paint(ansi::BOLD, line)));
        let program = env::current_exe()
            .map_err(|error| Failure::new(format!("cannot find the program's own file: {error}")))?;
        let mut command = lab.server().command(program);
        command.args(arguments);
        let (responder, lines) = ResponderProcess::start(command, RESPONDER_TIMEOUT)?;
        lines.iter().for_each(|line| self.output.prose(line));
        Ok(responder)
    }

    fn fetch_page(&self, lab: &Lab) -> Result<(), Failure> {
        let url = format!("http://{}/", SocketAddr::new(self.target(), HTTP_PORT)).replace(":80/", "/");
        let mut command = lab.client().command("curl");
        let Ok(output) = command.args(["-sS", "-i", "--max-time", "5", &url]).output() else { return Ok(()) };
        let (page, complaint) = (text(&output.stdout), text(&output.stderr));
        // The message of `ip netns exec` without curl.
        if complaint.contains("exec of \"curl\" failed") {
            return Ok(());
        }
        self.output.heading("A page, fetched by curl");
        self.output.body(&self.output.paint(ansi::BOLD, &format!("$ curl -i {url}")));
        self.output.body(page.trim_end());
        match output.status.success() {
            true => Ok(()),
            false => Err(Failure::new(format!("curl got no answer: {}", complaint.trim()))),
        }
    }

    fn one_connection(&self, lab: &Lab) -> Result<(), Failure> {
        self.output.heading("One connection, captured at the client's end");
        let target = SocketAddr::new(self.target(), ECHO_PORT);
        let picture = lab
            .in_client(|| echo_exchange(target))?
            .map_err(|error| Failure::new(format!("the connection to {target} failed: {error}")))?;
        // Not indented: it takes 80 columns.
        let drawn =
            Text { picture: &picture, width: columns(None), ascii: false, colour: self.output.colour };
        out::say(out::Kind::Painted, format_args!("{drawn}"));
        self.output.body("The states follow from the segments; the message is 8 bytes, echoed.");
        Ok(())
    }

    fn many_connections(&self, lab: &Lab) -> Result<(), Failure> {
        let seconds = self.duration.as_secs_f64();
        self.output.heading(&format!("Kernel clients, as fast as they can, for {seconds:.0} s"));
        let plan = self.plan();
        self.output.body(&format!(
            "{} connections at a time, on {}; opened by the client, closed by the responder",
            plan.parallel,
            counted(plan.threads as u64, "thread")
        ));
        let progress = Progress::default();
        let before = processor_time();
        let tally = thread::scope(|scope| {
            let running = scope.spawn(|| lab.in_client(|| load::run(&plan, &progress)));
            self.watch(&progress, || running.is_finished());
            running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let tally = flatten(tally)?;
        self.result(&tally, processor_time().zip(before).map(|(after, before)| after.saturating_sub(before)));
        Ok(())
    }

    fn plan(&self) -> Plan {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Plan {
            targets: (1..=8).map(|host| SocketAddr::new(self.address(host), CLOSE_PORT)).collect(),
            sources: client_addresses(self.spec.ipv6).collect(),
            script: ClientScript::PeerCloses,
            count: None,
            duration: Some(self.duration),
            parallel: 256,
            threads: cores.saturating_sub(1).max(1),
            timeout: Duration::from_secs(5),
        }
    }

    /// Prints a line each second until the load has ended, and passes Ctrl-C on to it.
    fn watch(&self, progress: &Progress, ended: impl Fn() -> bool) {
        const TICK: Duration = Duration::from_millis(20);
        let (mut second, mut last) = (0, 0);
        let began = Instant::now();
        while !ended() {
            thread::sleep(TICK);
            if self.is_interrupted() {
                progress.stop();
            }
            if began.elapsed().as_secs() > second {
                let completed = progress.completed();
                second = began.elapsed().as_secs();
                self.output.body(&format!(
                    "{second:>4} s  {:>9}/s  {}",
                    grouped(completed - last),
                    bar(completed - last)
                ));
                last = completed;
            }
        }
    }

    fn result(&self, tally: &Tally, client: Option<Duration>) {
        let rate =
            self.output.paint(ansi::BOLD_GREEN, &format!("{} connections/s", grouped(tally.rate() as u64)));
        self.output.body(&format!(
            "\n{rate}: {} opened and closed, {} failed",
            grouped(tally.completed),
            grouped(tally.failed())
        ));
        for (failure, count) in &tally.failures {
            self.output.body(&format!("  {count} × {failure}"));
        }
        if let Some(client) = client {
            let micros = client.as_secs_f64() * 1e6 / tally.completed.max(1) as f64;
            self.output.body(&format!("CPU time of the kernel client per connection: {micros:.0} µs."));
        }
        self.output.body(
            "The kernel client is the bottleneck: for each connection it creates a socket, finds\n\
             a port and closes again, on cores that it shares with the responder.",
        );
    }

    /// The prefix of the responder.
    fn prefix(&self) -> &'static str {
        if self.spec.ipv6 { "[2001:db8:18::1:0]/112" } else { "198.18.1.0/24" }
    }

    fn target(&self) -> IpAddr {
        self.address(1)
    }

    /// An address of the responder.
    fn address(&self, host: u8) -> IpAddr {
        match self.spec.ipv6 {
            false => IpAddr::from([198, 18, 1, host]),
            true => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 1, u16::from(host)]),
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Opens one connection, has a message echoed, closes first, and returns the ladder diagram of its segments.
fn echo_exchange(target: SocketAddr) -> io::Result<Picture> {
    let capture = Capture::open(CLIENT_DEVICE)?;
    let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let client = stream.local_addr()?;
    stream.write_all(MESSAGE)?;
    let mut answer = [0; MESSAGE.len()];
    stream.read_exact(&mut answer)?;
    if answer != MESSAGE {
        return Err(io::Error::other("the echo differs from what was sent"));
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    drop(stream);
    let mut frames = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        frames.extend(capture.drain()?);
        let record = Record::between(&frames, client, target);
        let diagram = Diagram::of(&record, &DiagramOptions::default()).without_annotations();
        let closed = diagram.rows.last().is_some_and(|row| row.server == State::Closed);
        if closed || Instant::now() > deadline {
            let (client, server) = (client.to_string(), target.to_string());
            return Ok(Picture { client, server, diagram, ..Picture::default() });
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn flatten(tally: Result<nix::Result<Tally>, LabError>) -> Result<Tally, Failure> {
    tally?.map_err(|errno| Failure::new(format!("cannot run the client: {errno}")))
}

/// CPU time of this process, the kernel client, so far.
fn processor_time() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
