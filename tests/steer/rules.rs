//! Many rules, other rules, and counters.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use caps::{CapSet, Capability};
use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::Verdict::*;
use handfast_stack::xdp::{Program, ProgramError};

use crate::frames::*;
use crate::kernel::{Bench, addresses, privileged, rules, run, xdp_socket};

/// Half of the rules IPv4, half IPv6; each with its own address and port.
fn many(count: u16) -> Vec<String> {
    let ipv4 = (0..count / 2).map(|n| format!("10.{}.{}.0/24:{}", n >> 8, n & 255, 1000 + n));
    let ipv6 = (0..count / 2).map(|n| format!("[2001:db8:{n:x}::]/48:{}", 1000 + n));
    ipv4.chain(ipv6).collect()
}

fn of_rule4(n: u16) -> Ipv4Addr {
    Ipv4Addr::new(10, (n >> 8) as u8, n as u8, 200)
}

fn of_rule6(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, n, 5, 0, 0, 0, 200)
}

#[test]
fn thousands_of_rules() {
    if !privileged() {
        return;
    }
    for count in [1024, 2048] {
        let bench = Bench::new(&rules(many(count)), &["10.0.0.200"]);
        for n in 0..count / 2 {
            for (port, ipv4_expected, ipv6_expected) in [
                (1000 + n, SocketTcp, SocketTcp),
                (1001 + n, if n == 0 { PassPort } else { SocketPort }, SocketPort),
            ] {
                assert_eq!(bench.verdict(&ipv4(of_rule4(n), TCP, &syn(port)).frame()), ipv4_expected, "{n}");
                assert_eq!(bench.verdict(&ipv6(of_rule6(n), TCP, &syn(port)).frame()), ipv6_expected, "{n}");
            }
        }
        let outside = ipv4(of_rule4(count / 2), TCP, &syn(1000)).frame();
        assert_eq!(bench.verdict(&outside), PassNotOwned);
    }
}

#[test]
fn more_rules_than_fit_are_refused_and_the_old_ones_stay() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    let too_many = (0..16_385u32).map(|n| format!("10.{}.{}.{}:80", n >> 16, n >> 8 & 255, n & 255));
    let error = bench.program.replace_rules(&rules(too_many), &[]).unwrap_err();
    assert!(matches!(error, ProgramError::TooManyRules { entries: 16_385, max: 16_384 }), "{error}");
    assert_eq!(bench.verdict(&ipv4(OURS4, TCP, &syn(80)).frame()), SocketTcp);
}

#[test]
fn replaced_rules_leave_nothing_behind() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(["10.0.0.0/24:80"]), &["10.0.0.1"]);
    let frame = |to, port| ipv4(to, TCP, &syn(port)).frame();
    for _ in 0..3 {
        bench.program.replace_rules(&rules(["10.0.0.7:443", "10.0.1.0/24:80"]), &[]).unwrap();
        assert_eq!(bench.verdict(&frame(OURS4, 80)), SocketPort);
        assert_eq!(bench.verdict(&frame(OURS4, 443)), SocketTcp);
        assert_eq!(bench.verdict(&frame(SHARED4, 80)), PassNotOwned);
        assert_eq!(bench.verdict(&frame(FOREIGN4, 80)), SocketTcp);
        bench.program.replace_rules(&rules(["10.0.0.0/24:80"]), &addresses(&["10.0.0.1"])).unwrap();
        assert_eq!(bench.verdict(&frame(OURS4, 443)), SocketPort);
        assert_eq!(bench.verdict(&frame(SHARED4, 443)), PassPort);
        assert_eq!(bench.verdict(&frame(SHARED4, 80)), SocketTcp);
        assert_eq!(bench.verdict(&frame(FOREIGN4, 80)), PassNotOwned);
    }
    bench.program.replace_rules::<EndpointRange>(&[], &[]).unwrap();
    assert_eq!(bench.verdict(&frame(OURS4, 80)), PassNotOwned);
}

