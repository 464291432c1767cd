//! `handfast respond` at the server's end: started, looked at, ended.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::pair::{End, Pair, until};

const LOG: &str = "/tmp/respond.log";
const SUMMARY: &str = "/tmp/respond.json";

pub enum Started {
    Runs(Responder),
    /// It ended before it was ready, with these words.
    Refused(String),
}

pub struct Responder {
    process: Child,
}

/// What a run came to.
pub struct Summary(Value);

impl Responder {
    /// Answers requests on the owned address's port 80 and echoes on port 7.
    pub fn start(pair: &Pair, options: &[&str], address: &str) -> Result<Started, String> {
        let _ = fs::remove_file(SUMMARY);
        let log = File::create(LOG).map_err(|error| format!("{LOG}: {error}"))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let (http, echo) = (format!("{address}:80=http"), format!("{address}:7=echo"));
        let fixed = [
            "handfast",
            "respond",
            "--dev",
            "eth0",
            "--listen",
            &http,
            "--listen",
            &echo,
            "--json",
            SUMMARY,
            "--max-connections",
            "16384",
            "--interval",
            "0",
        ];
        let process = pair
            .command(End::Server, &[&fixed, options].concat())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("respond: {error}"))?;
        let mut responder = Responder { process };
        let mut ended = false;
        let waited = until("respond is ready", || {
            ended = responder.process.try_wait().is_ok_and(|status| status.is_some());
            ended || responder.log().lines().any(|line| line.starts_with("ready"))
        });
        if ended {
            return Ok(Started::Refused(reason(&responder.log())));
        }
        match waited {
            Ok(()) => Ok(Started::Runs(responder)),
            Err(error) => Err(format!("{error}: {}", reason(&responder.log()))),
        }
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(LOG).unwrap_or_default()
    }

    /// Ends it by SIGTERM, and reads its summary.
    pub fn stop(mut self) -> Result<Summary, String> {
        println!("{}", self.log());
        let terminated = Command::new("kill").arg(self.process.id().to_string()).status();
        terminated.map_err(|error| format!("kill: {error}"))?;
        until("respond ends", || self.process.try_wait().is_ok_and(|status| status.is_some()))?;
        let text = fs::read_to_string(SUMMARY).map_err(|error| format!("no summary: {error}"))?;
        let summary: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("the summary: {error}"))?;
        // To look into a cell that is not as expected.
        println!("{summary}");
        Ok(Summary(summary))
    }

    /// Ends it by SIGKILL.
    pub fn kill(self) {
        drop(self);
    }
}

/// None is left behind, whatever went wrong: the next one needs the interface.
impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Summary {
    /// `native zero-copy`, as the line `active:` has it.
    pub fn became(&self) -> String {
        let device = &self.0["active"]["devices"][0];
        let copy = if device["zero_copy"] == Value::Bool(true) { "zero-copy" } else { "copy" };
        format!("{} {copy}", device["mode"].as_str().unwrap_or("unknown"))
    }

    pub fn queues(&self) -> u64 {
        self.0["active"]["devices"][0]["queues"].as_u64().unwrap_or(0)
    }

    /// Queues that received a part of what there was: more than the odd ARP request.
    pub fn queues_with_traffic(&self) -> usize {
        let queues = self.0["queues"].as_array().map_or(&[][..], Vec::as_slice);
        let received: Vec<u64> = queues.iter().filter_map(|queue| queue["received"].as_u64()).collect();
        let all: u64 = received.iter().sum();
        received.iter().filter(|count| **count * 20 > all).count()
    }

    pub fn frames_in(&self) -> u64 {
        self.0["total"]["frames_in"].as_u64().unwrap_or(0)
    }

    /// Names of the drops, and how often.
    pub fn drops(&self) -> Vec<String> {
        let drops = self.0["total"]["drops"].as_object();
        let counted = drops.into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
        counted.map(|(name, _)| name.clone()).collect()
    }
}

/// The error of a command that ended: the lines of its log that are not about its start.
fn reason(log: &str) -> String {
    println!("{log}");
    let mut lines = log.lines().filter_map(|line| line.strip_prefix("handfast: "));
    lines.next_back().unwrap_or("no error was printed").to_owned()
}
