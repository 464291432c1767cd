//! A capture in the bridge's namespace sees what AF_XDP sends to AF_XDP.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use handfast_lab::{BRIDGE_DEVICE, BRIDGE_TO_CLIENT, CLIENT_DEVICE, Lab, SERVER_DEVICE, SERVER_MAC, Spec};
use support::ChildGuard;

use crate::server::{Server, counts, replay_client};

#[test]
fn tcpdump_on_the_bridge_sees_the_six_packets_between_two_af_xdp_ends() {
    for mode in ["generic", "native"] {
        let Some(lab) = support::lab(|spec| Spec { bridge: true, ..spec }) else { return };
        let arguments = ["lab", "ceiling", "replay-server", "--dev", SERVER_DEVICE, "--mode", mode];
        let server = Server::start(lab.server(), &[&arguments[..], &["--own", "198.18.1.1:7000"]].concat());
        let capture = Tcpdump::start(&lab, 6);
        let report = replay_client(&lab, "198.18.1.1:7000", &["--count", "1", "--mode", mode]);
        assert_eq!(counts(&report, ["completed", "frames_out", "frames_in"]), [1, 4, 2], "{mode}: {report}");
        let seen = capture.flags();
        assert_eq!(seen, ["S", "S.", ".", "F.", "F.", "."], "{mode}");
        assert_eq!(counts(&server.stop(), ["syns", "fins", "lost_frames"]), [1, 1, 0], "{mode}");
    }
}

/// The ceiling sends the same frames as a TCP, with the same lengths.
#[test]
fn a_connection_and_its_replay_are_the_same_frames() {
    let Some(lab) = support::lab(|spec| Spec { bridge: true, ..spec }) else { return };
    let target = "198.18.1.1:7000";
    for (options, timestamps) in [("mss", &[][..]), ("full", &["--timestamps"])] {
        for (workload, service, count) in
            [("handshake", "hold", 4), ("lifecycle", "discard", 6), ("request", "http", 7)]
        {
            let arguments = ["lab", "ceiling", "replay-server", "--dev", SERVER_DEVICE, "--own", target];
            let pattern = [&["--workload", workload], timestamps].concat();
            let server = Server::start(lab.server(), &[&arguments[..], &pattern].concat());
            let capture = Tcpdump::start(&lab, count);
            replay_client(&lab, target, &[&["--count", "1"], &pattern[..]].concat());
            let replayed = capture.frames();
            assert_eq!(replayed.len(), count as usize, "{replayed:?}");
            server.stop();

            let listen = format!("{target}={service}");
            let server =
                Server::start(lab.server(), &["respond", "--dev", SERVER_DEVICE, "--listen", &listen]);
            let capture = Tcpdump::start(&lab, count);
            let mut bench = lab.client().command(support::program());
            bench.args(["bench", target, "--dev", CLIENT_DEVICE, "--source", "10.78.0.0/24", "--quiet"]);
            bench.args(["--gateway", SERVER_MAC, "--connections", "1", "--concurrency", "1"]);
            bench.args(["--workload", workload, "--syn-options", options]);
            if workload == "request" {
                bench.args(["--payload", &"x".repeat(64)]);
            }
            let output = bench.output().expect("runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(capture.frames(), replayed, "{workload}, {options}");
            server.end();
        }
    }
}

#[test]
fn kernel_clients_reach_the_kernel_across_the_bridge() {
    use handfast_lab::load::{self, Plan, Progress};
    let Some(lab) = support::lab(|spec| Spec { bridge: true, ipv6: true, ..spec }) else { return };
    for address in [handfast_lab::KERNEL_V4.into(), handfast_lab::KERNEL_V6.into()] {
        let target = std::net::SocketAddr::new(address, 7001);
        let listener = lab.in_server(|| std::net::TcpListener::bind(target)).expect("inside").expect("bind");
        std::thread::spawn(move || listener.incoming().flatten().for_each(drop));
        let plan = Plan { timeout: Duration::from_secs(5), ..Plan::sequential(target, 50) };
        let tally = lab.in_client(|| load::run(&plan, &Progress::default())).expect("inside").expect("epoll");
        assert_eq!((tally.completed, tally.failed()), (50, 0), "{target}: {tally}");
    }
    let ports = lab.bridge().expect("a bridge").run(&["ip", "-br", "link", "show", "master", BRIDGE_DEVICE]);
    assert_eq!(ports.expect("ip").lines().count(), 2);
}

/// A capture of so many TCP segments on the bridge's port towards the client.
struct Tcpdump(ChildGuard);

impl Tcpdump {
    /// Returns once it listens.
    fn start(lab: &Lab, count: u32) -> Tcpdump {
        let bridge = lab.bridge().expect("a bridge");
        let mut command = bridge.command("tcpdump");
        command.args([
            "-i",
            BRIDGE_TO_CLIENT,
            "-n",
            "-e",
            "-l",
            "-t",
            "--immediate-mode",
            "-c",
            &count.to_string(),
        ]);
        let command = command.arg("tcp").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut capture = Tcpdump(ChildGuard::spawn(command));
        let said = BufReader::new(capture.0.0.stderr.take().expect("piped"));
        let ready = said.lines().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(ready, "tcpdump listens (apt-get install tcpdump)");
        capture
    }

    /// Returns the flags of all segments, in order.
    fn flags(self) -> Vec<String> {
        self.frames().into_iter().map(|(flags, _)| flags).collect()
    }

    /// Flags, and bytes of the frame.
    fn frames(mut self) -> Vec<(String, u32)> {
        let lines = BufReader::new(self.0.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let between = |line: &str, start, end| -> Option<String> {
            Some(line.split_once(start)?.1.split_once(end)?.0.to_string())
        };
        let frame = |line: String| {
            Some((between(&line, "Flags [", ']')?, between(&line, ", length ", ':')?.parse().ok()?))
        };
        lines.filter_map(frame).collect()
    }
}
