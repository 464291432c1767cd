use super::*;
use crate::wire::ethernet::IPV4;

const OURS: Mac = [2, 0, 0, 0, 0, 1];
const LINK_LEN: u8 = 14;

/// The link header of a frame from neighbour number `from`.
fn frame(from: u32) -> [u8; 14] {
    let [a, b, c, d] = from.to_be_bytes();
    let mut bytes = [0; 14];
    bytes.copy_from_slice(LinkHeader::untagged(OURS, [2, 9, a, b, c, d], IPV4).as_bytes());
    bytes
}

fn leads_to(hops: &Hops, number: u16, of: u32, from: u32) -> bool {
    hops.at(number, of).is_some_and(|hop| hop.link.leads_back(&frame(from), LINK_LEN))
}

fn hops(connections: usize) -> Hops {
    let mut hops = Hops::new();
    hops.reserve(connections);
    hops
}

#[test]
fn connections_of_one_neighbour_share_an_entry() {
    let mut hops = hops(0);
    let first = hops.enter(&frame(1), LINK_LEN, 0);
    let other = hops.enter(&frame(2), LINK_LEN, 0);
    let third = hops.enter(&frame(1), LINK_LEN, 0);
    assert_eq!((first, hops.users()), (third, 3));
    assert_ne!(first, other);
    assert_ne!(hops.enter(&frame(1), LINK_LEN, 1), first, "behind another port");
    for number in [first, other, third] {
        hops.leave(number);
    }
    assert_eq!(hops.users(), 1);
}

/// Invented neighbours for as long as they like: an entry is free again with its last connection, and
/// none that has one is touched.
#[test]
fn a_full_table_forgets_what_no_connection_uses() {
    let mut hops = hops(0);
    let kept = hops.enter(&frame(1), LINK_LEN, 0);
    for from in 2..10 * SHARED as u32 {
        let number = hops.enter(&frame(from), LINK_LEN, 0);
        assert!(leads_to(&hops, number, 0, from), "neighbour {from}");
        hops.leave(number);
    }
    assert!(leads_to(&hops, kept, 0, 1));
    assert_eq!((hops.users(), hops.enter(&frame(1), LINK_LEN, 0)), (1, kept));
}

/// More neighbours than entries: the others keep their own, and every way leads where it should.
#[test]
fn a_connection_without_an_entry_keeps_its_own_header() {
    let count = 2 * SHARED as u32;
    let mut hops = hops(count as usize);
    let numbers: Vec<u16> = (0..count)
        .map(|of| match hops.enter(&frame(of), LINK_LEN, 3) {
            number if Hops::needs_line(number) => hops.keep(&frame(of), LINK_LEN, 3, of),
            number => number,
        })
        .collect();
    assert_eq!(numbers.iter().filter(|number| Hops::needs_line(**number)).count(), SHARED);
    for (number, of) in numbers.iter().zip(0..) {
        assert!(leads_to(&hops, *number, of, of) && hops.at(*number, of).is_some_and(|hop| hop.port == 3));
        assert_eq!(hops.follow(&frame(of), LINK_LEN, 3, *number, of), *number, "nothing has changed");
    }
    // It moves, and then entries become free.
    let last = count - 1;
    let moved = hops.follow(&frame(count), LINK_LEN, 3, numbers[last as usize], last);
    assert!(Hops::needs_line(moved) && leads_to(&hops, moved, last, count));
    numbers.iter().for_each(|number| hops.leave(*number));
    let again = hops.follow(&frame(count + 1), LINK_LEN, 3, moved, last);
    assert!(!Hops::needs_line(again) && leads_to(&hops, again, last, count + 1));
    assert_eq!(hops.users(), 1);
}

#[test]
fn without_memory_for_lines_there_is_no_way() {
    let mut hops = hops(0);
    let numbers: Vec<u16> = (0..=SHARED as u32).map(|of| hops.enter(&frame(of), LINK_LEN, 0)).collect();
    let last = SHARED as u32;
    assert!(Hops::needs_line(numbers[SHARED]));
    assert_eq!(hops.keep(&frame(last), LINK_LEN, 0, last), NO_HOP);
    assert!(hops.at(NO_HOP, last).is_none());
}

#[test]
fn frames_leave_with_the_address_that_the_port_has_now() {
    let mut hops = hops(1);
    let number = hops.enter(&frame(1), LINK_LEN, 1);
    let source = |hops: &Hops| hops.at(number, 0).unwrap().link.as_bytes()[6..12].to_vec();
    assert_eq!(source(&hops), OURS);
    let mac = [2, 0, 0, 0, 0, 0x99];
    hops.set_mac(1, Some(mac));
    assert_eq!(source(&hops), mac);
    assert_eq!(hops.follow(&frame(1), LINK_LEN, 1, number, 0), number);
}
