//! A segment as its sender means it, and the frame that it becomes.

use std::net::IpAddr;

use handfast_stack::wire::checksum::Checksum;
use handfast_stack::wire::{Flags, Mac, Seq};

use crate::client::SERVER_MAC;

/// The defect of a frame, apart from its fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spoiled {
    Intact,
    /// The TCP checksum with these bits changed.
    TcpChecksum(u16),
    /// The TCP checksum of the pseudo-header only, as a sender with checksum offload writes it.
    PartialChecksum,
    /// The IPv4 header checksum, or the version of IPv6.
    IpHeader,
    /// Added to the IP packet's length.
    IpLength(i16),
    /// The data offset, in words.
    DataOffset(u8),
    /// Flags and offset of fragmentation; of IPv6, the next header.
    Fragment(u16),
    /// The frame ends early, by this number of bytes.
    Truncated(usize),
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub destination: Mac,
    pub source: Mac,
    /// VLAN tags with their types.
    pub tags: Vec<[u16; 2]>,
    pub remote: IpAddr,
    pub local: IpAddr,
    /// Source, destination.
    pub ports: [u16; 2],
    pub seq: Seq,
    pub ack: Seq,
    pub flags: Flags,
    /// The four bits after the data offset.
    pub reserved: u8,
    pub window: u16,
    pub urgent: u16,
    /// Whole words.
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    /// Of IPv4, whole words.
    pub ip_options: Vec<u8>,
    /// DSCP and ECN, or the traffic class.
    pub class: u8,
    /// Bytes after the packet.
    pub padding: usize,
    pub spoiled: Spoiled,
}

impl Sent {
    /// An empty ACK of 0.
    pub fn new(source: Mac, [remote, local]: [IpAddr; 2], ports: [u16; 2]) -> Sent {
        Sent {
            destination: SERVER_MAC,
            source,
            tags: Vec::new(),
            remote,
            local,
            ports,
            seq: Seq(0),
            ack: Seq(0),
            flags: Flags::ACK,
            reserved: 0,
            window: 0,
            urgent: 0,
            options: Vec::new(),
            payload: Vec::new(),
            ip_options: Vec::new(),
            class: 0,
            padding: 0,
            spoiled: Spoiled::Intact,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut frame = [self.destination, self.source].concat();
        let ethertype: u16 = if self.remote.is_ipv4() { 0x0800 } else { 0x86dd };
        let tags = self.tags.as_flattened().iter().chain([&ethertype]);
        frame.extend(tags.flat_map(|number| number.to_be_bytes()));
        let (header, pseudo) = self.network();
        frame.extend(header);
        frame.extend(self.segment(pseudo));
        frame.extend((0..self.padding).map(|at| at as u8));
        if let Spoiled::Truncated(bytes) = self.spoiled {
            frame.truncate(frame.len().saturating_sub(bytes));
        }
        frame
    }

    fn segment_len(&self) -> usize {
        20 + self.options.len() + self.payload.len()
    }

    /// The network header, and the sum of the pseudo-header.
    fn network(&self) -> (Vec<u8>, Checksum) {
        let segment_len = self.segment_len() as u16;
        let added = if let Spoiled::IpLength(more) = self.spoiled { more } else { 0 };
        match (self.remote, self.local) {
            (IpAddr::V4(remote), IpAddr::V4(local)) => {
                let header_len = 20 + self.ip_options.len();
                let len = (segment_len + header_len as u16).wrapping_add_signed(added);
                let fragment = if let Spoiled::Fragment(bits) = self.spoiled { bits } else { 0x4000 };
                let mut header = vec![0x40 | (header_len / 4) as u8, self.class];
                header.extend(len.to_be_bytes());
                header.extend([0, 7]);
                header.extend(fragment.to_be_bytes());
                header.extend([64, 6, 0, 0]);
                header.extend(remote.octets());
                header.extend(local.octets());
                header.extend(&self.ip_options);
                let sum = Checksum::default().add_bytes(&header).finish();
                let wrong = u16::from(self.spoiled == Spoiled::IpHeader);
                header[10..12].copy_from_slice(&(sum ^ wrong).to_be_bytes());
                (header, Checksum::pseudo_v4(remote.octets(), local.octets(), 6, segment_len))
            }
            (IpAddr::V6(remote), IpAddr::V6(local)) => {
                let version = if self.spoiled == Spoiled::IpHeader { 0x50 } else { 0x60 };
                let next = if matches!(self.spoiled, Spoiled::Fragment(_)) { 44 } else { 6 };
                let mut header = vec![version | self.class >> 4, self.class << 4, 1, 2];
                header.extend(segment_len.wrapping_add_signed(added).to_be_bytes());
                header.extend([next, 64]);
                header.extend(remote.octets());
                header.extend(local.octets());
                (header, Checksum::pseudo_v6(&remote.octets(), &local.octets(), 6, segment_len))
            }
            mixed => panic!("both addresses are of one family: {mixed:?}"),
        }
    }

    fn segment(&self, pseudo: Checksum) -> Vec<u8> {
        let words = (20 + self.options.len()) / 4;
        let words = if let Spoiled::DataOffset(words) = self.spoiled { words } else { words as u8 };
        let mut segment = Vec::with_capacity(self.segment_len());
        segment.extend(self.ports.into_iter().flat_map(u16::to_be_bytes));
        segment.extend([self.seq, self.ack].into_iter().flat_map(|number| number.0.to_be_bytes()));
        segment.extend([words << 4 | self.reserved, self.flags.0]);
        segment.extend([self.window, 0, self.urgent].into_iter().flat_map(u16::to_be_bytes));
        segment.extend(&self.options);
        segment.extend(&self.payload);
        let sum = match self.spoiled {
            Spoiled::PartialChecksum => pseudo.fold(),
            Spoiled::TcpChecksum(bits) => pseudo.add_bytes(&segment).finish() ^ bits,
            _ => pseudo.add_bytes(&segment).finish(),
        };
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    }
}