/// A rule that both sets have holds at every moment of a swap; and every frame is counted once.
#[test]
fn a_swap_is_atomic_for_packets() {
    if !privileged() {
        return;
    }
    let set = |base: u16| {
        let others = (0..64).map(move |n| format!("10.0.{n}.0/24:{}", base + n));
        rules(others.chain(["10.0.0.0/16:80".to_owned()]))
    };
    let sets = [set(1000), set(2000)];
    let bench = Bench::new(&sets[0], &[]);
    let (both, exclusive_to_one) = (ipv4(OURS4, TCP, &syn(80)).frame(), ipv4(OURS4, TCP, &syn(1000)).frame());
    let (done, reached) = (AtomicBool::new(false), AtomicU64::new(0));
    let runs = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut runs = 0u64;
            while !done.load(Relaxed) {
                assert!(bench.redirects(&both) && bench.redirects(&exclusive_to_one));
                runs += 2;
                reached.store(runs, Relaxed);
            }
            runs
        });
        // Also until the reader has had its turns, on whatever core there is for it; it may have failed.
        let mut swap = 0;
        while swap < 40 || (reached.load(Relaxed) < 100 && !reader.is_finished()) {
            swap += 1;
            bench.program.replace_rules(&sets[swap % 2], &[]).unwrap();
        }
        done.store(true, Relaxed);
        reader.join().unwrap()
    });
    let counts = bench.program.counters().unwrap();
    assert!(runs >= 100);
    assert_eq!(counts.total(), runs);
    assert_eq!(counts.sum(SocketTcp) + counts.sum(SocketPort), runs);
    assert!(counts.sum(SocketTcp) >= runs / 2);
}

#[test]
fn counters_add_up() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for (frame, times) in [
        (ipv4(OURS4, TCP, &syn(80)).frame(), 300),
        (ipv6(OURS6, TCP, &syn(81)).frame(), 200),
        (ipv4(SHARED4, TCP, &syn(22)).frame(), 70),
    ] {
        run(&bench.program, &frame, times);
    }
    let counts = bench.program.counters().unwrap();
    assert_eq!((counts.sum(SocketTcp), counts.sum(PassPort), counts.total()), (500, 70, 570));
    assert_eq!(counts.per_cpu(SocketTcp).sum::<u64>(), 500);
}

/// Runs on a new thread: capabilities belong to threads.
fn on_a_thread(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

#[test]
fn after_loading_no_capability_is_needed() {
    if !privileged() {
        return;
    }
    on_a_thread(|| {
        let bench = Bench::new(&rules(RULES), &LOCAL);
        let socket = xdp_socket();
        caps::clear(None, CapSet::Effective).unwrap();
        caps::clear(None, CapSet::Permitted).unwrap();
        bench.program.replace_rules(&rules(["10.0.1.0/24:80"]), &[]).unwrap();
        bench.program.set_socket(1, socket.as_fd()).unwrap();
        assert_eq!(bench.verdict(&ipv4(FOREIGN4, TCP, &syn(80)).frame()), SocketTcp);
        assert_eq!(bench.verdict(&ipv4(OURS4, TCP, &syn(80)).frame()), PassNotOwned);
    });
}

#[test]
fn loading_without_capabilities_names_them() {
    if !privileged() {
        return;
    }
    for missing in [Capability::CAP_BPF, Capability::CAP_PERFMON, Capability::CAP_NET_ADMIN] {
        on_a_thread(|| {
            caps::drop(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap();
            caps::drop(None, CapSet::Effective, missing).unwrap();
            let error = Program::load(&rules(RULES), &[]).unwrap_err();
            assert!(matches!(error, ProgramError::LoadPermission { .. }), "{error}");
            assert!(error.to_string().contains(&format!("(missing: {missing})")), "{error}");
        });
    }
}

#[test]
fn a_queue_out_of_range_is_named() {
    if !privileged() {
        return;
    }
    let bench = Bench::without_socket(&[], &[]);
    let error = bench.program.set_socket(1024, xdp_socket().as_fd()).unwrap_err();
    assert_eq!(error.to_string(), "invalid queue 1024: the steering program supports queues 0 to 1023");
}

/// `cargo test --release --test steer nanoseconds -- --ignored --nocapture`
#[test]
#[ignore = "prints times, proves nothing"]
fn nanoseconds_per_frame() {
    if !privileged() {
        return;
    }
    for count in [2, 1024, 2048] {
        let bench = Bench::new(&rules(many(count)), &[]);
        let last = count / 2 - 1;
        for (name, packet) in [
            ("IPv4 TCP, ours", ipv4(of_rule4(last), TCP, &syn(1000 + last))),
            ("IPv6 TCP, ours", ipv6(of_rule6(last), TCP, &syn(1000 + last))),
            ("IPv4 TCP, not ours", ipv4("192.0.2.1".parse().unwrap(), TCP, &syn(80))),
            ("no IP", Packet(etherparse::EtherType(0x88cc), vec![0; 46])),
        ] {
            println!("{count} rules, {name}: {} ns", run(&bench.program, &packet.frame(), 1_000_000).1);
        }
    }
}
