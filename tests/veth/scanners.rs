//! What nmap and hping3 see: open ports open and closed ports closed where the responder owns the
//! whole address, and next to its ports the kernel's own on an address of the interface.

use std::net::{IpAddr, TcpListener};

use handfast_lab::{KERNEL_V4, Lab};
use support::{OWNED_V4, Responder, lab, owned, tool};

/// The responder's, on its own address and on the interface's.
const OPEN: u16 = 80;
/// Nobody's: the responder refuses on its own address, the kernel on the interface's.
const CLOSED: u16 = 81;
/// The kernel's.
const KERNEL_OPEN: u16 = 8080;
const KERNEL: IpAddr = IpAddr::V4(KERNEL_V4);

struct Scene {
    lab: Lab,
    responder: Responder,
    _kernel: TcpListener,
}

/// State is kept; the eBPF program answers SYNs.
const TIERS: [&[&str]; 2] = [&[], &["--mode", "generic", "--cookies", "always", "--cookie-tier", "ebpf"]];

fn scene(tier: &[&str]) -> Option<Scene> {
    let lab = lab(|spec| spec)?;
    let shared = format!("{KERNEL}:{OPEN}=discard");
    let listeners = ["--listen", &owned(false, "80=discard"), "--listen", &shared];
    let responder = Responder::start(&lab, &[&listeners[..], tier].concat());
    let listener = lab.in_server(|| TcpListener::bind((KERNEL_V4, KERNEL_OPEN)));
    Some(Scene { lab, responder, _kernel: listener.expect("the namespace").expect("a kernel listener") })
}

#[test]
fn nmap_tells_open_from_closed() {
    TIERS.into_iter().for_each(nmap_tells_open_from_closed_at);
}

fn nmap_tells_open_from_closed_at(tier: &[&str]) {
    let (Some(()), Some(scene)) = (tool("nmap"), scene(tier)) else { return };
    // The kernel does not answer a segment without flags to an open port, and neither must we.
    for (scan, open, closed) in [
        ("-sS", "open", "closed"),
        ("-sT", "open", "closed"),
        ("-sA", "unfiltered", "unfiltered"),
        ("-sN", "open|filtered", "closed"),
    ] {
        let states = scan_ports(&scene.lab, scan, OWNED_V4);
        assert_eq!(
            states,
            [(OPEN, open.into()), (CLOSED, closed.into()), (KERNEL_OPEN, closed.into())],
            "{scan}"
        );
        let states = scan_ports(&scene.lab, scan, KERNEL);
        assert_eq!(
            states,
            [(OPEN, open.into()), (CLOSED, closed.into()), (KERNEL_OPEN, open.into())],
            "{scan}"
        );
    }
    let summary = scene.responder.stop();
    assert!(summary.total("resets_sent") > 0, "{}", summary.text);
    assert_eq!(summary.steering("tx_syn_ack") > 0, !tier.is_empty(), "{}", summary.text);
}

#[test]
fn nmap_finds_sequence_numbers_as_hard_to_predict_as_the_kernels() {
    let (Some(()), Some(scene)) = (tool("nmap"), scene(TIERS[0])) else { return };
    // On the interface's address only the port 80 is ours: 8080 and 81 show the kernel.
    let [ours, kernels] = [(OWNED_V4, OPEN), (KERNEL, KERNEL_OPEN)]
        .map(|(address, open)| difficulty(&scene.lab, address, open));
    assert!(ours >= kernels.min(200), "ours {ours}, the kernel's {kernels}");
    scene.responder.stop();
}

#[test]
fn hping3_tells_open_from_closed() {
    TIERS.into_iter().for_each(hping3_tells_open_from_closed_at);
}

fn hping3_tells_open_from_closed_at(tier: &[&str]) {
    let (Some(()), Some(scene)) = (tool("hping3"), scene(tier)) else { return };
    for (probe, port, answer) in [
        ("-S", OPEN, Some("SA")),
        ("-S", CLOSED, Some("RA")),
        ("-A", OPEN, Some("R")),
        ("-A", CLOSED, Some("R")),
        // RFC 9293 3.10.7.2: a listener drops what is neither SYN, ACK nor RST.
        ("-F", OPEN, None),
        ("-F", CLOSED, Some("RA")),
    ] {
        for address in [OWNED_V4, KERNEL] {
            let seen = hping3(&scene.lab, probe, address, port);
            assert_eq!(seen.as_deref(), answer, "{probe} to {address} port {port}");
        }
    }
    scene.responder.stop();
}

/// Port and state, in order, of nmap's greppable output.
fn scan_ports(lab: &Lab, scan: &str, address: IpAddr) -> Vec<(u16, String)> {
    let (ports, address) = (format!("{OPEN},{CLOSED},{KERNEL_OPEN}"), address.to_string());
    let fast = ["-n", "-Pn", "--max-retries", "2", "-T4", "-oG", "-"];
    let command = [&["nmap", scan, "-p", &ports][..], &fast, &[&address]].concat();
    let text = lab.client().run(&command).expect("nmap");
    let (_, list) = text.split_once("Ports: ").unwrap_or_else(|| panic!("no ports in\n{text}"));
    let list = list.lines().next().unwrap_or_default().split('\t').next().unwrap_or_default();
    list.split(", ")
        .map(|entry| {
            let mut fields = entry.split('/');
            let port = fields.next().and_then(|port| port.parse().ok());
            (port.unwrap_or_else(|| panic!("no port in {entry}")), fields.next().unwrap_or_default().into())
        })
        .collect()
}

/// nmap's index of how hard initial sequence numbers are to predict; from 260 on "good luck!".
fn difficulty(lab: &Lab, address: IpAddr, open: u16) -> u64 {
    let (ports, address) = (format!("{open},{CLOSED}"), address.to_string());
    let command = ["nmap", "-n", "-Pn", "-T4", "-v", "-O", "--max-os-tries", "1", "-p", &ports, &address];
    let text = lab.client().run(&command).expect("nmap");
    let (_, rest) = text.split_once("Difficulty=").unwrap_or_else(|| panic!("no difficulty in\n{text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// The flags of the answer, the same for each of three probes; `None` if none was answered.
fn hping3(lab: &Lab, probe: &str, address: IpAddr, port: u16) -> Option<String> {
    let (port, address) = (port.to_string(), address.to_string());
    let output = lab
        .client()
        .command("hping3")
        .args([probe, "-n", "-c", "3", "-i", "u20000", "-p", &port, &address])
        .output()
        .expect("hping3");
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = text.split_whitespace().filter_map(|word| word.strip_prefix("flags=")).collect();
    assert!(answers.is_empty() || answers.len() == 3, "{text}");
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    answers.first().map(|flags| (*flags).into())
}
