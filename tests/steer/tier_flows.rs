//! Look-ups by 4-tuple: the filter of connections, proven clients, and limits.

use std::thread::sleep;
use std::time::Duration;

use handfast_stack::wire::{FlowKey4, FlowKey6};
use handfast_stack::xdp::Verdict::{self, *};
use handfast_stack::xdp::{TierConfig, TierCounts};

use crate::kernel::privileged;
use crate::tier::{LISTENER, Random, TierBench, WINDOW, config, rule};
use crate::tier_frames::{ACK, FIN, RST, SYN, Tcp};

fn key4(tcp: &Tcp) -> FlowKey4 {
    let [remote, local] = [&tcp.source, &tcp.destination].map(|at| at[..].try_into().unwrap());
    FlowKey4 { remote, local, remote_port: tcp.ports.0, local_port: tcp.ports.1 }
}

fn key6(tcp: &Tcp) -> FlowKey6 {
    let [remote, local] = [&tcp.source, &tcp.destination].map(|at| at[..].try_into().unwrap());
    FlowKey6 { remote, local, remote_port: tcp.ports.0, local_port: tcp.ports.1 }
}

fn add(bench: &TierBench, tcp: &Tcp) {
    match tcp.is_ipv6() {
        true => bench.tier.filter().add(&key6(tcp)),
        false => bench.tier.filter().add(&key4(tcp)),
    }
}

fn remove(bench: &TierBench, tcp: &Tcp) {
    match tcp.is_ipv6() {
        true => bench.tier.filter().remove(&key6(tcp)),
        false => bench.tier.filter().remove(&key4(tcp)),
    }
}

fn with_flags(tcp: &Tcp, flags: u8) -> Vec<u8> {
    tcp.clone().with(|tcp| tcp.flags = flags).frame()
}

/// Both sides hash alike, and look at the same counters.
#[test]
fn a_flow_in_the_filter_passes() {
    if !privileged() {
        return;
    }
    let (mut bench, mut random) = (TierBench::usual(), Random(6));
    let mut others = 0;
    for number in 0..2000 {
        let tcp = Tcp::of(number % 2 == 0).with(|tcp| {
            let len = tcp.source.len();
            tcp.source[1..].copy_from_slice(&random.bytes(len - 1));
            tcp.ports.0 = random.next() as u16;
        });
        for (flags, expected) in [(ACK, DropUnproven), (SYN, TxSynAck), (RST, DropRst)] {
            assert_eq!(bench.verdict(&with_flags(&tcp, flags)), expected, "{tcp:?}");
        }
        add(&bench, &tcp);
        for (flags, expected) in [
            (ACK, SocketTcp),
            (SYN, SocketKnownSyn),
            (RST, SocketTcp),
            (FIN | ACK, SocketTcp),
            (SYN | ACK, SocketTcp),
            (0, SocketTcp),
        ] {
            assert_eq!(bench.verdict(&with_flags(&tcp, flags)), expected, "{tcp:?}");
        }
        let other = tcp.clone().with(|tcp| tcp.ports.0 ^= 1);
        others += u32::from(bench.verdict(&with_flags(&other, ACK)) == SocketTcp);
        remove(&bench, &tcp);
        assert_eq!(bench.verdict(&with_flags(&tcp, ACK)), DropUnproven);
    }
    assert!(others < 3, "{others} flows that are not in the filter pass");
}

/// All four counters count.
#[test]
fn a_filter_of_many_flows_has_few_false_positives() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::usual();
    let flow = |n: u32| {
        Tcp::ipv4()
            .with(|tcp| (tcp.source, tcp.ports.0) = (vec![100, (n >> 16) as u8, (n >> 8) as u8, n as u8], 1))
    };
    // Two flows a line.
    (0..8192).for_each(|n| add(&bench, &flow(n)));
    assert!((0..8192).all(|n| bench.verdict(&with_flags(&flow(n), ACK)) == SocketTcp));
    let passed = (1 << 20..(1 << 20) + 20_000)
        .filter(|n| bench.verdict(&with_flags(&flow(*n), ACK)) == SocketTcp)
        .count();
    // 0.1 % are expected: lines are not equally full.
    assert!(passed < 60, "{passed} of 20,000");
}

fn limited(config: TierConfig, mode: bool) -> TierBench {
    let bench = TierBench::new(&config, &[rule("0.0.0.0/0:80", LISTENER), rule("[::]/0:80", LISTENER)], &[]);
    bench.tier.set_listener(LISTENER, mode, WINDOW);
    bench
}

