//! Two NICs of one kind that are connected, each in a network namespace of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use crate::cells::{self, Nic};

/// How often carrier and interfaces are looked for, every 100 ms.
const LOOKS: usize = 600;

pub struct Pair {
    pub nic: &'static Nic,
}

/// Which of the two NICs.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// handfast's.
    Server,
    /// The kernel's.
    Client,
}

impl Pair {
    /// Finds both NICs by their MAC addresses, moves each to its namespace, and waits for carrier.
    pub fn new(nic: &'static Nic) -> Result<Pair, String> {
        let pair = Pair { nic };
        for (number, end) in [End::Server, End::Client].into_iter().enumerate() {
            let name = find(&cells::mac(nic, number))?;
            let space = pair.space(end);
            run("ip", &["netns", "add", &space])?;
            run("ip", &["link", "set", &name, "netns", &space, "name", "eth0"])?;
            pair.on(end, &["ip", "link", "set", "lo", "up"])?;
            let address = format!("{}/24", if number == 0 { pair.kernel() } else { pair.client() });
            pair.on(end, &["ip", "addr", "add", &address, "dev", "eth0"])?;
            pair.on(end, &["ip", "link", "set", "eth0", "up"])?;
        }
        pair.wait_for_carrier()?;
        Ok(pair)
    }

    fn network(&self) -> String {
        format!("10.9.{}", cells::index(self.nic) + 1)
    }

    /// Of handfast alone.
    pub fn owned(&self) -> String {
        format!("{}.1", self.network())
    }

    pub fn client(&self) -> String {
        format!("{}.2", self.network())
    }

    /// The kernel's, at handfast's end.
    pub fn kernel(&self) -> String {
        format!("{}.3", self.network())
    }

    /// Where `bench` connects from.
    pub fn sources(&self) -> String {
        format!("{}.64/27", self.network())
    }

    fn space(&self, end: End) -> String {
        match end {
            End::Server => format!("s-{}", self.nic.name),
            End::Client => format!("c-{}", self.nic.name),
        }
    }

    /// A command in the namespace of that end.
    pub fn command(&self, end: End, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(end)]).args(args);
        command
    }

    /// Runs it to its end; what it prints, or why it failed.
    pub fn on(&self, end: End, args: &[&str]) -> Result<String, String> {
        let output = self.command(end, args).output().map_err(|error| error.to_string())?;
        checked(&args.join(" "), &output)
    }

    pub fn wait_for_carrier(&self) -> Result<(), String> {
        for end in [End::Server, End::Client] {
            until("carrier", || {
                self.on(end, &["ip", "link", "show", "eth0"]).is_ok_and(|text| text.contains("LOWER_UP"))
            })?;
        }
        Ok(())
    }

    /// At both ends.
    pub fn set_mtu(&self, mtu: u32) -> Result<(), String> {
        for end in [End::Client, End::Server] {
            self.on(end, &["ip", "link", "set", "eth0", "mtu", &mtu.to_string()])?;
        }
        self.wait_for_carrier()
    }
}

/// Looks until it is so, for at least a minute.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    for _ in 0..LOOKS {
        if is_so() {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    Err(format!("a minute was too short: {what}"))
}

fn find(mac: &str) -> Result<String, String> {
    let has_it = |path: &Path| fs::read_to_string(path.join("address")).is_ok_and(|text| text.trim() == mac);
    for _ in 0..20 {
        let interfaces = fs::read_dir("/sys/class/net").map_err(|error| error.to_string())?;
        let mut paths = interfaces.flatten().map(|entry| entry.path());
        if let Some(path) = paths.find(|path| has_it(path)) {
            return Ok(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
        sleep(Duration::from_millis(100));
    }
    Err(format!("no interface has the MAC address {mac}"))
}

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    checked(&format!("{program} {}", args.join(" ")), &output)
}

fn checked(what: &str, output: &Output) -> Result<String, String> {
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
