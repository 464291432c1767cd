//! A plain link as users have it: two machines on one veth pair, offloads on, nothing prepared. The target
//! is the kernel's own stack.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use support::{Ended, Process, program, root, skipped};
use tempfile::TempDir;

use crate::results::Results;

use crate::programs::turn;

/// The two ends of the link; removed when dropped.
struct Lan {
    client: String,
    server: String,
    directory: TempDir,
    _turn: std::sync::MutexGuard<'static, ()>,
}

/// On the client `c0`, on the server `s0`.
const ADDRESSES: &str = "\
    client link set lo up
    server link set lo up
    client address add 10.91.0.9/16 dev c0
    server address add 10.91.0.50/16 dev s0
    client address add 2001:db8:91::9/64 dev c0 nodad
    server address add 2001:db8:91::50/64 dev s0 nodad
    client link set c0 up
    server link set s0 up";

fn lan() -> Option<Lan> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root()?;
    let turn = turn();
    let name = format!("hf-n{}-lan{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let (client, server) = (format!("{name}-c"), format!("{name}-s"));
    let lan = Lan { client, server, directory: TempDir::new().expect("a directory"), _turn: turn };
    for namespace in [&lan.client, &lan.server] {
        run(&["ip", "netns", "add", namespace]);
        // A link-local address is usable at once.
        run(&["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0"]);
    }
    run(&[
        "ip",
        "link",
        "add",
        "c0",
        "netns",
        &lan.client,
        "type",
        "veth",
        "peer",
        "name",
        "s0",
        "netns",
        &lan.server,
    ]);
    lan.ip(ADDRESSES);
    Some(lan)
}

impl Lan {
    /// `ip` commands, one a line, after the end that they are for.
    fn ip(&self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (end, command) = line.split_once(' ').expect("an end");
            let namespace = if end == "client" { &self.client } else { &self.server };
            let words: Vec<&str> = ["ip", "-n", namespace].into_iter().chain(command.split(' ')).collect();
            run(&words);
        }
    }

    fn inside(namespace: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    /// The server's kernel sends whole checksums, as it does over a cable.
    fn whole_checksums(self) -> Lan {
        run(&["ip", "netns", "exec", &self.server, "ethtool", "-K", "s0", "tx", "off"]);
        self
    }

    /// The server's kernel, once it listens there.
    fn serve(&self, listen: &str) -> Process {
        let mut command = Lan::inside(&self.server, program());
        command.args(["lab", "serve-kernel", "--core", "0", "--workload", "lifecycle", "--listen", listen]);
        let mut process = Process::start(command);
        process.await_line("ready");
        process
    }

    fn json(&self) -> PathBuf {
        self.directory.path().join("bench.json")
    }

    /// As it is typed, with `--json`.
    fn start(&self, arguments: &str) -> Process {
        let mut command = Lan::inside(&self.client, program());
        command.args(["bench", "--json"]).arg(self.json()).args(arguments.split_whitespace());
        Process::start(command)
    }

    fn bench(&self, arguments: &str) -> Results {
        let Ended { code, text, .. } = self.start(arguments).ended();
        // 5: nothing was established.
        assert!(matches!(code, Some(0 | 5)), "{text}");
        Results::read(&self.json(), text)
    }

    fn refused(&self, arguments: &str) -> String {
        let Ended { code, text, .. } = self.start(arguments).ended();
        assert_eq!(code, Some(1), "{text}");
        text
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for namespace in [&self.client, &self.server] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
            let _ = fs::remove_dir_all(format!("/etc/netns/{namespace}"));
        }
    }
}

/// Sockets of the server's kernel, made in a thread of its namespace.
fn listen(namespace: &str, at: &str) -> TcpListener {
    let path = format!("/run/netns/{namespace}");
    let make = || {
        setns(File::open(path).expect("the namespace"), CloneFlags::CLONE_NEWNET).expect("root");
        TcpListener::bind(at).expect("a listener")
    };
    thread::scope(|scope| scope.spawn(make).join()).expect("no panic")
}

