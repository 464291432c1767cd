use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::server::ServerKind;
use crate::bench::workload::{Pattern, Workload};
use crate::{KERNEL_V4, KERNEL_V6, SOURCES_V4, SOURCES_V6};
use handfast_stack::xdp::Mode;

/// The port of every server.
pub(super) const PORT: u16 = 7000;
/// The end of the name of a workload over IPv6.
pub(super) const IPV6: &str = "-ipv6";
/// Memory for the connections of a run, those in TIME-WAIT included, touched before the run: the first use
/// of 2 MiB costs milliseconds on a virtual machine, which would count against a run of seconds.
pub(super) const RESIDENT: [&str; 3] = ["--max-connections", "1M", "--prefault"];
/// Time to start and end the programs of a run, an estimate.
const OVERHEAD: Duration = Duration::from_millis(500);

/// The servers compared, and the conditions.
#[derive(Clone, Debug)]
pub struct ComparisonPlan {
    /// The lab's name; a lab of that name is replaced.
    pub name: String,
    /// The `handfast` binary: every server is one of its subcommands.
    pub program: PathBuf,
    pub servers: Vec<ServerKind>,
    /// The ceilings of the link, which reply to one frame with one, run `syn` instead.
    pub patterns: Vec<Pattern>,
    /// Attach modes of the eBPF programs, the same on both ends.
    pub modes: Vec<Mode>,
    /// Each round runs everything once.
    pub rounds: u32,
    /// Duration of one run.
    pub duration: Duration,
    /// Pause before each run, in which the kernel releases the resources of the previous one.
    pub settle: Duration,
    pub cores: Cores,
    pub ipv6: bool,
    /// Run everything over IPv4, then over IPv6.
    pub both_families: bool,
    /// Connections in progress at a time.
    pub window: u32,
    /// Whether `respond` of the program has `--cookie-tier`, which earlier versions had not.
    pub cookie_tier: bool,
}

/// The core that each side is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cores {
    pub client: usize,
    pub server: usize,
}

/// One run of one server.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub plan: &'a ComparisonPlan,
    pub server: ServerKind,
    pub pattern: Pattern,
    pub mode: Mode,
    pub ipv6: bool,
    /// From 0.
    pub round: u32,
    /// Index among all runs of the plan, from 0.
    pub number: u32,
}

impl ComparisonPlan {
    /// The defaults: all servers, ten rounds of three seconds on one queue.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> ComparisonPlan {
        ComparisonPlan {
            name: name.into(),
            program: program.into(),
            servers: ServerKind::ALL.to_vec(),
            patterns: Workload::COMPARED.map(Pattern::new).to_vec(),
            modes: vec![Mode::Generic, Mode::Native],
            rounds: 10,
            duration: Duration::from_secs(3),
            settle: Duration::from_millis(500),
            cores: Cores { client: 0, server: 1 },
            ipv6: false,
            both_families: false,
            cookie_tier: true,
            // With two frames each, below net.core.netdev_max_backlog.
            window: 256,
        }
    }

    /// Returns the runs of one round, in an order that differs from round to round: the aftermath of a run
    /// affects another one each time.
    pub fn round(&self, round: u32) -> Vec<Run<'_>> {
        let mut runs = Vec::new();
        for &ipv6 in self.families() {
            for &mode in &self.modes {
                let played = self.played().into_iter();
                let run =
                    |(server, pattern)| Run { plan: self, server, pattern, mode, ipv6, round, number: 0 };
                runs.extend(played.map(run));
            }
        }
        let count = runs.len().max(1);
        runs.rotate_left(round as usize % count);
        if round % 2 == 1 {
            runs.reverse();
        }
        for (index, run) in runs.iter_mut().enumerate() {
            run.number = round * count as u32 + index as u32;
        }
        runs
    }

    /// Returns server and pattern of the runs in each mode.
    fn played(&self) -> Vec<(ServerKind, Pattern)> {
        let mut played = Vec::new();
        for pattern in &self.patterns {
            let servers = self.servers.iter().filter(|server| server.plays(pattern));
            played.extend(servers.map(|server| (*server, *pattern)));
        }
        // In a comparison of connections the ceilings of the link are measured by round trips.
        let timestamps = self.patterns.iter().any(|pattern| pattern.timestamps);
        let syn = Pattern { timestamps, ..Pattern::new(Workload::Syn) };
        if self.patterns.iter().any(|pattern| !pattern.is_syn()) && !self.patterns.contains(&syn) {
            let link = self.servers.iter().filter(|server| server.is_one_to_one());
            played.extend(link.map(|server| (*server, syn)));
        }
        played
    }

    /// Whether IPv6 is used, by family.
    fn families(&self) -> &'static [bool] {
        match (self.both_families, self.ipv6) {
            (true, _) => &[false, true],
            (false, true) => &[true],
            (false, false) => &[false],
        }
    }

    /// Whether the lab needs IPv6.
    pub(super) fn uses_ipv6(&self) -> bool {
        self.families().contains(&true)
    }

    /// Returns the estimated duration of all runs.
    pub fn expected(&self) -> Duration {
        (self.duration + self.settle + OVERHEAD) * self.rounds * self.round(0).len() as u32
    }
}

impl Run<'_> {
    /// Returns the name of its workload: the pattern's, and the family where there are two, or
    /// where its goals differ.
    pub fn workload(&self) -> String {
        let named = self.plan.both_families || self.plan.patterns.iter().all(Pattern::is_syn);
        match named && self.ipv6 {
            true => self.pattern.name() + IPV6,
            false => self.pattern.name(),
        }
    }

    /// Returns the server's address. The kernel's server has the interface's address, the others serve addresses
    /// that they own.
    pub fn target(&self) -> SocketAddr {
        let address = match (self.server.is_kernel(), self.ipv6) {
            (true, false) => IpAddr::from(KERNEL_V4),
            (true, true) => KERNEL_V6.into(),
            (false, false) => IpAddr::from([198, 18, 1, 1]),
            (false, true) => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1]),
        };
        SocketAddr::new(address, PORT)
    }

    /// Returns the client's source addresses, which are routed to it in the server's namespace.
    pub fn sources(&self) -> IpNet {
        let text = if self.ipv6 { SOURCES_V6 } else { SOURCES_V4 };
        text.parse().unwrap_or_default()
    }
}
