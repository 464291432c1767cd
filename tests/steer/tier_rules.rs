//! Which listener a port has, and what else a tier leaves as it was.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use caps::CapSet;
use handfast_stack::engine::listeners::Listeners;
use handfast_stack::xdp::Verdict::{self, *};
use handfast_stack::xdp::{Program, SteeringRule, Tier, TierDevice, Transmit};

use crate::frames::{LOCAL, RULES};
use crate::kernel::{XDP_REDIRECT, XDP_TX, addresses, privileged, run, run_with_output, xdp_socket};
use crate::tier::{LISTENER, PERIOD, Random, TierBench, WINDOW, config, period_key, rule};
use crate::tier_frames::{ACK, OUR_MAC, Tcp, extension};
use crate::verdicts::table;

const PORTS: [u16; 12] = [1, 2, 79, 80, 81, 443, 444, 1023, 1024, 8080, 65534, 65535];

/// Some rules with listeners and some without; their ids are not in order.
fn any_rules(random: &mut Random) -> Vec<SteeringRule> {
    let rule = |(place, random): (u64, &mut Random)| {
        let prefix = match random.below(7) {
            0 => "0.0.0.0/0",
            1 => "10.0.0.0/8",
            2 => "10.1.0.0/16",
            3 => "10.1.2.0/24",
            4 => "10.1.2.3/32",
            5 => "10.1.2.128/25",
            _ => "10.2.0.0/16",
        };
        let [a, b] = [*random.pick(&PORTS), *random.pick(&PORTS)];
        let (first, last) = (a.min(b), a.max(b));
        let listener = (!random.one_in(4)).then_some((97 * place % 200) as u16);
        crate::tier::rule(&format!("{prefix}:{first}-{last}"), listener)
    };
    (0..1 + random.below(16)).map(|place| rule((place, &mut *random))).collect()
}

/// The truth; `None`: two rules contradict each other.
fn listeners(rules: &[SteeringRule]) -> Option<Listeners<u16>> {
    let with_listener = rules.iter().filter_map(|rule| Some((&rule.owned, rule.listener?)));
    Listeners::new(with_listener.map(|(owned, listener)| (owned.prefix, owned.ports.clone(), listener))).ok()
}

fn lookup(listeners: &Listeners<u16>, address: IpAddr, port: u16) -> Option<u16> {
    listeners.lookup(address, port).map(|id| listeners.rules()[usize::from(id.0)].service)
}

/// The listener by the window of the SYN-ACK, which is its number; or what else becomes of a SYN.
fn asked(bench: &mut TierBench, address: Ipv4Addr, port: u16) -> Result<u16, Verdict> {
    let syn = Tcp::ipv4().with(|syn| {
        (syn.destination, syn.ports.1, syn.options) = (address.octets().to_vec(), port, Vec::new());
    });
    let outcome = bench.run(&syn.frame());
    match outcome.verdict {
        TxSynAck => Ok(u16::from_be_bytes([outcome.frame[48], outcome.frame[49]])),
        other => Err(other),
    }
}

fn any_port(random: &mut Random) -> u16 {
    match random.below(3) {
        0 => random.next() as u16,
        _ => random.pick(&PORTS).wrapping_add(random.below(3) as u16).wrapping_sub(1),
    }
}

fn bench_of_windows() -> TierBench {
    let bench = TierBench::new(&config(), &[], &[]);
    (0..200).for_each(|listener| assert!(bench.tier.set_listener(listener, true, listener)));
    bench
}

