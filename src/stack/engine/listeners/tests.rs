use proptest::prelude::*;

use super::*;

fn listeners(rules: &[(&str, RangeInclusive<u16>)]) -> Result<Listeners<usize>, ListenerError> {
    let rules = rules.iter().enumerate();
    Listeners::new(rules.map(|(i, (net, ports))| (net.parse().unwrap(), ports.clone(), i * 10)))
}

#[test]
fn the_longest_prefix_then_the_fewest_ports_answer() {
    let rules = [
        ("0.0.0.0/0", 0..=65535),
        ("10.0.0.0/24", 80..=80),
        ("10.0.0.1/32", 443..=443),
        ("10.0.0.0/24", 1..=1023),
        ("10.0.0.0/24", 8000..=8010),
        ("2001:db8::/64", 80..=90),
        ("2001:db8::1/128", 80..=80),
        ("10.0.0.0/24", 8005..=8020),
    ];
    let listeners = listeners(&rules).unwrap();
    for (addr, port, wanted) in [
        ("10.0.0.1", 443, Some(2)),
        ("10.0.0.1", 80, Some(1)), // the /32 does not claim port 80
        ("10.0.0.2", 443, Some(3)),
        ("10.0.0.2", 80, Some(1)),
        ("10.0.0.2", 79, Some(3)),
        ("10.0.0.2", 81, Some(3)),
        ("10.0.0.2", 1, Some(3)),
        ("10.0.0.2", 0, Some(0)),
        ("10.0.0.2", 8004, Some(4)),
        ("10.0.0.2", 8010, Some(4)), // 11 ports, the other has 16
        ("10.0.0.2", 8011, Some(7)),
        ("10.0.0.2", 8021, Some(0)),
        ("10.0.1.2", 80, Some(0)),
        ("10.0.1.2", 65535, Some(0)),
        ("2001:db8::1", 80, Some(6)),
        ("2001:db8::1", 81, Some(5)),
        ("2001:db8::2", 80, Some(5)),
        ("2001:db8::2", 91, None),
        ("2001:db8:0:1::", 80, None),
        ("::ffff:10.0.0.1", 443, None),
    ] {
        let found = listeners.lookup(addr.parse().unwrap(), port);
        assert_eq!(found, wanted.map(ListenerId), "{addr} port {port}");
    }
    assert_eq!(listeners.rules()[6].service, 60);
}

#[test]
fn numbers_take_the_place_of_places() {
    let rule = |net: &str, ports, number| (net.parse().unwrap(), ports, number);
    let rules = [rule("10.0.0.0/24", 1..=9, 700), rule("10.0.0.0/24", 3..=4, 5), rule("::/0", 1..=9, 0)];
    let listeners = Listeners::new(rules).unwrap().with_ids();
    for (addr, port, number) in
        [("10.0.0.1", 1, 700), ("10.0.0.1", 4, 5), ("10.0.0.1", 5, 700), ("::1", 9, 0)]
    {
        assert_eq!(listeners.lookup(addr.parse().unwrap(), port), Some(ListenerId(number)), "{addr} {port}");
    }
}

#[test]
fn host_bits_do_not_narrow_a_prefix() {
    let listeners = listeners(&[("10.0.0.1/24", 80..=80)]).unwrap();
    assert_eq!(listeners.lookup4([10, 0, 0, 200], 80), Some(ListenerId(0)));
    assert_eq!(listeners.rules()[0].net.to_string(), "10.0.0.0/24");
}

#[test]
fn an_address_is_owned_when_any_of_its_ports_is_claimed() {
    let listeners = listeners(&[("10.0.0.0/31", 80..=80), ("2001:db8::1/128", 1..=9)]).unwrap();
    for (addr, owned) in [
        ("10.0.0.0", true),
        ("10.0.0.1", true),
        ("10.0.0.2", false),
        ("2001:db8::1", true),
        ("2001:db8::2", false),
    ] {
        assert_eq!(listeners.owns_address(addr.parse().unwrap()), owned, "{addr}");
    }
}

