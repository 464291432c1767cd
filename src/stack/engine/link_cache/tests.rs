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

fn leads_to(cache: &LinkCache, number: u16, of: u32, from: u32) -> bool {
    cache.get(number, of).is_some_and(|entry| entry.link.is_reply_to(&frame(from), LINK_LEN))
}

fn cache(connections: usize) -> LinkCache {
    let mut cache = LinkCache::new();
    cache.reserve(connections);
    cache
}

#[test]
fn connections_of_one_neighbour_share_an_entry() {
    let mut cache = cache(0);
    let first = cache.intern(&frame(1), LINK_LEN, 0);
    let other = cache.intern(&frame(2), LINK_LEN, 0);
    let third = cache.intern(&frame(1), LINK_LEN, 0);
    assert_eq!((first, cache.connections()), (third, 3));
    assert_ne!(first, other);
    assert_ne!(cache.intern(&frame(1), LINK_LEN, 1), first, "behind another port");
    for number in [first, other, third] {
        cache.release(number);
    }
    assert_eq!(cache.connections(), 1);
}

/// Invented neighbours for as long as they like: an entry is free again with its last connection, and
/// none that has one is touched.
#[test]
fn a_full_table_forgets_what_no_connection_uses() {
    let mut cache = cache(0);
    let kept = cache.intern(&frame(1), LINK_LEN, 0);
    for from in 2..10 * ENTRIES as u32 {
        let number = cache.intern(&frame(from), LINK_LEN, 0);
        assert!(leads_to(&cache, number, 0, from), "neighbour {from}");
        cache.release(number);
    }
    assert!(leads_to(&cache, kept, 0, 1));
    assert_eq!((cache.connections(), cache.intern(&frame(1), LINK_LEN, 0)), (1, kept));
}

/// More neighbours than entries: the others keep their own, and every way leads where it should.
#[test]
fn a_connection_without_an_entry_keeps_its_own_header() {
    let count = 2 * ENTRIES as u32;
    let mut cache = cache(count as usize);
    let numbers: Vec<u16> = (0..count)
        .map(|of| match cache.intern(&frame(of), LINK_LEN, 3) {
            number if LinkCache::is_own_line(number) => cache.store_own(&frame(of), LINK_LEN, 3, of),
            number => number,
        })
        .collect();
    assert_eq!(numbers.iter().filter(|number| LinkCache::is_own_line(**number)).count(), ENTRIES);
    for (number, of) in numbers.iter().zip(0..) {
        assert!(
            leads_to(&cache, *number, of, of) && cache.get(*number, of).is_some_and(|entry| entry.port == 3)
        );
        assert_eq!(cache.update(&frame(of), LINK_LEN, 3, *number, of), *number, "nothing has changed");
    }
    // It moves, and then entries become free.
    let last = count - 1;
    let moved = cache.update(&frame(count), LINK_LEN, 3, numbers[last as usize], last);
    assert!(LinkCache::is_own_line(moved) && leads_to(&cache, moved, last, count));
    numbers.iter().for_each(|number| cache.release(*number));
    let again = cache.update(&frame(count + 1), LINK_LEN, 3, moved, last);
    assert!(!LinkCache::is_own_line(again) && leads_to(&cache, again, last, count + 1));
    assert_eq!(cache.connections(), 1);
}

#[test]
fn without_memory_for_lines_there_is_no_way() {
    let mut cache = cache(0);
    let numbers: Vec<u16> = (0..=ENTRIES as u32).map(|of| cache.intern(&frame(of), LINK_LEN, 0)).collect();
    let last = ENTRIES as u32;
    assert!(LinkCache::is_own_line(numbers[ENTRIES]));
    assert_eq!(cache.store_own(&frame(last), LINK_LEN, 0, last), NO_NEXT_HOP);
    assert!(cache.get(NO_NEXT_HOP, last).is_none());
}

#[test]
fn frames_leave_with_the_address_that_the_port_has_now() {
    let mut cache = cache(1);
    let number = cache.intern(&frame(1), LINK_LEN, 1);
    let source = |cache: &LinkCache| cache.get(number, 0).unwrap().link.as_bytes()[6..12].to_vec();
    assert_eq!(source(&cache), OURS);
    let mac = [2, 0, 0, 0, 0, 0x99];
    cache.set_mac(1, Some(mac));
    assert_eq!(source(&cache), mac);
    assert_eq!(cache.update(&frame(1), LINK_LEN, 1, number, 0), number);
}