#[test]
fn the_listener_of_a_port_is_that_of_the_stack() {
    if !privileged() {
        return;
    }
    let (mut random, mut bench) = (Random(8), bench_of_windows());
    let mut sets = 0;
    while sets < 400 {
        let rules = any_rules(&mut random);
        let Some(listeners) = listeners(&rules) else { continue };
        sets += 1;
        bench
            .program
            .replace_rules(&rules, &[IpAddr::from([10, 1, 2, 3]), IpAddr::from([10, 2, 0, 9])])
            .unwrap();
        for _ in 0..50 {
            let last = *random.pick(&[0, 1, 3, 130, 254]);
            let address =
                *random.pick(&[[10, 1, 2, last], [10, 1, 9, last], [10, 9, 9, last], [10, 2, 0, 9]]);
            let (address, port) = (Ipv4Addr::from(address), any_port(&mut random));
            let owned = rules.iter().any(|rule| rule.owned.covers(address.into(), port));
            let expected = lookup(&listeners, address.into(), port);
            match asked(&mut bench, address, port) {
                Ok(listener) => assert_eq!(Some(listener), expected, "{address} {port}: {rules:?}"),
                Err(verdict) => {
                    assert_eq!(
                        (expected, verdict == SocketTcp),
                        (None, owned),
                        "{address} {port}: {rules:?}"
                    );
                }
            }
        }
    }
}

/// The first 64 ranges have their listeners; at the others the stack answers.
#[test]
fn ranges_that_do_not_fit_are_the_stacks() {
    if !privileged() {
        return;
    }
    let mut bench = bench_of_windows();
    for count in [1, 2, 63, 64, 65, 100] {
        let rules: Vec<SteeringRule> =
            (0..count).map(|n| rule(&format!("10.0.0.0/24:{}-{}", 100 + 10 * n, 104 + 10 * n), n)).collect();
        bench.program.replace_rules(&rules, &[]).unwrap();
        for n in 0..count {
            let expected = if n < 64 { Ok(n) } else { Err(SocketTcp) };
            for (port, expected) in [
                (100 + 10 * n, expected),
                (104 + 10 * n, expected),
                (105 + 10 * n, Err(SocketPort)),
                (99 + 10 * n, Err(SocketPort)),
            ] {
                assert_eq!(asked(&mut bench, [10, 0, 0, 7].into(), port), expected, "{count} ranges, {port}");
            }
        }
    }
}

#[test]
fn a_listener_beyond_the_maximum_is_the_stacks_and_hides_others() {
    if !privileged() {
        return;
    }
    let mut bench = bench_of_windows();
    assert!(bench.tier.set_listener(1023, true, 1023));
    assert!(!bench.tier.set_listener(1024, true, 1) && !bench.tier.set_listener(u16::MAX, true, 1));
    let rules = [rule("10.0.0.0/24:80-82", 7), rule("10.0.0.7:81", 1024), rule("10.0.0.7:82", 1023)];
    bench.program.replace_rules(&rules, &[]).unwrap();
    let at = |bench: &mut TierBench, port| asked(bench, [10, 0, 0, 7].into(), port);
    assert_eq!([80, 81, 82].map(|port| at(&mut bench, port)), [Ok(7), Err(SocketTcp), Ok(1023)]);
    assert_eq!(bench.tier.counts(1024).unwrap(), Default::default());
}

