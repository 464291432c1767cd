//! The lab and its kernel client, with the kernel's stack in place of the responder: the link is tested before handfast
//! is attached to it.
//!
//! Needs root. Each test uses its own namespaces, which are removed even after a failure.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use handfast_lab::load::{self, ClientScript, Plan, Progress, Tally};
use handfast_lab::{
    CLIENT_DEVICE, KERNEL_V4, KERNEL_V6, Lab, LabError, Loss, SERVER_DEVICE, SegmentKinds, Spec,
    client_addresses,
};
use handfast_trace::{Capture, Diagram, DiagramOptions, Picture, Record, RowKind, State, Text};
use socket2::SockRef;
use support::{ChildGuard, lab_name, program, root, wait_until};

#[test]
fn up_makes_both_ends_and_down_takes_them_away_once() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&spec).expect("up");
    let features = lab.server().run(&["ethtool", "-k", SERVER_DEVICE]).expect("ethtool");
    for offload in ["tx-checksumming", "rx-checksumming", "generic-receive-offload", "rx-vlan-offload"] {
        assert!(features.contains(&format!("{offload}: off")), "{offload} in\n{features}");
    }
    let stale = Lab::up(&spec).expect("up again replaces what is there");
    std::mem::forget(lab);
    let removed = stale.remove().expect("down");
    assert_eq!(removed.namespaces, [format!("hf-{}-client", spec.name), format!("hf-{}-server", spec.name)]);
    assert_eq!(removed.links.len(), 1, "{removed}");
    let again = Lab::down(&spec.name).expect("down again");
    assert!(again.is_empty(), "{again}");
    assert!(matches!(Lab::open(&spec.name), Err(LabError::Absent { .. })));
}

#[test]
fn dropping_the_guard_removes_the_lab_even_in_a_panic() {
    let Some(spec) = spec() else { return };
    let name = spec.name.clone();
    let outcome = thread::spawn(move || {
        let _lab = Lab::up(&spec).expect("up");
        panic!("as a failing test does");
    })
    .join();
    assert!(outcome.is_err());
    assert!(matches!(Lab::open(&name), Err(LabError::Absent { .. })));
}

#[test]
fn processes_inside_are_ended_and_named() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&spec).expect("up");
    let mut child = lab.server().command("sleep").arg("600").spawn().expect("sleep");
    let id = child.id() as i32;
    // It is inside as `ip` for a moment, before it is `sleep`.
    wait_until("the process is inside", || {
        std::fs::read_to_string(format!("/proc/{id}/comm")).expect("it runs") == "sleep\n"
    });
    // A process that has ended but was not waited for yet counts as inside.
    let waiter = thread::spawn(move || child.wait());
    let removed = lab.remove().expect("down");
    assert_eq!(removed.processes, [(id, "sleep".to_string())]);
    assert!(!waiter.join().expect("no panic").expect("waited").success());
}

#[test]
fn a_process_is_terminated_while_its_interface_exists() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&spec).expect("up");
    let script = format!(
        "trap 'ls /sys/class/net/{SERVER_DEVICE}/mtu; exit' TERM; echo ready; while :; do sleep 0.05; done"
    );
    let mut child = lab.server().command("sh");
    let mut child = child.args(["-c", &script]).stdout(Stdio::piped()).spawn().expect("sh");
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut [0; 6]).expect("the trap is set");
    let waiter = thread::spawn(move || child.wait());
    lab.remove().expect("down");
    let mut said = String::new();
    out.read_to_string(&mut said).expect("text");
    assert_eq!(said, format!("/sys/class/net/{SERVER_DEVICE}/mtu\n"));
    waiter.join().expect("no panic").expect("waited");
}

#[test]
fn ten_thousand_connections_one_after_another() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&spec).expect("up");
    let target = serve(&lab, SocketAddr::from((KERNEL_V4, 7001)), drop);
    let tally = load(&lab, &Plan::sequential(target, 10_000));
    assert_eq!((tally.completed, tally.failed()), (10_000, 0), "{tally}");
}

#[test]
fn a_thousand_connections_at_a_time_over_both_families() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&Spec { ipv6: true, queues: 2, ..spec }).expect("up");
    for address in [SocketAddr::from((KERNEL_V4, 7)), SocketAddr::from((KERNEL_V6, 7))] {
        let target = serve(&lab, address, echo);
        let plan = Plan::parallel(target, 3_000, 1_000)
            .sources(client_addresses(target.is_ipv6()))
            .script(ClientScript::Echo(b"one segment".into()));
        let tally = load(&lab, &plan);
        assert_eq!((tally.completed, tally.failed()), (3_000, 0), "{target}: {tally}");
    }
}

