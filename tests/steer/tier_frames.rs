//! TCP segments for the cookie tier, valid or not, by their fields.

use handfast_stack::wire::checksum::Checksum;

use crate::tier::Random;

pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// MSS, SACK-permitted, timestamps, window scale.
pub const LINUX: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 1, 3, 3, 7];

/// One TCP segment in its frame. Checksums are computed, then changed.
#[derive(Clone, Debug)]
pub struct Tcp {
    pub destination_mac: [u8; 6],
    pub source_mac: [u8; 6],
    /// EtherType and control of each VLAN tag.
    pub tags: Vec<(u16, u16)>,
    /// 4 or 16 bytes each.
    pub source: Vec<u8>,
    pub destination: Vec<u8>,
    /// Of IPv4; the header is as long as they say.
    pub ip_options: Vec<u8>,
    /// Of IPv6: kind and all bytes but the first, whole units of 8.
    pub extensions: Vec<(u8, Vec<u8>)>,
    pub ip_bits: u16,
    pub ports: (u16, u16),
    pub seq: u32,
    pub ack: u32,
    /// Instead of the header's real length, in words.
    pub offset: Option<u8>,
    pub reserved: u8,
    pub flags: u8,
    pub window: u16,
    pub options: Vec<u8>,
    pub urgent: u16,
    pub data: Vec<u8>,
    /// Added to the IP header's length.
    pub longer: i32,
    /// Bytes after the packet.
    pub padding: Vec<u8>,
    /// Combined with the checksums by exclusive or.
    pub ip_checksum: u16,
    pub tcp_checksum: u16,
    /// The TCP checksum covers the pseudo-header alone.
    pub partial: bool,
}

impl Tcp {
    pub fn ipv4() -> Tcp {
        Tcp {
            destination_mac: OUR_MAC,
            source_mac: PEER_MAC,
            tags: Vec::new(),
            source: vec![192, 0, 2, 9],
            destination: vec![10, 0, 0, 7],
            ip_options: Vec::new(),
            extensions: Vec::new(),
            ip_bits: 0x4000,
            ports: (40_000, 80),
            seq: 0x1234_5678,
            ack: 0,
            offset: None,
            reserved: 0,
            flags: SYN,
            window: 64_240,
            options: LINUX.to_vec(),
            urgent: 0,
            data: Vec::new(),
            longer: 0,
            padding: Vec::new(),
            ip_checksum: 0,
            tcp_checksum: 0,
            partial: false,
        }
    }

    pub fn ipv6() -> Tcp {
        let address = |last| vec![0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        Tcp { source: address(9), destination: address(7), ..Tcp::ipv4() }
    }

    pub fn of(ipv6: bool) -> Tcp {
        if ipv6 { Tcp::ipv6() } else { Tcp::ipv4() }
    }

    pub fn is_ipv6(&self) -> bool {
        self.source.len() == 16
    }

    pub fn with(mut self, change: impl FnOnce(&mut Tcp)) -> Tcp {
        change(&mut self);
        self
    }

    pub fn frame(&self) -> Vec<u8> {
        let segment = self.segment();
        let packet = if self.is_ipv6() { self.packet6(&segment) } else { self.packet4(&segment) };
        let mut frame = [self.destination_mac, self.source_mac].concat();
        for (ethertype, control) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(control.to_be_bytes());
        }
        frame.extend(if self.is_ipv6() { [0x86, 0xdd] } else { [8, 0] });
        frame.extend(packet);
        frame.extend(&self.padding);
        frame
    }

    fn pseudo(&self, len: usize) -> Checksum {
        let sum = Checksum::default().add_bytes(&self.source).add_bytes(&self.destination);
        sum.add_u32(6 + len as u32)
    }