/// Each verdict of the tier, on segments to a listener in cookie mode.
#[test]
fn every_verdict_of_the_tier() {
    if !privileged() {
        return;
    }
    let mut config = config();
    config.unproven_per_second = 1_000_000;
    let broadcast = "10.0.0.0/24".parse().unwrap();
    let parse = handfast_stack::wire::ParseConfig {
        mac: Some(OUR_MAC),
        subnets: vec![broadcast],
        accept_partial_checksum: false,
    };
    let rules = [rule("10.0.0.0/8:80", LISTENER), rule("[2001:db8::]/64:80", LISTENER)];
    let mut bench = TierBench::new(&config, &rules, &[]).with_parse(parse);
    for ipv6 in [false, true] {
        let syn = || Tcp::of(ipv6);
        let extended = |kind, bytes: Vec<u8>| Tcp::ipv6().with(|tcp| tcp.extensions = vec![(kind, bytes)]);
        let mut rows = vec![
            ("Linux", syn(), TxSynAck),
            ("no options", syn().with(|tcp| tcp.options.clear()), TxSynAck),
            ("padded", syn().with(|tcp| tcp.padding = vec![0; 6]), TxSynAck),
            ("data", syn().with(|tcp| tcp.data = vec![1; 10]), SocketSyn),
            ("another MAC", syn().with(|tcp| tcp.destination_mac[5] = 9), SocketSyn),
            ("from a group", syn().with(|tcp| tcp.source_mac[0] |= 1), SocketSyn),
            ("broadcast", syn().with(|tcp| tcp.destination_mac = [0xff; 6]), SocketTcp),
            ("longer than the frame", syn().with(|tcp| tcp.longer = 1), SocketSyn),
            ("no room for a header", syn().with(|tcp| tcp.longer = -21), SocketSyn),
            ("partial checksum", syn().with(|tcp| tcp.partial = true), SocketSyn),
            ("TCP checksum", syn().with(|tcp| tcp.tcp_checksum = 1), DropSynChecksum),
            (
                "neither checksum",
                syn().with(|tcp| (tcp.partial, tcp.tcp_checksum) = (true, 1)),
                DropSynChecksum,
            ),
            ("offset 4", syn().with(|tcp| tcp.offset = Some(4)), DropSynHeader),
            ("offset past the end", syn().with(|tcp| tcp.offset = Some(11)), DropSynHeader),
            ("option of no length", syn().with(|tcp| tcp.options = vec![3, 0, 0, 0]), DropSynHeader),
            ("option past the end", syn().with(|tcp| tcp.options = vec![1, 1, 8, 10]), DropSynHeader),
            ("from itself", syn().with(|tcp| tcp.source = tcp.destination.clone()), DropSynSource),
            ("without flags", syn().with(|tcp| tcp.flags = 0), DropFlags),
            ("SYN and FIN", syn().with(|tcp| tcp.flags = 3), DropFlags),
            ("RST", syn().with(|tcp| tcp.flags = 4), DropRst),
            ("ACK", syn().with(|tcp| tcp.flags = ACK), SocketUnproven),
        ];
        if ipv6 {
            let many = extension(3, &[]);
            rows.extend([
                ("loopback", syn().with(|tcp| tcp.source = [vec![0; 15], vec![1]].concat()), DropSynSource),
                ("group", syn().with(|tcp| tcp.source[0] = 0xff), DropSynSource),
                ("padding", extended(60, extension(1, &[1, 4])), TxSynAck),
                ("hop-by-hop", extended(0, extension(2, &[5, 2, 0, 0])), TxSynAck),
                ("routing, none left", extended(43, extension(3, &[0, 0])), TxSynAck),
                ("routing, one left", extended(43, extension(3, &[0, 1])), SocketSyn),
                ("an option to be refused", extended(60, extension(1, &[0xc9, 4])), SocketSyn),
                ("an option past the end", extended(60, extension(1, &[1, 5])), SocketSyn),
                ("an option without length", extended(60, extension(1, &[0, 0, 0, 0, 0, 1])), SocketSyn),
                ("too many options to read", extended(60, many), SocketSyn),
            ]);
        } else {
            rows.extend([
                ("IP checksum", syn().with(|tcp| tcp.ip_checksum = 1), DropSynChecksum),
                ("IP options", syn().with(|tcp| tcp.ip_options = vec![1; 4]), SocketSyn),
                (
                    "from a broadcast address",
                    syn().with(|tcp| tcp.source = vec![10, 0, 0, 255]),
                    DropSynSource,
                ),
                ("from no broadcast address", syn().with(|tcp| tcp.source = vec![10, 0, 1, 255]), TxSynAck),
                ("to a broadcast address", syn().with(|tcp| tcp.destination[3] = 255), SocketSyn),
            ]);
        }
        for (what, tcp, expected) in rows {
            for tags in [vec![], vec![(0x8100, 5)], vec![(0x88a8, 0xe007), (0x8100, 5)]] {
                let frame = tcp.clone().with(|tcp| tcp.tags = tags).frame();
                assert_eq!(bench.verdict(&frame), expected, "{what}, IPv6: {ipv6}");
            }
        }
    }
}