fn run(bench: &mut TierBench, tcp: &Tcp, times: usize) -> Vec<Verdict> {
    // On one CPU: each has its own buckets.
    (0..times).map(|_| bench.verdict(&tcp.frame())).collect()
}

/// Runs on one CPU until the thread ends.
fn on_one_cpu(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut cpus = nix::sched::CpuSet::new();
            cpus.set(0).unwrap();
            nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cpus).unwrap();
            work();
        });
        thread.join().unwrap();
    });
}

fn count(verdicts: &[Verdict], verdict: Verdict) -> usize {
    verdicts.iter().filter(|&&other| other == verdict).count()
}

#[test]
fn syns_of_one_prefix_have_a_limit() {
    if !privileged() {
        return;
    }
    on_one_cpu(|| {
        let mut config = config();
        (config.syn_limit, config.syn_burst) = (1, 50);
        for (cookies, allowed) in [(true, TxSynAck), (false, SocketTcp)] {
            let mut bench = limited(config.clone(), cookies);
            for ipv6 in [false, true] {
                let syn = Tcp::of(ipv6);
                let of_prefix = |host: u8, net: u8| {
                    syn.clone().with(|syn| {
                        let last = syn.source.len() - 1;
                        // The last byte of the prefix, and of the address.
                        syn.source[if ipv6 { 7 } else { 2 }] = net;
                        syn.source[last] = host;
                    })
                };
                let seen: Vec<Verdict> =
                    (1..=200).map(|host| bench.verdict(&of_prefix(host, 1).frame())).collect();
                // A second may have ended meanwhile.
                assert!((50..55).contains(&count(&seen, allowed)), "{seen:?}");
                assert_eq!(count(&seen, allowed) + count(&seen, DropSynLimit), 200);
                assert_eq!(seen[..50], [allowed; 50]);
                assert_eq!(seen[50], DropSynLimit, "one more at once");
                assert_eq!(bench.verdict(&of_prefix(1, 2).frame()), allowed);
                // Nothing but SYNs counts.
                let other = if cookies { DropUnproven } else { SocketTcp };
                assert_eq!(bench.verdict(&with_flags(&of_prefix(1, 1), ACK)), other);
            }
            let TierCounts { syn_acks, syns, proven, unproven } = bench.tier.counts(LISTENER).unwrap();
            let counts = bench.program.counters().unwrap();
            assert_eq!(syn_acks, counts.sum(TxSynAck));
            assert_eq!(syns, counts.sum(TxSynAck) + counts.sum(DropSynLimit));
            assert_eq!(proven, 0);
            assert_eq!(unproven, counts.sum(DropUnproven));
            assert_eq!(
                bench.tier.all_counts(LISTENER + 1).unwrap(),
                [
                    TierCounts::default(),
                    TierCounts::default(),
                    TierCounts::default(),
                    TierCounts { syn_acks, syns, proven, unproven }
                ]
            );
        }
    });
}

#[test]
fn a_bucket_fills_with_time() {
    if !privileged() {
        return;
    }
    on_one_cpu(|| {
        let mut config = config();
        (config.syn_limit, config.syn_burst) = (20, 0);
        let mut bench = limited(config, true);
        // A burst of none is one.
        let seen = run(&mut bench, &Tcp::ipv4(), 2);
        assert_eq!(seen, [TxSynAck, DropSynLimit]);
        sleep(Duration::from_millis(60));
        assert_eq!(bench.verdict(&Tcp::ipv4().frame()), TxSynAck);
    });
}

#[test]
fn acks_without_a_cookie_have_a_limit() {
    if !privileged() {
        return;
    }
    on_one_cpu(|| {
        for (limit, passed) in [(0, 0..1), (30, 30..60), (u32::MAX, 200..201)] {
            let mut bench = limited(TierConfig { unproven_per_second: 0, ..config() }, true);
            bench.tier.set_unproven_per_second(limit);
            let ack = Tcp::ipv4().with(|tcp| tcp.flags = ACK);
            let seen = run(&mut bench, &ack, 200);
            let unproven = count(&seen, SocketUnproven);
            assert!(passed.contains(&unproven), "{limit}: {unproven}");
            assert_eq!(unproven + count(&seen, DropUnproven), 200);
        }
    });
}
