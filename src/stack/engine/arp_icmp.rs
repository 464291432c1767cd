//! ARP, neighbour discovery, echo, and the refusal of protocols other than TCP, for addresses that
//! only we own: the kernel would not answer for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::core::Core;
use super::port::Port;
use crate::observe::{Counter, DropReason};
use crate::wire::arp::{self, ArpRequest};
use crate::wire::icmp::{self, EchoRequest, NeighbourSolicitation};
use crate::wire::unreachable::{self, Undeliverable};

/// What an ICMP answer is to. Each kind has a limit of its own.
const ECHO: usize = 0;
const UNREACHABLE: usize = 1;

pub(super) fn arp<P: Port>(
    core: &mut Core,
    port: &mut P,
    mut frame: P::Frame,
    mac: [u8; 6],
    request: &ArpRequest,
) {
    if !owned(core, IpAddr::V4(Ipv4Addr::from(request.target))) {
        return drop(core, port, frame, DropReason::ArpOther);
    }
    if core.shared.core.no_arp {
        return drop(core, port, frame, DropReason::NoArp);
    }
    let len = arp::reply(port.bytes_mut(&mut frame), request.link_len, mac);
    finish(core, port, frame, len, |core| &core.counters.arp_replies);
}

pub(super) fn neighbour<P: Port>(
    core: &mut Core,
    port: &mut P,
    mut frame: P::Frame,
    mac: [u8; 6],
    request: &NeighbourSolicitation,
) {
    if !owned(core, IpAddr::V6(Ipv6Addr::from(request.target))) {
        return drop(core, port, frame, DropReason::IcmpOther);
    }
    if core.shared.core.no_arp {
        return drop(core, port, frame, DropReason::NoArp);
    }
    let len = icmp::advertise(port.bytes_mut(&mut frame), request, mac);
    finish(core, port, frame, len, |core| &core.counters.neighbour_adverts);
}

pub(super) fn echo<P: Port>(core: &mut Core, port: &mut P, mut frame: P::Frame, request: &EchoRequest) {
    if !owned(core, request.local) {
        return drop(core, port, frame, DropReason::IcmpOther);
    }
    if !core.icmp_limit.take(ECHO, request.remote, core.tcp.now) {
        return drop(core, port, frame, DropReason::IcmpLimited);
    }
    let len = icmp::echo_reply(port.bytes_mut(&mut frame), request);
    finish(core, port, frame, len, |core| &core.counters.echo_replies);
}

/// ICMP port or protocol unreachable.
pub(super) fn refuse<P: Port>(core: &mut Core, port: &mut P, mut frame: P::Frame, packet: &Undeliverable) {
    if !owned(core, packet.local) {
        return drop(core, port, frame, DropReason::NotForUs);
    }
    if !core.icmp_limit.take(UNREACHABLE, packet.remote, core.tcp.now) {
        return drop(core, port, frame, DropReason::IcmpLimited);
    }
    let len = unreachable::refuse(port.bytes_mut(&mut frame), packet);
    finish(core, port, frame, len, |core| &core.counters.icmp_unreachables_sent);
}

fn owned(core: &Core, address: IpAddr) -> bool {
    core.rules.owns_address(address)
        || core.shared.sources.iter().any(|owned| owned.prefix.contains(&address))
}

fn drop<P: Port>(core: &Core, port: &mut P, frame: P::Frame, reason: DropReason) {
    core.counters.dropped(reason);
    port.release(frame);
}

fn finish<P: Port>(
    core: &Core,
    port: &mut P,
    frame: P::Frame,
    len: Option<usize>,
    counter: fn(&Core) -> &Counter,
) {
    match len {
        Some(len) => {
            counter(core).bump();
            core.counters.frames_out.bump();
            port.transmit(frame, len);
        }
        None => drop(core, port, frame, DropReason::FrameTruncated),
    }
}