fn run(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().expect("it can be run");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a user would type first.
const SHORT: &str = "--connections 200 --concurrency 16 --quiet";

#[test]
fn a_target_alone_is_enough() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    let _kernel = lan.serve("10.91.0.50:7000");
    let results = lan.bench(&format!("10.91.0.50:7000 {SHORT}"));
    results.assert_flawless();
    assert_eq!(results.at("options.dev"), "c0");
    let sources = results.at("options.source").as_str().expect("text");
    assert!(sources.split(' ').all(|source| source.starts_with("10.91.0.9:")), "{sources}");
}

#[test]
fn sources_without_a_way_back_are_told_within_three_seconds() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    let _kernel = lan.serve("10.91.0.50:7000");
    let bench = "--dev c0 --source 10.92.1.0/24 10.91.0.50:7000 --timeout 3 --duration 4 --interval 1";
    let results = lan.bench(bench);
    let cure = "ip route add 10.92.1.0/24 via 10.91.0.9";
    let lines: Vec<&str> = results.text.lines().collect();
    let warning = lines.iter().position(|line| line.starts_with("warning: no answer to"));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {}", results.text));
    assert!(lines[warning].contains(cure), "{}", results.text);
    // Lines of progress begin with the second.
    let second =
        |line: &&str| line.split_once(" s ").and_then(|(number, _)| number.trim().parse::<u64>().ok());
    let third = lines.iter().position(|line| second(line).is_some_and(|second| second >= 3));
    assert!(third.is_some_and(|third| warning < third), "{}", results.text);
    assert_eq!(results.at("bottleneck.verdict"), "target");
    results.assert_says(&["none of", "10.91.0.50 needs a route back to it", cure]);
    // The command that it prints is the cure.
    lan.ip(&format!("server {}", cure.strip_prefix("ip ").expect("a command")));
    lan.bench(&format!("--source 10.92.1.0/24 10.91.0.50:7000 {SHORT}")).assert_flawless();
}

/// As a router, the server forwards nothing here; it has the address itself.
#[test]
fn behind_a_router_the_router_is_named() {
    let Some(lan) = lan() else { return };
    lan.ip("server address add 10.95.0.1/32 dev lo\nclient route add 10.95.0.0/16 via 10.91.0.50");
    let text = lan.bench("--source 10.92.1.7 10.95.0.1:7000 --timeout 1 --connections 3 --quiet").text;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cure =
        "the router 10.91.0.50 needs a route back to it; there: ip route add 10.92.1.7/32 via 10.91.0.9";
    assert!(text.contains(cure), "{text}");
}

/// Answers that the kernel leaves unfinished for hardware that is not there.
#[test]
fn answers_with_partial_checksums_are_no_silence() {
    let Some(lan) = lan() else { return };
    let _kernel = lan.serve("10.91.0.50:7000");
    let results = lan.bench(&format!("10.91.0.50:7000 --timeout 1 --mode generic {SHORT}"));
    if results.connections("established") > 0 {
        return skipped("this kernel completes checksums in generic mode").unwrap_or_default();
    }
    assert_eq!(results.at("bottleneck.verdict"), "client", "{}", results.text);
    results.assert_says(&["checksum", "--accept-partial-checksums"]);
    lan.bench(&format!("10.91.0.50:7000 --accept-partial-checksums {SHORT}")).assert_flawless();
}

/// One neighbour table is all network namespaces': what is left of it is this test's.
#[test]
fn more_sources_on_the_link_than_a_neighbour_table_holds() {
    let Some(lan) = lan() else { return };
    let file = "/proc/sys/net/ipv4/neigh/default/gc_thresh3";
    let holds: u32 = fs::read_to_string(file).expect("a sysctl").trim().parse().expect("a number");
    if !(512..=2048).contains(&holds) {
        return skipped("the neighbour table holds another number than 1,024").unwrap_or_default();
    }
    let lan = lan.whole_checksums();
    let _kernel = lan.serve("10.91.0.50:7000");
    let few_ports = "--source 10.91.16.0/20:5000-5003 10.91.0.50:7000 --timeout 4 --duration 6";
    let results = lan.bench(few_ports);
    let cure = "ip route add 10.91.16.0/20 via 10.91.0.9";
    results.assert_says(&[
        "4,096 sources are on the link",
        "holds 1,024",
        "neighbour table is most likely full",
        cure,
    ]);
    assert!(results.text.contains("warning: 10.91.0.50 sent"), "{}", results.text);
    assert!(
        results.failed("connect-timeout") > 0 && results.connections("completed") > 0,
        "{}",
        results.text
    );
    lan.ip(&format!("server {}", cure.strip_prefix("ip ").expect("a command")));
    lan.bench(&format!("{few_ports} --connections 8000 --quiet")).assert_flawless();
}

