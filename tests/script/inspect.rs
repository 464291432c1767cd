//! Reads what the device sent, and checks what must hold for every packet of every TCP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{Place, sum_words, tcp_checksum};
use super::pattern::{ACK, FIN, RST, SYN, flag_letters};

/// Hops that a fresh packet has left at least.
const MIN_HOP_LIMIT: u8 = 32;
/// The shortest Ethernet frame; shorter packets may be padded up to it.
const MIN_FRAME: usize = 64;

/// A segment from the device.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub source_port: u16,
    pub destination_port: u16,
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub window: u16,
    pub options: Options,
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub mss: Option<u16>,
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    pub timestamps: Option<(u32, u32)>,
    pub sack: Option<Vec<(u32, u32)>>,
    pub unknown: Vec<u8>,
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.mss.map(|mss| format!("mss {mss}")));
        words.extend(self.window_scale.map(|shift| format!("ws {shift}")));
        words.extend(self.sack_permitted.then(|| "sack-ok".to_owned()));
        words.extend(self.timestamps.map(|(value, echo)| format!("ts {value}:{echo}")));
        words.extend(self.sack.as_ref().map(|blocks| format!("sack {blocks:?}")));
        words.extend(self.unknown.iter().map(|kind| format!("option {kind}")));
        write!(f, "[{}]", words.join(", "))
    }
}

/// A frame that carries TCP: its addresses, and the segment or what is wrong with it.
pub struct Tcp {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Ports are read before anything is checked, to know whose packet a broken one is.
    pub ports: (u16, u16),
    pub segment: Result<Received, String>,
}

/// Takes a frame apart; `None` if it is not TCP over IP.
pub fn inspect(frame: &[u8], place: &Place) -> Option<Tcp> {
    let tagged = frame.get(12..14)? == [0x81, 0x00];
    let start = if tagged { 18 } else { 14 };
    let packet = frame.get(start..)?;
    let (source, destination, ip) = match frame.get(start - 2..start)? {
        [0x08, 0x00] if *packet.get(9)? == 6 => {
            let address = |at: usize| -> Option<IpAddr> {
                Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?).into())
            };
            (address(12)?, address(16)?, ipv4(packet))
        }
        [0x86, 0xdd] if *packet.get(6)? == 6 => {
            let address = |at: usize| -> Option<IpAddr> {
                Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?).into())
            };
            (address(8)?, address(24)?, ipv6(packet))
        }
        _ => return None,
    };
    let transport = packet.get(if source.is_ipv4() { 20 } else { 40 }..)?;
    let ports = (word(transport, 0)?, word(transport, 2)?);
    let segment = link(frame, tagged, place)
        .and(ip)
        .and_then(|end| padding(frame, start + end).map(|()| end))
        .and_then(|end| tcp(source, destination, &packet[if source.is_ipv4() { 20 } else { 40 }..end]));
    Some(Tcp { source, destination, ports, segment })
}

fn link(frame: &[u8], tagged: bool, place: &Place) -> Result<(), String> {
    if frame[..6] != place.client_mac {
        return Err("the frame goes to another MAC address".into());
    }
    if frame[6..12] != place.device_mac {
        return Err("the frame comes from another MAC address".into());
    }
    let tag = tagged.then(|| u16::from_be_bytes([frame[14], frame[15]]) & 0x0fff);
    if tag != place.vlan {
        return Err(format!("VLAN {tag:?}, expected {:?}", place.vlan));
    }
    Ok(())
}

