use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

use super::{
    ethernet::{self, Mac},
    ipv4,
};
use crate::observe::DropReason;

/// A request: `sender` asks for the MAC address of `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpRequest {
    /// Zero for a probe (RFC 5227 2.1.1).
    pub sender: [u8; 4],
    /// The IPv4 address whose owner is to answer.
    pub target: [u8; 4],
    /// Bytes of link header, VLAN tags included.
    pub link_len: u8,
}

/// RFC 826, for Ethernet and IPv4.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct Message {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: Mac,
    sender: [u8; 4],
    target_mac: Mac,
    target: [u8; 4],
}

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

impl ArpRequest {
    /// `bytes` reach from the ARP message to the end of the frame.
    ///
    /// # Errors
    /// `FrameTruncated`; `ArpOther` for anything but a request that could be for an address of
    /// ours: replies, announcements, invalid senders.
    pub(super) fn parse(bytes: &[u8], link_len: u8) -> Result<ArpRequest, DropReason> {
        let (message, _) = Message::ref_from_prefix(bytes).map_err(|_| DropReason::FrameTruncated)?;
        let Message { sender_mac, sender, target, .. } = *message;
        let kind = (message.hardware_type.get(), message.protocol_type.get());
        let lengths = (message.hardware_len, message.protocol_len);
        let is_request =
            kind == (1, ethernet::IPV4) && lengths == (6, 4) && message.operation.get() == REQUEST;
        let is_probe = sender == [0; 4];
        // An announcement asks for the sender's own address (RFC 5227 3): nothing to answer.
        let is_answerable = sender != target
            && (is_probe || ipv4::is_endpoint(sender, &[]))
            && !ethernet::is_group(&sender_mac);
        if is_request && is_answerable {
            Ok(ArpRequest { sender, target, link_len })
        } else {
            Err(DropReason::ArpOther)
        }
    }
}

/// Turns the frame of a request into the reply "`target` is at `our_mac`", in place. Returns the
/// frame's length without padding, bytes; `None` if it does not hold an ARP message.
pub fn reply(frame: &mut [u8], link_len: u8, our_mac: Mac) -> Option<usize> {
    let start = usize::from(link_len);
    let (request, _) = Message::read_from_prefix(frame.get(start..)?).ok()?;
    let answer = Message {
        operation: U16::new(REPLY),
        sender_mac: our_mac,
        sender: request.target,
        target_mac: request.sender_mac,
        target: request.sender,
        ..request
    };
    answer.write_to_prefix(frame.get_mut(start..)?).ok()?;
    ethernet::write_addresses(frame, request.sender_mac, our_mac)?;
    Some(start + size_of::<Message>())
}

/// Writes a broadcast announcement, "`address` is at `mac`" (RFC 5227 2.3).
/// Returns the frame's length without padding, bytes; `None` if there is no room.
pub fn announce(frame: &mut [u8], address: [u8; 4], mac: Mac) -> Option<usize> {
    let link = ethernet::LinkHeader::untagged(ethernet::BROADCAST, mac, ethernet::ARP);
    let start = ethernet::write_link(frame, link.as_bytes())?;
    let message = Message {
        hardware_type: U16::new(1),
        protocol_type: U16::new(ethernet::IPV4),
        hardware_len: 6,
        protocol_len: 4,
        operation: U16::new(REQUEST),
        sender_mac: mac,
        sender: address,
        target_mac: [0; 6],
        target: address,
    };
    message.write_to_prefix(frame.get_mut(start..)?).ok()?;
    Some(start + size_of::<Message>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 9];

    fn request() -> Vec<u8> {
        let kind = [0, 1, 8, 0, 6, 4, 0, 1];
        [&kind[..], &THEIRS, &[192, 0, 2, 9], &[0; 6], &[192, 0, 2, 1]].concat()
    }

    #[test]
    fn what_is_a_request() {
        use DropReason::ArpOther;
        type Change = fn(&mut [u8]);
        let rows: [(&str, Change, Option<DropReason>); 12] = [
            ("a request", |_| {}, None),
            ("a probe", |m| m[14..18].fill(0), None),
            ("hardware not Ethernet", |m| m[1] = 6, Some(ArpOther)),
            ("protocol not IPv4", |m| m[2] = 0x86, Some(ArpOther)),
            ("hardware length", |m| m[4] = 8, Some(ArpOther)),
            ("protocol length", |m| m[5] = 16, Some(ArpOther)),
            ("a reply", |m| m[7] = 2, Some(ArpOther)),
            ("an announcement", |m| m[17] = 1, Some(ArpOther)),
            ("from a multicast MAC", |m| m[8] = 1, Some(ArpOther)),
            ("from a multicast address", |m| m[14] = 224, Some(ArpOther)),
            ("from a broadcast address", |m| m[14..18].fill(255), Some(ArpOther)),
            ("from loopback", |m| m[14] = 127, Some(ArpOther)),
        ];
        for (what, change, reason) in rows {
            let mut message = request();
            change(&mut message);
            assert_eq!(ArpRequest::parse(&message, 14).err(), reason, "{what}");
        }
        for end in 0..28 {
            let cut = &request()[..end];
            assert_eq!(ArpRequest::parse(cut, 14), Err(DropReason::FrameTruncated), "{end}");
        }
    }

    #[test]
    fn an_announcement_asks_all_for_its_own_address() {
        let mut frame = [0xee; 60];
        assert_eq!(announce(&mut frame, [192, 0, 2, 1], OURS), Some(42));
        let kind = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
        let wanted = [&[0xff; 6][..], &OURS, &kind, &OURS, &[192, 0, 2, 1], &[0; 6], &[192, 0, 2, 1]];
        assert_eq!(frame[..42], wanted.concat());
        assert_eq!(announce(&mut frame[..41], [192, 0, 2, 1], OURS), None);
    }

    #[test]
    fn the_reply_goes_to_who_asked_through_the_same_vlan() {
        let tag = [0x81, 0, 0, 7, 8, 6];
        let mut frame = [&[0xff; 6][..], &THEIRS, &tag, &request(), &[0; 14]].concat();
        assert_eq!(reply(&mut frame, 18, OURS), Some(46));
        let kind = [0, 1, 8, 0, 6, 4, 0, 2];
        let message = [&kind[..], &OURS, &[192, 0, 2, 1], &THEIRS, &[192, 0, 2, 9]].concat();
        assert_eq!(frame[..46], [&THEIRS[..], &OURS, &tag, &message].concat());
        assert_eq!(reply(&mut frame[..45], 18, OURS), None);
    }
}