/// With all ports to choose from, a large prefix needs few addresses.
#[test]
fn a_large_prefix_on_the_link_uses_few_addresses() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    let _kernel = lan.serve("10.91.0.50:7000");
    let results = lan.bench("--source 10.91.16.0/20 10.91.0.50:7000 --connections 4000 --quiet");
    results.assert_flawless();
    let asked = results.number("path.mac_requests");
    assert!((1.0..=300.0).contains(&asked), "{asked}: {}", results.text);
}

#[test]
fn a_routed_ipv6_target_is_called_from_addresses_that_can_be_answered() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    lan.ip("server address add 2001:db8:95::1/128 dev lo\n\
            client route add 2001:db8:95::/64 via 2001:db8:91::50\n\
            client address add 2001:db8:91::a/64 dev c0 nodad");
    let _kernel = lan.serve("[2001:db8:95::1]:7000");
    let results = lan.bench(&format!("[2001:db8:95::1]:7000 {SHORT}"));
    results.assert_flawless();
    let sources = results.at("options.source").as_str().expect("text");
    assert!(sources.contains("[2001:db8:91::9]") && sources.contains("[2001:db8:91::a]"), "{sources}");
    assert!(!sources.contains("fe80"), "{sources}");
}

#[test]
fn a_link_local_target_has_a_zone_and_link_local_sources() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    lan.ip("server address add fe80::50/64 dev s0 nodad");
    let _kernel = lan.serve("[::]:7000");
    for target in ["[fe80::50%c0]:7000", "--dev c0 [fe80::50]:7000"] {
        let results = lan.bench(&format!("{target} {SHORT}"));
        results.assert_flawless();
        let sources = results.at("options.source").as_str().expect("text");
        assert!(sources.split(' ').all(|source| source.starts_with("[fe80::")), "{sources}");
    }
    let text = lan.refused("[fe80::50]:7000");
    assert!(text.contains("link-local") && text.contains("fix: name the interface: [fe80::50%IF]"), "{text}");
    let text = lan.refused("--dev lo [fe80::50%c0]:7000");
    assert!(text.contains("the target is on c0, but --dev names lo"), "{text}");
}

#[test]
fn a_target_has_a_name() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    let files = format!("/etc/netns/{}", lan.client);
    fs::create_dir_all(&files).expect("a directory");
    let hosts = "127.0.0.1 localhost\n2001:db8:91::50 web.test\n10.91.0.50 web.test\n";
    fs::write(format!("{files}/hosts"), hosts).expect("written");
    let _kernel = lan.serve("10.91.0.50:7000");
    // Of its addresses, the one of the sources' family.
    let results = lan.bench(&format!("--source 10.91.0.77 web.test:7000 {SHORT}"));
    results.assert_flawless();
    assert_eq!(results.at("target"), "10.91.0.50:7000");
    results.assert_says(&["web.test is 10.91.0.50"]);
    let text = lan.refused("nobody.invalid:7000");
    assert!(text.contains("cannot look up nobody.invalid") && text.contains("fix: "), "{text}");
}