/// Checks an IPv4 header; returns where the packet ends.
fn ipv4(packet: &[u8]) -> Result<usize, String> {
    if packet.len() < 20 || packet[0] != 0x45 {
        return Err("IPv4 version or header length is wrong".into());
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    if total < 40 || total > packet.len() {
        return Err(format!("IPv4 total length {total} in {} bytes", packet.len()));
    }
    if sum_words(&[&packet[..20]]) != 0xffff {
        return Err("wrong IPv4 header checksum".into());
    }
    if packet[6] & 0xbf != 0 || packet[7] != 0 {
        return Err("a fragment, or the reserved IPv4 flag is set".into());
    }
    hop_limit(packet[8]).map(|()| total)
}

/// Checks an IPv6 header; returns where the packet ends.
fn ipv6(packet: &[u8]) -> Result<usize, String> {
    if packet.len() < 40 || packet[0] >> 4 != 6 {
        return Err("IPv6 version is wrong".into());
    }
    let total = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    if total < 60 || total > packet.len() {
        return Err(format!("IPv6 packet of {total} in {} bytes", packet.len()));
    }
    hop_limit(packet[7]).map(|()| total)
}

fn hop_limit(hops: u8) -> Result<(), String> {
    if hops < MIN_HOP_LIMIT { Err(format!("hop limit {hops}")) } else { Ok(()) }
}

/// Bytes after the packet may only fill a short frame, and are zero.
fn padding(frame: &[u8], end: usize) -> Result<(), String> {
    let rest = &frame[end..];
    if rest.is_empty() || frame.len() <= MIN_FRAME && rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(format!("{} stray bytes after the packet", rest.len()))
}

fn tcp(source: IpAddr, destination: IpAddr, bytes: &[u8]) -> Result<Received, String> {
    if tcp_checksum(source, destination, bytes) != 0 {
        return Err("wrong TCP checksum (MUST-2)".into());
    }
    let header = usize::from(bytes[12] >> 4) * 4;
    if header < 20 || header > bytes.len() {
        return Err(format!("TCP header of {header} bytes in a segment of {}", bytes.len()));
    }
    if bytes[12] & 0x0f != 0 {
        return Err("reserved bits are set".into());
    }
    let long = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let segment = Received {
        source_port: u16::from_be_bytes([bytes[0], bytes[1]]),
        destination_port: u16::from_be_bytes([bytes[2], bytes[3]]),
        sequence: long(4),
        acknowledgement: long(8),
        flags: bytes[13],
        window: u16::from_be_bytes([bytes[14], bytes[15]]),
        options: options(&bytes[20..header])?,
        payload: bytes[header..].to_vec(),
    };
    flags_and_options(&segment).map(|()| segment)
}

fn flags_and_options(segment: &Received) -> Result<(), String> {
    let (flags, options) = (segment.flags, &segment.options);
    let letters = flag_letters(flags);
    if flags & SYN != 0 && flags & (FIN | RST) != 0 {
        return Err(format!("{letters} in one segment"));
    }
    if flags & (ACK | RST | SYN) == 0 {
        return Err(format!("{letters} without ACK"));
    }
    if flags & SYN == 0 && (options.mss.is_some() || options.window_scale.is_some() || options.sack_permitted)
    {
        return Err(format!("MSS, window scale or SACK-permitted on {letters} (MUST-65)"));
    }
    if options.window_scale.is_some_and(|shift| shift > 14) {
        return Err("window scale above 14 (RFC 7323 2.3)".into());
    }
    Ok(())
}

/// Reads options, strictly: known ones have their exact length, none comes twice, padding is zero.
fn options(mut bytes: &[u8]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut seen = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        match kind {
            0 if rest.iter().all(|byte| *byte == 0) => return Ok(options),
            0 => return Err("padding after the end of options is not zero (MUST-69)".into()),
            1 => bytes = rest,
            _ => {
                let length = rest.first().map_or(0, |length| usize::from(*length));
                let value = bytes.get(2..length).ok_or("an option without a legal length (MUST-68)")?;
                if seen.contains(&kind) {
                    return Err(format!("option {kind} comes twice"));
                }
                seen.push(kind);
                option(kind, value, &mut options)?;
                bytes = &bytes[length..];
            }
        }
    }
    Ok(options)
}

fn option(kind: u8, value: &[u8], options: &mut Options) -> Result<(), String> {
    let long = |at: usize| u32::from_be_bytes([value[at], value[at + 1], value[at + 2], value[at + 3]]);
    match (kind, value.len()) {
        (2, 2) => options.mss = Some(u16::from_be_bytes([value[0], value[1]])),
        (3, 1) => options.window_scale = Some(value[0]),
        (4, 0) => options.sack_permitted = true,
        (5, 8 | 16 | 24 | 32) => {
            options.sack = Some((0..value.len()).step_by(8).map(|at| (long(at), long(at + 4))).collect());
        }
        (8, 8) => options.timestamps = Some((long(0), long(4))),
        (2..=5 | 8, length) => return Err(format!("option {kind} with {length} bytes of value")),
        _ => options.unknown.push(kind),
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