#[test]
fn a_tagged_lab_carries_tagged_frames_and_nothing_else() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&Spec { vlan: Some(42), ipv6: true, ..spec }).expect("up");
    let targets = [SocketAddr::from((KERNEL_V4, 7)), SocketAddr::from((KERNEL_V6, 7))];
    for target in targets {
        serve(&lab, target, echo);
    }

    let short = Duration::from_millis(300);
    let untagged =
        Plan { timeout: short, ..Plan::sequential(targets[0], 1) }.script(ClientScript::CloseFirst);
    assert_eq!(load(&lab, &untagged).completed, 0, "a server without the tag is not heard");

    lab.tag_server(42).expect("tag");
    let capture = lab
        .server()
        .command("tcpdump")
        .args(["-i", SERVER_DEVICE, "-e", "-n", "-l", "-c", "8", "-Q", "in", "vlan 42 and (tcp or vlan)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tcpdump");
    let mut capture = ChildGuard(capture);
    let mut ready = [0; 256];
    capture.0.stderr.as_mut().expect("piped").read(&mut ready).map(drop).expect("tcpdump is ready");
    for target in targets {
        let tally = load(&lab, &Plan::sequential(target, 20).script(ClientScript::Echo(b"tagged".into())));
        assert_eq!((tally.completed, tally.failed()), (20, 0), "{target}: {tally}");
    }
    let mut lines = String::new();
    capture.0.stdout.take().expect("piped").read_to_string(&mut lines).expect("text");
    assert_eq!(lines.lines().filter(|line| line.contains("vlan 42")).count(), 8, "{lines}");
}

#[test]
fn a_lossy_link_loses_each_data_segment_once_and_the_kernels_send_it_again() {
    let Some(spec) = spec() else { return };
    let loss = Loss { to_server: SegmentKinds::NONE, to_client: SegmentKinds::DATA, ..Loss::NONE };
    let lab = Lab::up(&Spec { loss, ..spec }).expect("up");
    let target = serve(&lab, SocketAddr::from((KERNEL_V4, 7)), echo);
    let before = retransmitted(&lab);
    let tally = load(&lab, &Plan::parallel(target, 20, 20).script(ClientScript::Echo(b"once more".into())));
    assert_eq!((tally.completed, tally.failed()), (20, 0), "{tally}");
    assert!(retransmitted(&lab) - before >= 20, "every answer was sent twice");
}

#[test]
fn a_scattering_link_spreads_one_flow_over_all_queues() {
    let Some(spec) = spec() else { return };
    let lab = Lab::up(&Spec { queues: 2, scatter: true, ..spec }).expect("up");
    // With GRO the veth end polls each queue, and counts.
    lab.server().run(&["ethtool", "-K", SERVER_DEVICE, "gro", "on"]).expect("gro");
    let target = serve(&lab, SocketAddr::from((KERNEL_V4, 7001)), drop);
    let tally = load(&lab, &Plan::sequential(target, 500));
    assert_eq!((tally.completed, tally.failed()), (500, 0), "{tally}");
    let [first, second] = [0, 1].map(|queue| received(&lab, queue));
    assert!(first > 700 && second > 700, "{first} and {second} of some 1,500 frames");
}

#[test]
fn a_connection_is_read_off_the_wire_with_the_states_of_both_sides() {
    let Some(spec) = spec() else { return };
    for (ipv6, vlan) in [(false, None), (true, None), (false, Some(7))] {
        let lab = Lab::up(&Spec { ipv6, vlan, ..spec.clone() }).expect("up");
        vlan.into_iter().for_each(|id| lab.tag_server(id).expect("tag"));
        let address = if ipv6 { KERNEL_V6.into() } else { KERNEL_V4.into() };
        let target = serve(&lab, SocketAddr::new(address, 7), echo);
        let diagram = lab.in_client(|| echo_exchange(target)).expect("enter");
        let picture = Picture { diagram: diagram.clone(), ..Picture::default() };
        let drawn = Text { picture: &picture, width: 93, ascii: false, colour: false }.to_string();
        let passed: Vec<(State, State)> = diagram.rows.iter().map(|row| (row.client, row.server)).collect();
        assert_eq!(
            passed[..2],
            [(State::SynSent, State::SynReceived), (State::Established, State::SynReceived)],
            "{drawn}"
        );
        assert!(passed.contains(&(State::FinWait1, State::CloseWait)), "{drawn}");
        assert_eq!(passed.last(), Some(&(State::TimeWait, State::Closed)), "{drawn}");
        let times: Vec<_> = diagram.rows.iter().map(|row| row.at).collect();
        // An ACK and the answer that follows may come from two cores, and the second pass the first.
        let [syn, syn_ack, rest @ ..] = &times[..] else { panic!("no handshake: {drawn}") };
        assert!(
            syn < syn_ack && rest.iter().all(|time| time > syn_ack),
            "frames are stamped as they pass: {drawn}"
        );
        let payload = |what: &RowKind| match what {
            RowKind::Segment(arrow) => arrow.payload_len,
            RowKind::Local(..) => 0,
        };
        assert_eq!(diagram.rows.iter().map(|row| payload(&row.kind)).sum::<u32>(), 10, "{drawn}");
    }
}