/// RFC 8950: the way to an IPv4 network leads over an IPv6 next hop.
#[test]
fn an_ipv4_route_may_have_an_ipv6_next_hop() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    lan.ip("server address add 10.95.0.1/32 dev lo\n\
             server address add fe80::50/64 dev s0 nodad\n\
            client route add 10.95.0.0/16 via inet6 fe80::50 dev c0");
    // No ARP answer for the target itself.
    run(&["ip", "netns", "exec", &lan.server, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"]);
    let _kernel = lan.serve("10.95.0.1:7000");
    let results = lan.bench(&format!("10.95.0.1:7000 {SHORT}"));
    results.assert_flawless();
    assert_eq!(results.at("path.router"), "fe80::50");
}

#[test]
fn without_a_route_it_says_so() {
    let Some(lan) = lan() else { return };
    let text = lan.refused("10.97.0.1:7000");
    assert!(text.contains("no route to 10.97.0.1") && text.contains("fix: ip route add"), "{text}");
    let text = lan.refused("10.91.0.9:7000");
    assert!(text.contains("10.91.0.9 is an address of this host"), "{text}");
}

/// A program that accepts nothing: its kernel takes a few connections, then drops the ACKs of the others.
#[test]
fn a_full_accept_queue_is_the_likely_cause_of_time_outs() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    run(&["ip", "netns", "exec", &lan.server, "sysctl", "-qw", "net.core.somaxconn=2"]);
    let _listener = listen(&lan.server, "10.91.0.50:7000");
    let request = "--workload request --connections 64 --concurrency 64 --timeout 4 --quiet";
    let results = lan.bench(&format!("10.91.0.50:7000 {request}"));
    assert_eq!(results.connections("completed"), 0, "{}", results.text);
    assert_eq!(results.at("bottleneck.verdict"), "target", "{}", results.text);
    results.assert_says(&["most likely its accept queue is full", "nstat -az TcpExtListenOverflows"]);
}

/// By a router's rule and for want of a route, without waiting for a time-out: a SYN goes three times again in
/// the ten seconds of one. The router sends such a message once a second (`net.ipv4.route.error_cost`), so
/// that one SYN in two may go again.
#[test]
fn an_unreachable_ends_an_attempt_at_once() {
    let Some(lan) = lan() else { return };
    run(&[
        "ip",
        "netns",
        "exec",
        &lan.server,
        "sysctl",
        "-qw",
        "net.ipv4.ip_forward=1",
        "net.ipv4.icmp_ratelimit=0",
    ]);
    lan.ip("server route add prohibit 10.95.1.0/24\n\
            server route add unreachable 10.95.2.0/24\n\
            client route add 10.95.0.0/16 via 10.91.0.50");
    for target in ["10.95.1.1:80", "10.95.2.1:80"] {
        let results = lan.bench(&format!("{target} --connections 2 --concurrency 1 --quiet"));
        assert_eq!(results.failed("unreachable"), 2, "{}", results.text);
        assert!(results.number("retransmissions") <= 4.0, "{}", results.text);
        results.assert_says(&["ICMP errors"]);
    }
}

/// The server still has the connections of a client that died. Each draws a challenge ACK, whose RST ends
/// it, and the next SYN comes at once.
#[test]
fn connections_of_a_client_that_died_cost_no_second() {
    let Some(lan) = lan() else { return };
    let lan = lan.whole_checksums();
    let _kernel = lan.serve("10.91.0.50:7000");
    let same = "--source 10.91.0.77 10.91.0.50:7000 --seed 7 --connections 100 --concurrency 10";
    let mut first = lan.start(&format!("{same} --workload hold --duration 60"));
    first.await_line("active");
    let established = || {
        let command = ["netns", "exec", &lan.server, "ss", "-Htn", "state", "established", "sport = :7000"];
        let output = Command::new("ip").args(command).output().expect("ss");
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    for _ in 0..1000 {
        if established() == 100 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(established(), 100);
    first.signal(Signal::SIGKILL);
    assert_eq!(first.ended().code, None);
    let results = lan.bench(&format!("{same} --quiet"));
    results.assert_flawless();
    assert_eq!(results.dropped("ack_unacceptable"), 100, "{}", results.text);
    assert!(results.number("retransmissions") >= 100.0, "{}", results.text);
    // Not the time-out of a SYN, which lasts a second (RFC 6298 2.1).
    assert!(results.number("latency_us.connect.p50") < 900_000.0, "{}", results.text);
}
