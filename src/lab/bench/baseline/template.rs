use handfast_stack::wire::checksum::Checksum;
use handfast_stack::wire::ethernet::HEADER_LEN as LINK;
use handfast_stack::wire::{
    Flags, FlowKey4, FlowKey6, Mac, PacketKey, Seq, TcpOptions, Timestamps, TxSegment, write_segment,
};

/// Size of the largest frame sent, bytes.
const MAX_FRAME: usize = 1514;

/// Addresses and ports of a segment, as in the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TemplateFlow {
    /// Source and destination: 8 bytes for IPv4, 32 for IPv6.
    pub addresses: [u8; 32],
    /// Source and destination.
    pub ports: [u8; 4],
}

/// The other fields that differ between two segments of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentNumbers {
    pub seq: u32,
    pub ack: u32,
    /// TSecr; TSval is constant.
    pub echo: u32,
}

/// A segment of which only flow and numbers change. Its checksum fields hold the sums of the rest, so a
/// checksum costs a few additions and is exact.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// With a link header; addresses, ports and numbers are zero.
    frame: Box<[u8]>,
    ipv6: bool,
    echo_at: Option<usize>,
}

impl Template {
    /// `link`: destination and source of frames that are not replies in place.
    pub(super) fn new(
        link: (Mac, Mac),
        ipv6: bool,
        flags: Flags,
        timestamps: bool,
        payload: &[u8],
    ) -> Template {
        let syn = flags.has(Flags::SYN);
        let options = TcpOptions::of_syn(
            syn.then_some(if ipv6 { 1440 } else { 1460 }),
            (syn && timestamps).then_some(7),
            syn && timestamps,
            timestamps.then_some(Timestamps { value: TSVAL, echo: 0 }),
        );
        let emit = TxSegment { seq: Seq(0), ack: Seq(0), flags, window: 64_240, options };
        let mut frame = [0; MAX_FRAME];
        frame[..6].copy_from_slice(&link.0);
        frame[6..12].copy_from_slice(&link.1);
        let (ethertype, len) = match ipv6 {
            false => {
                let key = FlowKey4 { remote: [0; 4], local: [0; 4], remote_port: 0, local_port: 0 };
                (FlowKey4::ETHERTYPE, write_segment(&mut frame, LINK, &key, &emit, payload))
            }
            true => {
                let key = FlowKey6 { remote: [0; 16], local: [0; 16], remote_port: 0, local_port: 0 };
                (FlowKey6::ETHERTYPE, write_segment(&mut frame, LINK, &key, &emit, payload))
            }
        };
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        let tcp = tcp_at(ipv6);
        // In a SYN the timestamps follow MSS and SACK-permitted, otherwise two NOPs.
        let echo_at = timestamps.then_some(tcp + 20 + if syn { 12 } else { 8 });
        Template { frame: frame[..len.unwrap_or(0)].into(), ipv6, echo_at }
    }

    /// Writes everything after the link header, which stays. Returns the frame's length; 0: no room.
    #[inline]
    pub(super) fn write(&self, frame: &mut [u8], flow: &TemplateFlow, numbers: &SegmentNumbers) -> usize {
        let Some(frame) = frame.get_mut(..self.frame.len()) else { return 0 };
        frame[LINK..].copy_from_slice(&self.frame[LINK..]);
        self.patch(frame, flow, numbers);
        frame.len()
    }

    /// As [`Template::write`], with the link header.
    #[inline]
    pub(super) fn write_whole(
        &self,
        frame: &mut [u8],
        flow: &TemplateFlow,
        numbers: &SegmentNumbers,
    ) -> usize {
        let Some(frame) = frame.get_mut(..self.frame.len()) else { return 0 };
        frame.copy_from_slice(&self.frame);
        self.patch(frame, flow, numbers);
        frame.len()
    }

