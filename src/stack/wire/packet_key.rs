//! A 4-tuple of a supported address family: reading its packets, and sending to its remote end.

use super::{
    checksum::Checksum,
    ethernet,
    flow_key::{FlowKey, FlowKey4, FlowKey6},
    ipv4, ipv6,
    reply_template::ReplyNetwork,
    usual::UsualPacket,
};

/// A 4-tuple of a supported address family.
pub trait PacketKey: FlowKey + Default + UsualPacket + ReplyNetwork {
    /// Whether it is IPv6.
    const IS_IPV6: bool;
    /// The EtherType of the family's packets.
    const ETHERTYPE: u16;
    /// Bytes of the network header of sent packets: no options, no extensions.
    const NETWORK_LEN: usize;

    /// Host order: remote, local.
    fn ports(&self) -> (u16, u16);

    /// Whether both have the same local address and port.
    fn same_local(&self, other: &Self) -> bool;

    /// The sum of the pseudo-header of a TCP segment of `segment_len` bytes, header included. The
    /// same in both directions.
    fn pseudo_header(&self, segment_len: u16) -> Checksum;

    /// Writes the network header of a TCP segment of `segment_len` bytes from local to remote.
    /// `None` if there is no room, or the packet's length cannot be expressed.
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()>;
}

impl PacketKey for FlowKey4 {
    const IS_IPV6: bool = false;
    const ETHERTYPE: u16 = ethernet::IPV4;
    const NETWORK_LEN: usize = ipv4::HEADER_LEN;

    #[inline]
    fn ports(&self) -> (u16, u16) {
        (self.remote_port, self.local_port)
    }

    #[inline]
    fn same_local(&self, other: &Self) -> bool {
        (self.local, self.local_port) == (other.local, other.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Checksum {
        Checksum::pseudo_v4(self.local, self.remote, ipv4::TCP, segment_len)
    }

    #[inline]
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()> {
        ipv4::write_header(at, self.local, self.remote, ipv4::TCP, segment_len)
    }
}

impl PacketKey for FlowKey6 {
    const IS_IPV6: bool = true;
    const ETHERTYPE: u16 = ethernet::IPV6;
    const NETWORK_LEN: usize = ipv6::HEADER_LEN;

    #[inline]
    fn ports(&self) -> (u16, u16) {
        (self.remote_port, self.local_port)
    }

    #[inline]
    fn same_local(&self, other: &Self) -> bool {
        (self.local, self.local_port) == (other.local, other.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Checksum {
        Checksum::pseudo_v6(&self.local, &self.remote, ipv6::TCP, segment_len)
    }

    #[inline]
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()> {
        ipv6::write_header(at, &self.local, &self.remote, ipv6::TCP, ipv6::HOP_LIMIT, segment_len)
    }
}