    fn segment(&self) -> Vec<u8> {
        let mut segment = Vec::new();
        segment.extend(self.ports.0.to_be_bytes());
        segment.extend(self.ports.1.to_be_bytes());
        segment.extend(self.seq.to_be_bytes());
        segment.extend(self.ack.to_be_bytes());
        let words = self.offset.unwrap_or((5 + self.options.len() / 4) as u8);
        segment.extend([words << 4 | self.reserved, self.flags]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(self.urgent.to_be_bytes());
        segment.extend(&self.options);
        segment.extend(&self.data);
        let pseudo = self.pseudo(segment.len());
        let sum = if self.partial { pseudo.fold() } else { pseudo.add_bytes(&segment).finish() };
        segment[16..18].copy_from_slice(&(sum ^ self.tcp_checksum).to_be_bytes());
        segment
    }

    fn packet4(&self, segment: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.ip_options.len();
        let len = (header_len + segment.len()) as i32 + self.longer;
        let mut packet = vec![0x40 | (header_len / 4) as u8, 0];
        packet.extend((len as u16).to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(self.ip_bits.to_be_bytes());
        packet.extend([57, 6, 0, 0]);
        packet.extend(&self.source);
        packet.extend(&self.destination);
        packet.extend(&self.ip_options);
        let sum = Checksum::default().add_bytes(&packet).finish() ^ self.ip_checksum;
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(segment);
        packet
    }

    fn packet6(&self, segment: &[u8]) -> Vec<u8> {
        let mut kinds = self.extensions.iter().map(|(kind, _)| *kind).chain([6]);
        let first = kinds.next().unwrap();
        let mut payload = Vec::new();
        for (_, bytes) in &self.extensions {
            payload.push(kinds.next().unwrap());
            payload.extend(bytes);
        }
        payload.extend(segment);
        let mut packet = vec![0x61, 0x23, 0x45, 0x67];
        packet.extend(((payload.len() as i32 + self.longer) as u16).to_be_bytes());
        packet.extend([first, 57]);
        packet.extend(&self.source);
        packet.extend(&self.destination);
        packet.extend(payload);
        packet
    }
}

/// An extension header of `units` times 8 bytes, without its first byte, whose body is `body` and then Pad1.
pub fn extension(units: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(units - 1) as u8];
    bytes.extend(body);
    bytes.resize(8 * units - 1, 0);
    bytes
}

/// A SYN of a peer, with anything that may be in one; most of them have one oddity at most.
pub fn any_syn(random: &mut Random) -> Tcp {
    let mut syn = Tcp::of(random.one_in(2));
    usual_fields(&mut syn, random);
    let oddities = if random.one_in(10) { 2 + random.below(3) } else { random.below(2) };
    for _ in 0..oddities {
        add_oddity(&mut syn, random);
    }
    syn
}

fn usual_fields(syn: &mut Tcp, random: &mut Random) {
    let last = syn.source.len() - 1;
    syn.source[last] = 1 + random.below(250) as u8;
    if random.one_in(2) {
        syn.source[1..].copy_from_slice(&random.bytes(last));
    }
    syn.destination[last] = random.next() as u8;
    for _ in 0..random.below(5).saturating_sub(2) {
        let kind = *random.pick(&[0x8100, 0x88a8, 0x9100]);
        syn.tags.push((kind, random.next() as u16));
    }
    syn.ports = (random.next() as u16, 80 + random.below(11) as u16);
    (syn.seq, syn.ack) = (random.next() as u32, random.next() as u32);
    syn.window = random.next() as u16;
    // ECE, CWR, URG and PSH do not matter.
    syn.flags = SYN | if random.one_in(2) { 0 } else { random.next() as u8 & 0xe8 };
    syn.reserved = if random.one_in(2) { 0 } else { random.next() as u8 & 0xf };
    syn.urgent = if random.one_in(4) { random.next() as u16 } else { 0 };
    syn.options = match random.below(8) {
        0 => Vec::new(),
        1 => mss(random),
        2..4 => linux(random),
        _ => any_options(random),
    };
    let len = 14 + 4 * syn.tags.len() + if syn.is_ipv6() { 60 } else { 40 } + syn.options.len();
    if len < 60 && random.one_in(2) {
        syn.padding = vec![0; 60 - len];
    }
}

fn mss(random: &mut Random) -> Vec<u8> {
    const NEAR: [u16; 10] = [0, 1, 48, 536, 1220, 1360, 1440, 1452, 1460, 8940];
    let near = random.pick(&NEAR).wrapping_add(random.below(3) as u16).wrapping_sub(1);
    let value = if random.one_in(3) { random.next() as u16 } else { near };
    [&[2, 4], &value.to_be_bytes()[..]].concat()
}

fn linux(random: &mut Random) -> Vec<u8> {
    let mut options = LINUX.to_vec();
    options[..4].copy_from_slice(&mss(random));
    options[8..16].copy_from_slice(&random.bytes(8));
    options[19] = if random.one_in(4) { random.next() as u8 } else { random.below(16) as u8 };
    options
}

/// Up to 40 bytes of options in any order, most often legal ones.
fn any_options(random: &mut Random) -> Vec<u8> {
    let mut options: Vec<u8> = Vec::new();
    for _ in 0..random.below(9) {
        let mut option = match random.below(9) {
            0 | 1 => mss(random),
            2 => vec![3, 3, random.next() as u8],
            3 => vec![4, 2],
            4 | 5 => [vec![8, 10], random.bytes(8)].concat(),
            6 => {
                let len = random.below(9) as usize;
                let kind = *random.pick(&[5, 6, 9, 19, 28, 34, 69, 253, 255]);
                [vec![kind, 2 + len as u8], random.bytes(len)].concat()
            }
            _ => vec![1; 1 + random.below(3) as usize],
        };
        // A known kind of another length, the end of the list, a length that is illegal or past the end.
        match random.below(60) {
            0 => option[0] = *random.pick(&[2, 3, 4, 8]),
            1 => option = vec![0],
            2 if option.len() > 1 => option[1] = random.below(2) as u8,
            3 if option.len() > 1 => option[1] = random.next() as u8,
            4 => option = vec![*random.pick(&[2, 3, 4, 8, 77])],
            _ => {}
        }
        if options.len() + option.len() <= 40 {
            options.extend(option);
        }
    }
    let fill = *random.pick(&[0, 1, 1, 1, 99]);
    options.resize(options.len().next_multiple_of(4), fill);
    options
}

fn add_oddity(syn: &mut Tcp, random: &mut Random) {
    let number = random.next() as usize;
    match random.below(19) {
        0 => syn.tcp_checksum = 1 << random.below(16),
        1 => syn.ip_checksum = 1 << random.below(16),
        2 => syn.partial = true,
        3 => syn.data = random.bytes(1 + number % 40),
        4 => syn.offset = Some(random.below(16) as u8),
        5 => syn.longer = random.below(100) as i32 - 50,
        6 => syn.padding = random.bytes(1 + number % 90),
        7 => syn.source_mac[0] |= 1,
        8 => syn.destination_mac[5] ^= 1 << random.below(8),
        9 => syn.source = syn.destination.clone(),
        10 if syn.is_ipv6() => syn.source = special6(random),
        10 => syn.source = special4(random),
        11 if syn.is_ipv6() => syn.destination = special6(random),
        11 => syn.destination = special4(random),
        12 | 13 if syn.is_ipv6() => add_extension(syn, random),
        12 => syn.ip_options = ip_options(random),
        13 => syn.ip_bits = *random.pick(&[0, 0x8000, 0xc000, 0x2000, 0x0001]),
        14 => {
            let cut = random.below(12) as usize;
            syn.options.truncate(syn.options.len().saturating_sub(cut));
        }
        15 => syn.options = random.bytes(4 * (number % 11)),
        16 => syn.tags.push((0x8100, 5)),
        17 => syn.ports.1 = random.next() as u16,
        _ => syn.destination_mac = [0xff; 6],
    }
}

fn special4(random: &mut Random) -> Vec<u8> {
    const ADDRESSES: [[u8; 4]; 12] = [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [239, 255, 255, 255],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [255, 255, 255, 254],
        [10, 0, 0, 255],
        [10, 0, 0, 127],
        [10, 0, 0, 3],
        [223, 255, 255, 255],
    ];
    random.pick(&ADDRESSES).to_vec()
}

fn special6(random: &mut Random) -> Vec<u8> {
    const ADDRESSES: [&str; 12] = [
        "::",
        "::1",
        "::2",
        "::1:0:0",
        "ff02::1",
        "ff0e::1234",
        "::ffff:192.0.2.1",
        "::fffe:192.0.2.1",
        "64:ff9b::192.0.2.1",
        "fe80::1",
        "1::ffff:0:0",
        "::1:ffff:192.0.2.1",
    ];
    let address: std::net::Ipv6Addr = random.pick(&ADDRESSES).parse().unwrap();
    address.octets().to_vec()
}

fn ip_options(random: &mut Random) -> Vec<u8> {
    let mut options = match random.below(4) {
        0 => vec![7, 7, 4, 0, 0, 0, 0, 0],
        1 => vec![131, 7, 4, 0, 0, 0, 0, 0],
        2 => random.bytes(8),
        _ => vec![1; 4],
    };
    options.resize(options.len().next_multiple_of(4), 0);
    options
}

fn add_extension(syn: &mut Tcp, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        let kind = *random.pick(&[0, 43, 60, 60, 60, 44, 51, 253]);
        let units = 1 + random.below(4) as usize;
        let bytes = match random.below(6) {
            0 => extension(units, &[]),
            1 => extension(units, &[1, 4, 0, 0, 0, 0]),
            2 => extension(units, &[5, 2, 0, 0]),
            3 => extension(units, &[1, random.below(30) as u8]),
            4 => extension(units, &[random.next() as u8, 0]),
            _ => extension(units, &[0, 0, random.below(2) as u8]),
        };
        syn.extensions.push((kind, bytes));
    }
}