#[test]
fn the_command_makes_enters_and_removes_a_lab() {
    let Some(Spec { name, .. }) = spec() else { return };
    let _guard = Removal(name.clone());
    let handfast = |arguments: &[&str]| {
        let (action, rest) = arguments.split_first().expect("an action");
        let mut command = Command::new(program());
        command.args(["lab", action, "--name", &name]).args(rest).output().expect("runs")
    };
    let up = handfast(&["up", "--queues", "2", "--ipv6"]);
    assert!(up.status.success(), "{up:?}");
    assert!(String::from_utf8_lossy(&up.stdout).contains("2 queues each way"), "{up:?}");

    let addresses = handfast(&["exec", "--side", "server", "--", "ip", "-br", "address", "show", "hf-s"]);
    assert!(String::from_utf8_lossy(&addresses.stdout).contains("198.18.255.1/16"), "{addresses:?}");
    let code = handfast(&["exec", "--", "sh", "-c", "exit 42"]);
    assert_eq!(code.status.code(), Some(42), "the command's exit code is passed on");
    let link = handfast(&["exec", "--", "ip", "-br", "link", "show", "hf-c"]);
    assert!(String::from_utf8_lossy(&link.stdout).contains(" UP "), "{link:?}");

    for said in ["removed namespace", "nothing to remove"] {
        let down = handfast(&["down"]);
        assert!(down.status.success(), "{down:?}");
        assert!(String::from_utf8_lossy(&down.stdout).contains(said), "{down:?}");
    }
}

#[test]
fn the_device_names_fit_the_kernel() {
    // IFNAMSIZ is 16, with the terminating zero.
    assert!([CLIENT_DEVICE, SERVER_DEVICE].iter().all(|name| name.len() <= 15));
}

/// A specification with a unique name. `None` without root.
fn spec() -> Option<Spec> {
    root().map(|()| Spec::new(lab_name()))
}

/// Backlog of the listener: more than any plan has in flight. std's 128 overflow while the accepting thread waits for a
/// core, and dropped SYNs are retransmitted after a second, or three.
const BACKLOG: i32 = 4096;

/// A kernel server inside the server's namespace with one thread for each connection. It ends with the
/// test's process.
fn serve(lab: &Lab, address: SocketAddr, treat: fn(TcpStream)) -> SocketAddr {
    let listener = lab.in_server(|| TcpListener::bind(address)).expect("enter").expect("bind");
    SockRef::from(&listener).listen(BACKLOG).expect("listen again");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || treat(stream));
        }
    });
    address
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let _ = stream.write_all(&buffer[..length]);
    }
}

/// One connection with ten bytes of payload, five each way, that the client closes first. Run
/// inside the client's namespace.
fn echo_exchange(target: SocketAddr) -> Diagram {
    let capture = Capture::open(CLIENT_DEVICE).expect("capture");
    let mut stream = TcpStream::connect(target).expect("connect");
    let client = stream.local_addr().expect("bound");
    stream.write_all(b"hello").expect("send");
    stream.read_exact(&mut [0; 5]).expect("echo");
    stream.shutdown(std::net::Shutdown::Write).expect("close");
    stream.read_to_end(&mut Vec::new()).expect("the server's close");
    let mut frames = Vec::new();
    let mut diagram = Diagram::default();
    wait_until("the last acknowledgement is captured", || {
        frames.extend(capture.drain().expect("drain"));
        let record = Record::between(&frames, client, target);
        diagram = Diagram::of(&record, &DiagramOptions::default()).without_annotations();
        diagram.rows.last().is_some_and(|row| row.server == State::Closed)
    });
    diagram
}

fn load(lab: &Lab, plan: &Plan) -> Tally {
    lab.in_client(|| load::run(plan, &Progress::default())).expect("enter").expect("epoll")
}

/// Returns the segments that the server's kernel retransmitted.
fn retransmitted(lab: &Lab) -> u64 {
    let table = lab.server().run(&["cat", "/proc/net/snmp"]).expect("counters");
    let mut rows = table.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (rows.next().expect("names"), rows.next().expect("values"));
    let column = names.split_whitespace().position(|name| name == "RetransSegs").expect("column");
    values.split_whitespace().nth(column).expect("value").parse().expect("number")
}

/// Returns the frames that a queue of the server's end received.
fn received(lab: &Lab, queue: u32) -> u64 {
    let statistics = lab.server().run(&["ethtool", "-S", SERVER_DEVICE]).expect("statistics");
    let name = format!("rx_queue_{queue}_xdp_packets:");
    let value = statistics.lines().find_map(|line| line.trim().strip_prefix(&name));
    value.unwrap_or_else(|| panic!("{name} in\n{statistics}")).trim().parse().expect("number")
}

/// Removes the lab of that name.
struct Removal(String);

impl Drop for Removal {
    fn drop(&mut self) {
        let _ = Lab::down(&self.0);
    }
}