/// A frame that ends before the TCP header does.
#[test]
fn a_short_frame_is_the_stacks() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::usual();
    for ipv6 in [false, true] {
        let tcp = Tcp::of(ipv6);
        let (frame, tcp_at) = (tcp.frame(), if ipv6 { 54 } else { 34 });
        for len in tcp_at + 4..frame.len() {
            let expected = if len < tcp_at + 20 { SocketTcp } else { SocketSyn };
            assert_eq!(bench.verdict(&frame[..len]), expected, "{len} bytes");
        }
    }
}

#[test]
fn the_interface_decides_about_answers() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::usual();
    let frame = Tcp::ipv4().frame();
    let set = |bench: &TierBench, transmit, broadcasts: u8| {
        let broadcasts = (0..broadcasts).map(|n| Ipv4Addr::new(172, 16, n, 255)).collect();
        bench.program.set_tier_device(&TierDevice { transmit, broadcasts, ..TierDevice::default() });
    };
    for (transmit, broadcasts, expected) in [
        (Transmit::Nothing, 0, SocketSyn),
        (Transmit::Tx, 16, TxSynAck),
        (Transmit::Tx, 17, SocketSyn),
        (Transmit::Tx, 0, TxSynAck),
    ] {
        set(&bench, transmit, broadcasts);
        assert_eq!(bench.verdict(&frame), expected, "{transmit:?}, {broadcasts}");
        // The cookies of other interfaces may arrive here.
        let ack = Tcp::ipv4().with(|tcp| tcp.flags = ACK).frame();
        assert_eq!(bench.verdict(&ack), DropUnproven);
    }
    set(&bench, Transmit::Tx, 16);
    for net in 0..17 {
        let syn = Tcp::ipv4().with(|tcp| tcp.source = vec![172, 16, net, 255]);
        let expected = if net < 16 { DropSynSource } else { TxSynAck };
        assert_eq!(bench.verdict(&syn.frame()), expected);
    }
}

/// The same frame leaves in another way.
#[test]
fn an_answer_is_redirected_where_that_is_asked_for() {
    if !privileged() {
        return;
    }
    let bench = TierBench::usual();
    bench.program.set_tier_device(&TierDevice { transmit: Transmit::Redirect, ..TierDevice::default() });
    assert_eq!(run_with_output(&bench.program, &Tcp::ipv4().frame()).0, XDP_REDIRECT);
    assert_eq!(bench.program.counters().unwrap().sum(TxSynAck), 1);
}

/// The steering, with a tier but without a listener in cookie mode; and with one, on frames to others.
#[test]
fn the_steering_is_the_same_with_a_tier() {
    if !privileged() {
        return;
    }
    let rules = RULES.map(|owned| rule(owned, LISTENER));
    let mut bench = TierBench::new(&config(), &rules, &LOCAL);
    for cookies in [false, true] {
        bench.tier.set_listener(LISTENER, cookies, WINDOW);
        for (name, packet, expected) in table() {
            for tags in [&[][..], &[0x8100], &[0x9100, 0x8100]] {
                let verdict = bench.verdict(&packet.tagged(tags));
                if cookies && expected == SocketTcp {
                    // Those of the table have no checksum, or data of zeros.
                    assert!([SocketSyn, DropSynChecksum].contains(&verdict) || verdict == expected, "{name}");
                } else {
                    assert_eq!(verdict, expected, "{name}, tags {tags:x?}");
                }
            }
        }
    }
}

