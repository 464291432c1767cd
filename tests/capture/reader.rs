//! A capture as tshark reads it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

pub struct Capture {
    pub packets: Vec<Packet>,
}

/// One line of tshark.
#[derive(Debug)]
pub struct Packet {
    /// Nanoseconds.
    pub at: u64,
    pub interface: String,
    pub is_inbound: bool,
    pub length: u32,
    pub captured: u32,
    /// The client's address and port, and the server's port, if it is TCP.
    pub connection: Option<(String, u16, u16)>,
}

const FIELDS: [&str; 9] = [
    "frame.time_epoch",
    "frame.interface_name",
    "frame.packet_flags_direction",
    "frame.len",
    "frame.cap_len",
    "ip.src",
    "ip.dst",
    "tcp.srcport",
    "tcp.dstport",
];

impl Capture {
    /// Reads all of it; tshark must not complain.
    pub fn read(path: &Path) -> Capture {
        let mut arguments = vec!["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"];
        FIELDS.iter().for_each(|field| arguments.extend(["-e", field]));
        let packets = tshark(path, &arguments).lines().map(Packet::of).collect();
        Capture { packets }
    }

    pub fn directions(&self) -> (u64, u64) {
        let inbound = self.packets.iter().filter(|packet| packet.is_inbound).count();
        (inbound as u64, (self.packets.len() - inbound) as u64)
    }

    /// Segments of each connection.
    pub fn connections(&self) -> BTreeMap<(String, u16, u16), usize> {
        let mut found = BTreeMap::new();
        for connection in self.packets.iter().filter_map(|packet| packet.connection.clone()) {
            *found.entry(connection).or_default() += 1;
        }
        found
    }

    /// The time stamps never go back.
    pub fn assert_in_order(&self) {
        let back = self.packets.windows(2).find(|pair| pair[0].at > pair[1].at);
        assert!(back.is_none(), "{back:?}");
    }
}

impl Packet {
    fn of(line: &str) -> Packet {
        let fields: Vec<&str> = line.split('|').collect();
        let [at, interface, direction, length, captured, source, destination, from, to] = fields[..] else {
            panic!("{line}")
        };
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text} in {line}"));
        let (seconds, nanos) = at.split_once('.').expect("a time stamp");
        let is_inbound = match direction {
            "0x00000001" => true,
            "0x00000002" => false,
            other => panic!("direction {other} in {line}"),
        };
        let port = |text: &str| text.parse::<u16>().expect("a port");
        let connection = (!from.is_empty()).then(|| match is_inbound {
            true => (source.to_owned(), port(from), port(to)),
            false => (destination.to_owned(), port(to), port(from)),
        });
        Packet {
            at: seconds.parse::<u64>().expect("seconds") * 1_000_000_000 + u64::from(number(nanos)),
            interface: interface.to_owned(),
            is_inbound,
            length: number(length),
            captured: number(captured),
            connection,
        }
    }
}

/// Nothing in it is malformed or an error. Warnings are of what was on the wire: the client's cores may
/// send an ACK after the FIN that follows it.
pub fn assert_clean(path: &Path) {
    let expert = tshark(path, &["-q", "-z", "expert"]);
    for part in ["Malformed", "Errors ("] {
        assert!(!expert.contains(part), "{part} in\n{expert}");
    }
    let checked = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
    let bad = ["-Y", "_ws.malformed or ip.checksum.status == 0 or tcp.checksum.status == 0"];
    assert_eq!(tshark(path, &[&checked[..], &bad].concat()), "");
}

pub fn tshark(path: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark").arg("-r").arg(path).args(arguments).output().expect("tshark");
    let complaints = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> =
        complaints.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{arguments:?}: {complaints:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
