//! Who a core is on its link: other MACs while it runs, announcements, and silence.

use std::net::{IpAddr, Ipv6Addr};

use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;
use handfast_stack::wire::ethernet::{ARP, IPV6};
use handfast_stack::wire::{LinkHeader, Mac, ParseConfig};

use crate::client::{CLIENT_MAC, Client, FAMILIES, Lab, SERVER_MAC, SERVER4, SERVER6};

const OTHER_MAC: Mac = [2, 0, 0, 0, 0, 0x99];
const ALL_NODES: Mac = [0x33, 0x33, 0, 0, 0, 1];

fn with_mac(mac: Mac) -> ParseConfig {
    ParseConfig { mac: Some(mac), ..ParseConfig::default() }
}

/// Destination and source of each frame that was sent.
fn ends(lab: &mut Lab) -> Vec<(Mac, Mac)> {
    let mac = |frame: &[u8], at: usize| frame[at..at + 6].try_into().unwrap();
    std::iter::from_fn(|| lab.sim.collect()).map(|frame| (mac(&frame, 0), mac(&frame, 6))).collect()
}

#[test]
fn a_connection_goes_on_from_another_mac() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Close);
        let client = Client::open(family, 4000, &mut lab);
        assert_eq!(lab.all().len(), 1, "its FIN");
        lab.sim.worker_mut(0).set_policy(0, &with_mac(OTHER_MAC));
        // The FIN again, with no frame to answer in.
        lab.sim.advance_ms(3000);
        let sent = ends(&mut lab);
        assert!(!sent.is_empty() && sent.iter().all(|ends| *ends == (CLIENT_MAC, OTHER_MAC)), "{sent:x?}");
        // What still goes to the old MAC is not for us, what goes to the new one is answered from it.
        let mut segment = client.segment("S", &[]);
        assert_eq!(segment[..6], SERVER_MAC);
        lab.sim.inject(&segment);
        lab.sim.run();
        assert_eq!((ends(&mut lab), lab.dropped(DropReason::NotForUs)), (vec![], 1));
        segment[..6].copy_from_slice(&OTHER_MAC);
        lab.sim.inject(&segment);
        lab.sim.run();
        assert_eq!(ends(&mut lab), [(CLIENT_MAC, OTHER_MAC)]);
    }
}

/// A SYN from an address that is a broadcast address only if its /30 is on the link.
fn syn_from_the_end_of_a_subnet() -> Vec<u8> {
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2(CLIENT_MAC, SERVER_MAC)
        .ipv4([192, 0, 2, 11], SERVER4, 64)
        .tcp(4000, 80, 7, 1024)
        .syn()
        .write(&mut frame, &[])
        .expect("writing to a vector");
    frame
}

#[test]
fn subnets_are_others_from_then_on() {
    let mut lab = Lab::new(Service::Discard);
    let subnets = vec!["192.0.2.8/30".parse().unwrap()];
    lab.sim.worker_mut(0).set_policy(0, &ParseConfig { subnets, ..with_mac(SERVER_MAC) });
    lab.sim.inject(&syn_from_the_end_of_a_subnet());
    lab.sim.run();
    assert_eq!((ends(&mut lab).len(), lab.dropped(DropReason::SourceAddress)), (0, 1));
    lab.sim.worker_mut(0).set_policy(0, &with_mac(SERVER_MAC));
    lab.sim.inject(&syn_from_the_end_of_a_subnet());
    lab.sim.run();
    assert_eq!(ends(&mut lab), [(CLIENT_MAC, SERVER_MAC)]);
}

#[test]
fn announcements_say_to_the_whole_link_who_has_the_address() {
    let mut lab = Lab::new(Service::Discard);
    let v6: Ipv6Addr = SERVER6;
    lab.sim.worker_mut(0).announce(0, &[IpAddr::from(SERVER4), IpAddr::from(v6)]);
    lab.sim.worker_mut(0).announce(1, &[IpAddr::from(SERVER4)]);
    let frames: Vec<Vec<u8>> = std::iter::from_fn(|| lab.sim.collect()).collect();
    let [arp, neighbour] = frames.as_slice() else { panic!("one frame for each on its device: {frames:x?}") };
    let link = |to: Mac, kind| LinkHeader::untagged(to, SERVER_MAC, kind);
    // A request (RFC 5227 3), for the sender's own address.
    let message = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &SERVER_MAC, &SERVER4, &[0; 6], &SERVER4].concat();
    assert_eq!(*arp, [link([0xff; 6], ARP).as_bytes(), &message].concat());
    assert_eq!(neighbour[..14], *link(ALL_NODES, IPV6).as_bytes());
    assert_eq!((neighbour[20], neighbour[21]), (58, 255), "ICMPv6, of this link");
    assert_eq!(neighbour[22..38], v6.octets());
    assert_eq!(neighbour[38..54], "ff02::1".parse::<Ipv6Addr>().unwrap().octets());
    // An advertisement with the override flag alone, the target, and its MAC.
    assert_eq!((neighbour[54], neighbour[58]), (136, 0x20));
    assert_eq!(neighbour[62..78], v6.octets());
    assert_eq!(neighbour[78..], [&[2, 1][..], &SERVER_MAC].concat());
    assert_eq!(lab.sim.counters(0).announcements.value(), 2);
    assert_eq!(lab.sim.lost_frames(), 0);
}

#[test]
fn no_arp_is_silence_to_all_but_connections() {
    for no_arp in [false, true] {
        let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.no_arp = no_arp);
        let request =
            [&[0, 1, 8, 0, 6, 4, 0, 1][..], &CLIENT_MAC, &[192, 0, 2, 9], &[0; 6], &SERVER4].concat();
        let request = [LinkHeader::untagged([0xff; 6], CLIENT_MAC, ARP).as_bytes(), &request].concat();
        lab.sim.inject(&request);
        lab.sim.run();
        assert_eq!(ends(&mut lab).len(), usize::from(!no_arp));
        assert_eq!(lab.dropped(DropReason::NoArp), u64::from(no_arp));
        for family in FAMILIES {
            lab.send(&Client::new(family, 4000).segment("S", &[]));
            lab.expect("S.");
        }
    }
}