/// Two interfaces have one tier.
#[test]
fn programs_share_a_tier() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::usual();
    let rules = [rule("0.0.0.0/0:80", LISTENER)];
    let other = Program::load_with(&rules, &[], Some(&bench.tier)).unwrap();
    let socket = xdp_socket();
    other.set_socket(0, socket.as_fd()).unwrap();
    let frame = Tcp::ipv4().frame();
    // It has no device yet.
    assert_eq!(run(&other, &frame, 1).0, XDP_REDIRECT);
    other.set_tier_device(&TierDevice { transmit: Transmit::Tx, ..TierDevice::default() });
    assert_eq!(run(&other, &frame, 1).0, XDP_TX);
    assert_eq!(bench.verdict(&frame), TxSynAck);
    assert_eq!(bench.tier.counts(LISTENER).unwrap().syn_acks, 2);
    let cookie = |frame: &[u8]| u32::from_be_bytes(frame[38..42].try_into().unwrap());
    let ack = Tcp::ipv4().with(|tcp| {
        (tcp.flags, tcp.seq) = (ACK, tcp.seq + 1);
        tcp.ack = cookie(&bench.run(&frame).frame).wrapping_add(1);
    });
    assert_eq!(run(&other, &ack.frame(), 1).0, XDP_REDIRECT);
    assert_eq!(other.counters().unwrap().sum(SocketProven), 1);
    assert_eq!(bench.verdict(&ack.with(|ack| ack.ack = 0).frame()), SocketProven);
}

#[test]
fn a_program_without_a_tier_answers_nothing() {
    if !privileged() {
        return;
    }
    let program = Program::load(&[rule("0.0.0.0/0:80", LISTENER)], &[]).unwrap();
    let socket = xdp_socket();
    program.set_socket(0, socket.as_fd()).unwrap();
    program.set_tier_device(&TierDevice { transmit: Transmit::Tx, ..TierDevice::default() });
    for flags in 0..=255 {
        let frame = Tcp::ipv4().with(|tcp| tcp.flags = flags).frame();
        assert_eq!(run(&program, &frame, 1).0, XDP_REDIRECT);
    }
    assert_eq!(program.counters().unwrap().sum(SocketTcp), 256);
}

/// Nothing needs a privilege once the program is loaded.
#[test]
fn a_tier_is_changed_without_capabilities() {
    if !privileged() {
        return;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let tier = Tier::new(&config()).unwrap();
            let program =
                Program::load_with(&[rule("0.0.0.0/0:80", 1)], &addresses(&[]), Some(&tier)).unwrap();
            let socket = xdp_socket();
            program.set_socket(0, socket.as_fd()).unwrap();
            caps::clear(None, CapSet::Effective).unwrap();
            caps::clear(None, CapSet::Permitted).unwrap();
            tier.set_key(PERIOD, period_key(PERIOD));
            tier.set_ready(true);
            assert!(tier.set_listener(9, true, WINDOW));
            program.set_tier_device(&TierDevice { transmit: Transmit::Tx, ..TierDevice::default() });
            program.replace_rules(&[rule("10.0.0.0/8:80", 9)], &[]).unwrap();
            assert_eq!(run(&program, &Tcp::ipv4().frame(), 1).0, XDP_TX);
            assert_eq!(tier.counts(9).unwrap().syn_acks, 1);
        });
        thread.join().unwrap();
    });
}

/// Linux refuses a program beyond a million. Linux 5.10 follows about twice as many as later kernels.
#[test]
fn the_verifier_has_room_left() {
    use std::os::fd::AsRawFd;
    if !privileged() {
        return;
    }
    let program = Program::load(&[rule("0.0.0.0/0:80", None)], &[]).unwrap();
    let path = format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd());
    let info = std::fs::read_to_string(path).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("verified_insns:"));
    let Some(instructions) = line.and_then(|number| number.trim().parse::<u32>().ok()) else {
        return; // a kernel before 5.16
    };
    assert!(instructions < 150_000, "the verifier has followed {instructions} instructions");
}