    #[inline]
    fn patch(&self, frame: &mut [u8], flow: &TemplateFlow, numbers: &SegmentNumbers) {
        let tcp = tcp_at(self.ipv6);
        let addresses = &flow.addresses[..if self.ipv6 { 32 } else { 8 }];
        frame[tcp - addresses.len()..tcp].copy_from_slice(addresses);
        frame[tcp..tcp + 4].copy_from_slice(&flow.ports);
        frame[tcp + 4..tcp + 8].copy_from_slice(&numbers.seq.to_be_bytes());
        frame[tcp + 8..tcp + 12].copy_from_slice(&numbers.ack.to_be_bytes());
        let addresses = Checksum::default().add_bytes(addresses);
        if !self.ipv6 {
            finish(frame, LINK + 10, addresses);
        }
        let mut sum = addresses.add_bytes(&flow.ports).add_u32(numbers.seq).add_u32(numbers.ack);
        if let Some(at) = self.echo_at {
            frame[at..at + 4].copy_from_slice(&numbers.echo.to_be_bytes());
            sum = sum.add_u32(numbers.echo);
        }
        finish(frame, tcp + 16, sum);
    }
}

/// The constant TSval.
const TSVAL: u32 = 1_000;

/// Adds `more` to the words that the checksum at `at` covers (RFC 1624).
#[inline]
fn finish(frame: &mut [u8], at: usize, more: Checksum) {
    let before = u16::from_be_bytes([frame[at], frame[at + 1]]);
    frame[at..at + 2].copy_from_slice(&more.add_u16(!before).finish().to_be_bytes());
}

/// Offset of the TCP header, without tags and IP options.
#[inline]
pub(super) fn tcp_at(ipv6: bool) -> usize {
    if ipv6 { LINK + 40 } else { LINK + 20 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::wire::{Packet, ParseConfig, parse};

    fn policy() -> ParseConfig {
        ParseConfig::default()
    }

    #[test]
    fn a_segment_is_valid_with_any_numbers() {
        let payload: Vec<u8> = (0..101).collect();
        for (ipv6, timestamps, flags, payload, len) in [
            (false, false, Flags::SYN, &[][..], 58),
            (false, true, Flags::SYN, &[], 74),
            (true, true, Flags::SYN.with(Flags::ACK), &[], 94),
            (false, false, Flags::ACK, &[], 54),
            (true, false, Flags::ACK.with(Flags::FIN), &[], 74),
            (false, true, Flags::ACK.with(Flags::PSH), &payload, 66 + 101),
        ] {
            let template = Template::new(([2; 6], [4; 6]), ipv6, flags, timestamps, payload);
            for number in [0, 1, 0x7fff_ffff, u32::MAX] {
                let mut flow = TemplateFlow { ports: [0x12, 0x34, 0, 80], ..TemplateFlow::default() };
                flow.addresses[..8].copy_from_slice(&[10, 78, 1, 2, 198, 18, 1, 1]);
                if ipv6 {
                    flow.addresses = [0x20; 32];
                    flow.addresses[31] = 1;
                }
                let numbers = SegmentNumbers { seq: number, ack: !number, echo: number ^ 0xff };
                let mut frame = [0xee; MAX_FRAME];
                let written = template.write_whole(&mut frame, &flow, &numbers);
                assert_eq!(written, len, "{flags:?}");
                let info = match parse(&frame[..written], &policy()) {
                    Ok(Packet::Tcp4(segment)) => segment.info,
                    Ok(Packet::Tcp6(segment)) => segment.info,
                    other => panic!("{flags:?} {number}: {other:?}"),
                };
                let ack = if flags.has(Flags::ACK) { !number } else { 0 };
                assert_eq!(
                    (info.seq.0, info.flags, usize::from(info.payload_len)),
                    (number, flags, payload.len())
                );
                assert!(!flags.has(Flags::ACK) || info.ack.0 == ack);
                let stamps = timestamps.then_some(Timestamps { value: TSVAL, echo: number ^ 0xff });
                assert_eq!(info.options.timestamps, stamps);
            }
        }
    }
}
