//! Every frame, cut at every length.

use etherparse::EtherType;

use crate::frames::*;
use crate::kernel::{Bench, privileged, rules};
use crate::verdicts::table;
use handfast_stack::xdp::Verdict::{DropSplit, DropTruncated, PassOther, PassShort};

/// Bytes of link header and network header in which the destination becomes known.
fn bytes_to_destination(packet: &Packet, link: usize) -> usize {
    let network = match packet.0 {
        EtherType::IPV4 => 20,
        EtherType::IPV6 if packet.1[24] == 0xff => 40 + 24, // the target decides
        EtherType::IPV6 => 40,
        EtherType::ARP => 28,
        _ => 0,
    };
    link + network
}

/// A cut frame never reaches a socket unless the whole one does, and the kernel never receives a frame to
/// an owned address once its destination can be read.
#[test]
fn every_frame_cut_at_every_length() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    // Of those that a driver has cut already, the short ones are for user space.
    for (name, packet, whole) in table().into_iter().filter(|(.., whole)| *whole != DropSplit) {
        for tags in [&[][..], &[0x88a8, 0x8100]] {
            let frame = packet.tagged(tags);
            let destination = bytes_to_destination(&packet, 14 + 4 * tags.len());
            for len in 14..frame.len().min(400) {
                let cut = bench.verdict(&frame[..len]);
                let place = || format!("{name}, tags {tags:x?}, {len} of {} bytes: {cut:?}", frame.len());
                if cut == whole {
                    continue;
                }
                if len < destination {
                    assert!([PassShort, PassOther].contains(&cut), "{}", place());
                } else {
                    assert!([PassShort, DropTruncated].contains(&cut), "{}", place());
                    let was_pass = !whole.is_socket() && !whole.is_drop();
                    assert!(cut == DropTruncated || was_pass, "{}", place());
                }
            }
        }
    }
}
