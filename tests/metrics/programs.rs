//! Responder, benchmark and Prometheus as processes, in the namespaces of a lab.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use handfast_lab::{CLIENT_DEVICE, Lab, SERVER_DEVICE, SOURCES_V4};
use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Ended, Process, program};
use tempfile::TempDir;

use crate::http::{self, Response};
use crate::scraped::Scraped;

/// Of each namespace, which no other program uses.
pub const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// A `handfast respond` that is ready.
pub struct Responder<'a> {
    pub process: Process,
    lab: &'a Lab,
    directory: TempDir,
}

impl<'a> Responder<'a> {
    pub fn start(lab: &'a Lab, arguments: &[&str]) -> Responder<'a> {
        Responder::start_with(lab, arguments, |command| command)
    }

    pub fn start_with(
        lab: &'a Lab,
        arguments: &[&str],
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Responder<'a> {
        let directory = TempDir::new().expect("a directory");
        let mut command = respond(lab, arguments);
        command.arg("--json").arg(directory.path().join("summary.json"));
        change(&mut command);
        let mut process = Process::start(command);
        process.await_line("metrics: http://127.0.0.1:9464/metrics");
        process.await_line("ready");
        Responder { process, lab, directory }
    }

    pub fn scrape(&self) -> Scraped {
        Scraped::read(&self.get("/metrics").body)
    }

    pub fn get(&self, path: &str) -> Response {
        self.try_get(path).expect("an answer")
    }

    pub fn try_get(&self, path: &str) -> io::Result<Response> {
        self.lab.in_server(|| http::get(METRICS, path)).expect("the namespace")
    }

    /// Ends it. Its summary.
    pub fn stop(self) -> Value {
        self.process.signal(Signal::SIGTERM);
        let Ended { code, text, .. } = self.process.ended();
        assert_eq!(code, Some(0), "{text}");
        json(&self.directory.path().join("summary.json"))
    }
}

/// With the metrics' address, not started.
pub fn respond(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = lab.server().command(program());
    command.args(["respond", "--dev", SERVER_DEVICE, "--metrics", &METRICS.to_string()]).args(arguments);
    command
}

/// `handfast bench` from the lab's client, with the metrics' address, not started.
pub fn bench(lab: &Lab, arguments: &str, report: &Path) -> Command {
    let mut command = lab.client().command(program());
    command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "--msl", "1", "--quiet"]);
    command.args(["--metrics", &METRICS.to_string(), "--json"]).arg(report);
    command.args(arguments.split_whitespace());
    command
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("--json writes its file")).expect("JSON")
}

/// A Prometheus that scrapes [`METRICS`] in the server's namespace five times a second.
pub struct Prometheus<'a> {
    lab: &'a Lab,
    process: Process,
    // Last: it is written to until the process has ended.
    _directory: TempDir,
}

const PROMETHEUS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

impl<'a> Prometheus<'a> {
    pub fn start(lab: &'a Lab) -> Prometheus<'a> {
        let directory = TempDir::new().expect("a directory");
        let config: PathBuf = directory.path().join("prometheus.yml");
        let text = format!(
            "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n\
             scrape_configs:\n- job_name: handfast\n  static_configs:\n  - targets: [\"{METRICS}\"]\n"
        );
        fs::write(&config, text).expect("a file");
        let mut command = lab.server().command("prometheus");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={PROMETHEUS}"));
        Prometheus { lab, process: Process::start(command), _directory: directory }
    }

    /// The value of every series at this moment: labels and value. `None`: it does not answer yet.
    pub fn query(&self, query: &str) -> Option<Vec<(Value, f64)>> {
        let path = format!("/api/v1/query?query={}", http::escaped(query));
        let answer = self.lab.in_server(|| http::get(PROMETHEUS, &path)).expect("the namespace").ok()?;
        // Chunked: the JSON is what lies between the first and the last brace.
        let body = answer.body.get(answer.body.find('{')?..=answer.body.rfind('}')?)?;
        let json: Value = serde_json::from_str(body).ok()?;
        let series = json["data"]["result"].as_array()?.iter();
        series.map(|one| Some((one["metric"].clone(), one["value"][1].as_str()?.parse().ok()?))).collect()
    }

    /// A metric, put together like this, as it was when last scraped: after a scrape that was late an
    /// instant has no value.
    pub fn last(&self, aggregation: &str, metric: &str) -> Vec<(Value, f64)> {
        self.query(&format!("{aggregation} (last_over_time({metric}[5m]))")).expect("an answer")
    }

    /// The sum of a metric over all its series.
    pub fn sum(&self, metric: &str) -> f64 {
        self.last("sum", metric).first().unwrap_or_else(|| panic!("no {metric}")).1
    }

    pub fn stop(self) {
        self.process.signal(Signal::SIGTERM);
        let Ended { code, text, .. } = self.process.ended();
        assert_eq!(code, Some(0), "{text}");
    }
}