#[test]
fn rules_that_nothing_decides_between_are_named() {
    let error = listeners(&[("10.0.0.0/24", 1..=9), ("10.0.0.0/8", 80..=80), ("10.0.0.7/24", 5..=13)]);
    let message = error.err().unwrap().to_string();
    assert!(message.contains("1 (10.0.0.0/24 ports 1-9) and 3 (10.0.0.0/24 ports 5-13)"), "{message}");
    assert!(message.contains("port 5 of 10.0.0.0/24"), "{message}");
    assert!(listeners(&[("::/0", 1..=9), ("::/0", 1..=9)]).is_err());
}

#[test]
fn equals_may_overlap_where_a_narrower_rule_answers() {
    let rules = [("10.0.0.0/24", 1..=9), ("10.0.0.0/24", 5..=13), ("10.0.0.0/24", 5..=9)];
    let listeners = listeners(&rules).unwrap();
    let answers: Vec<_> = (1..=13).map(|port| listeners.lookup4([10, 0, 0, 1], port).unwrap().0).collect();
    assert_eq!(answers, [0, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn a_rule_without_ports_is_refused() {
    let error = listeners(&[("10.0.0.0/24", 9..=1)]).err().unwrap();
    assert!(error.to_string().starts_with("listener 1 (10.0.0.0/24 ports 9-1) has no port"), "{error}");
}

#[test]
fn there_are_65536_ids() {
    let rule = |i: u32| (IpNet::new(IpAddr::from(Ipv4Addr::from_bits(i)), 32).unwrap(), 80..=80, ());
    let listeners = Listeners::new((0..0xffff).map(rule)).unwrap();
    assert_eq!(listeners.lookup4([0, 0, 255, 254], 80), Some(ListenerId(65534)));
    assert_eq!(Listeners::new((0..=0xffff).map(rule)).err(), Some(ListenerError::TooMany(65536)));
}

proptest! {
    /// Against the definition: all rules that contain the address and port, the best first.
    #[test]
    fn the_lookup_is_the_definition(
        rules in prop::collection::vec((0..16u32, 28..=32u8, 0..30u16, 0..12u16), 0..40),
        at in prop::collection::vec((0..16u32, 0..45u16), 50),
    ) {
        let net = |bits, len| IpNet::new(IpAddr::from(Ipv4Addr::from_bits(bits)), len).unwrap();
        let rules: Vec<_> =
            rules.into_iter().map(|(bits, len, from, width)| (net(bits, len), from..=from + width, ())).collect();
        match Listeners::new(rules.clone()) {
            Ok(listeners) => for (bits, port) in at {
                let addr = IpAddr::from(Ipv4Addr::from_bits(bits));
                let best = best(&rules, addr, port);
                prop_assert!(best.len() <= 1);
                prop_assert_eq!(listeners.lookup(addr, port), best.first().copied());
                prop_assert_eq!(listeners.owns_address(addr), rules.iter().any(|rule| rule.0.contains(&addr)));
            },
            Err(ListenerError::Ambiguous { first, second, port }) => {
                let ties: Vec<_> = rules.iter().enumerate()
                    .filter(|(_, rule)| rule.0.trunc() == first.net && rule.1.contains(&port))
                    .map(|(place, rule)| (rule.1.len(), place + 1)).collect();
                let narrowest = ties.iter().map(|(width, _)| *width).min();
                for rule in [first, second] {
                    prop_assert!(ties.contains(&(narrowest.unwrap(), rule.place)));
                }
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

fn best(rules: &[(IpNet, RangeInclusive<u16>, ())], addr: IpAddr, port: u16) -> Vec<ListenerId> {
    let rank = |rule: &(IpNet, RangeInclusive<u16>, ())| (32 - rule.0.prefix_len(), rule.1.len());
    let all = rules.iter().enumerate();
    let all: Vec<_> = all.filter(|(_, rule)| rule.0.contains(&addr) && rule.1.contains(&port)).collect();
    let best = all.iter().map(|(_, rule)| rank(rule)).min();
    let best = all.iter().filter(|(_, rule)| Some(rank(rule)) == best);
    best.map(|(place, _)| ListenerId(*place as u16)).collect()
}
