//! The interface itself: whether it is there, up and of a size that fits; its driver and queues.

use super::check::{Check, Fix, Level};
use super::command::output;
use super::host::Host;
use super::link::Link;
use super::netns::{self, Netns};
use super::veth::{PeerEnd, VethPeer};
use super::{Action, CommandError};
use handfast_stack::xdp::inspect::{self, XdpFeatures};
use handfast_stack::xdp::{Mode, Preference, XdpError, sizing};
use handfast_text::counted;

/// Namespaces that are searched for an interface that is not here.
const SEARCHED: usize = 64;

pub(super) fn absent(name: &str, error: &XdpError) -> Check {
    let check = Check::error("interface", error.to_string());
    let has_it = |netns: &Netns| Link::ask(netns, name).is_ok();
    let elsewhere = netns::names().into_iter().take(SEARCHED).map(Netns::Named).find(has_it);
    match elsewhere {
        Some(netns) => {
            let why = format!("There is an interface of that name in {}.", netns.described());
            let program =
                std::env::current_exe().map_or("handfast".into(), |path| path.display().to_string());
            check.why(why).fix(Fix::by_hand(netns.action([program.as_str(), "doctor", "--dev", name])))
        }
        None => check
            .why("The interface does not exist, so it cannot be checked.")
            .fix(Fix::by_hand(Action::run(["ip", "-brief", "link"]))),
    }
}

pub(super) fn no_tools(error: &CommandError) -> Check {
    let check =
        Check::error("interface", error.to_string()).why("Most checks use ip (iproute2) and ethtool.");
    match error {
        CommandError::Missing { .. } => {
            check.fix(Fix::by_hand(Action::run(["apt-get", "install", "-y", "iproute2", "ethtool"])))
        }
        _ => check,
    }
}

pub(super) fn checks(host: &Host) -> Vec<Check> {
    let addresses: Vec<String> =
        host.device.addresses.iter().map(|(address, length)| format!("{address}/{length}")).collect();
    let found = match addresses.as_slice() {
        [] => format!("index {}, no address", host.device.index),
        [first] => format!("index {}, {first}", host.device.index),
        [first, more @ ..] => format!("index {}, {first} and {} more", host.device.index, more.len()),
    };
    let interface = match host.device.loopback {
        false if !host.device.is_ethernet() => {
            let found = format!("no Ethernet: hardware type {}", host.device.hardware);
            Check::error("interface", found).why(
                "Its frames have no Ethernet header, as with tun devices, WireGuard and PPP. Use the Ethernet \
                 interface on which its packets arrive.",
            )
        }
        false => Check::ok("interface", found),
        true => Check::error("interface", "the loopback").why(
            "It receives no frames from a network. Use another interface; `handfast lab up` creates a pair for \
             tests.",
        ),
    };
    vec![
        interface,
        link(host),
        carrier(host),
        mtu(host),
        driver(host),
        modes(host),
        zero_copy(host),
        syn_cookies(host),
        queues(host),
        rss(host),
    ]
}

fn link(host: &Host) -> Check {
    let set = |to| Action::run(["ip", "link", "set", "dev", host.name(), to]);
    match host.device.up {
        true => Check::ok("link", "up"),
        false => Check::error("link", "down")
            .why("No frames arrive, and an AF_XDP socket cannot be bound.")
            .fix(Fix::safe(set("up"), set("down"))),
    }
}

fn carrier(host: &Host) -> Check {
    // Known also while our own end is down, so that both can be cured at once.
    if let Some(end) = host.peer.end().filter(|end| !end.link.has("UP")) {
        return Check::error("carrier", format!("none: {} is down", end.link.ifname))
            .why("No frames arrive while the other end of the pair is down.")
            .fix(end.up());
    }
    match (host.device.up, host.link.has("LOWER_UP")) {
        (false, _) => Check::unknown("carrier", "the interface is down"),
        (true, true) => Check::ok("carrier", "yes"),
        (true, false) => Check::error("carrier", "none")
            .why("No cable, or the other end is down.")
            .fix(Fix::by_hand(Action::run(["ethtool", host.name()]))),
    }
}

fn mtu(host: &Host) -> Check {
    let set = |mtu: u32| Action::run(["ip", "link", "set", "dev", host.name(), "mtu", &mtu.to_string()]);
    let (mtu, size) = (host.device.mtu, Host::frame_size());
    let zero_copy = host.driver.is_some_and(XdpFeatures::zero_copy);
    let check = size_of_packets(mtu, size, zero_copy);
    match check.level {
        Level::Ok => check,
        _ => check.fix(Fix::safe(set(sizing::advised_mtu(size)), set(mtu))),
    }
}

/// Whether packets of this size fit a frame, and one in zero-copy mode.
fn size_of_packets(mtu: u32, frame_size: u32, zero_copy: bool) -> Check {
    let (most, whole) = (sizing::largest_mtu(frame_size), sizing::zero_copy_mtu(frame_size));
    if mtu > most {
        return Check::error("mtu", format!("{mtu} bytes, {most} fit")).why(
            "A packet must fit into one frame of the UMEM: 4,096 bytes, less 256 for the kernel and 22 for a link \
             header with two VLAN tags. All drivers support up to 3,046 in native mode and zero-copy.",
        );
    }
    if zero_copy && mtu > whole {
        return Check::warning("mtu", format!("{mtu} bytes, {whole} with zero-copy")).why(
            "Drivers whose buffers are whole KiB would split longer packets, so frames are copied instead.",
        );
    }
    if mtu > whole {
        return Check::warning("mtu", format!("{mtu} bytes, {whole} fit in native mode")).why(
            "In native mode drivers receive a packet into a part of one page, and refuse the mode if the MTU does \
             not fit; generic mode is used then.",
        );
    }
    Check::ok("mtu", format!("{mtu} bytes, {whole} fit"))
}

fn driver(host: &Host) -> Check {
    match host.device.driver.as_deref() {
        Some("") | None => Check::unknown("driver", "the kernel does not report it"),
        Some("veth") => {
            Check::ok("driver", "veth: a pair inside this host; its rates are not those of a NIC")
        }
        Some(name) => Check::ok("driver", name),
    }
}

fn modes(host: &Host) -> Check {
    modes_of(host.driver, host.device.preference())
}

fn modes_of(driver: Option<XdpFeatures>, preference: Preference) -> Check {
    let Some(features) = driver else {
        return Check::unknown("xdp-modes", "generic; the kernel does not report native").why(
            "Kernels before 6.3 do not report it. `handfast respond --mode native` shows whether it works.",
        );
    };
    let preferred = match preference {
        Preference::Native => "native",
        Preference::Generic => "generic",
    };
    match (features.native(), features.redirect()) {
        (true, true) => Check::ok("xdp-modes", format!("native and generic; auto uses {preferred}")),
        (true, false) => Check::warning("xdp-modes", "native without redirect, and generic")
            .why("AF_XDP needs XDP_REDIRECT: only generic mode will work."),
        (false, _) => Check::ok("xdp-modes", "generic only: the driver has no native mode"),
    }
}

fn zero_copy(host: &Host) -> Check {
    zero_copy_of(host.driver)
}

fn zero_copy_of(driver: Option<XdpFeatures>) -> Check {
    match driver {
        Some(features) if features.zero_copy() => Check::ok(
            "zero-copy",
            "the driver announces it; whether the kernel accepts it for this device shows at start",
        ),
        Some(_) => Check::ok("zero-copy", "the driver has none: frames are copied"),
        None => Check::unknown(
            "zero-copy",
            "the kernel does not report it; `handfast respond --zerocopy` shows whether it works",
        ),
    }
}

/// Whether the eBPF program can answer SYNs by cookie, in the mode that `respond` takes by itself.
fn syn_cookies(host: &Host) -> Check {
    let mode = host.mode_by_default();
    let check = syn_cookies_of(mode, inspect::transmit(&host.device, mode).err());
    let no_gro = |end: &&PeerEnd| {
        let feature = end.features.get("generic-receive-offload");
        feature.is_some_and(|feature| !feature.on)
    };
    match (check.level, host.peer.end().filter(no_gro)) {
        (Level::Warning, Some(end)) => {
            let switch = |to| end.command(&["ethtool", "-K", "IF", "gro", to]);
            check.fix(Fix::by_hand(switch("on")).undone_by(switch("off")))
        }
        _ => check,
    }
}

/// `refused`: why it cannot.
fn syn_cookies_of(mode: Mode, refused: Option<String>) -> Check {
    match refused {
        None => Check::ok("syn-cookies", format!("by the eBPF program, in {mode} mode, which auto uses")),
        Some(why) => {
            Check::warning("syn-cookies", format!("by the cores: in {mode} mode, which auto uses, {why}")).why(
                "The eBPF program cannot answer SYNs by cookie here (XDP_TX), so that each SYN of a flood takes time of \
                 a core. `--mode generic` can.",
            )
        }
    }
}

fn queues(host: &Host) -> Check {
    let (receive, paired) = (host.device.rx_queues, host.device.paired_queues);
    if paired >= receive {
        return Check::ok("queues", format!("{}, both receive and send", counted(receive.into(), "queue")));
    }
    let found = format!("{} to receive, of which {paired} also send", counted(receive.into(), "queue"));
    let set = |queues: u32| Action::run(["ethtool", "-L", host.name(), "rx", &queues.to_string()]);
    Check::error("queues", found)
        .why("Each receive queue needs a socket, which sends on the transmit queue of the same number.")
        .fix(Fix::by_hand(set(paired)).undone_by(set(receive)))
}

/// Whether the NIC's hash spreads connections over all queues, and by port.
fn rss(host: &Host) -> Check {
    let queues = host.device.rx_queues;
    if queues <= 1 {
        return Check::ok("rss", "one queue: no distribution");
    }
    if let VethPeer::Found(_) | VethPeer::Hidden(_) = host.peer {
        return Check::ok("rss", "veth: a frame arrives on the queue number on which it was sent");
    }
    let Ok(table) = output(&["ethtool", "-x", host.name()]) else {
        return Check::unknown("rss", "the driver does not show its table");
    };
    let used = match queues_in(&table) {
        0 => return Check::unknown("rss", "the driver does not show its table"),
        used => used,
    };
    if used < queues as usize {
        let spread = ["ethtool", "-X", host.name(), "equal", &queues.to_string()];
        return Check::warning("rss", format!("{used} of {queues} queues get traffic"))
            .why("The cores of the other queues are idle.")
            .fix(Fix::by_hand(Action::run(spread)));
    }
    match output(&["ethtool", "-n", host.name(), "rx-flow-hash", "tcp4"]) {
        Ok(fields) if !fields.contains("L4 bytes") => {
            Check::warning("rss", "the hash of TCP does not include the ports")
                .why("All connections between two addresses arrive on one queue, hence on one core.")
                .fix(Fix::by_hand(Action::run([
                    "ethtool",
                    "-N",
                    host.name(),
                    "rx-flow-hash",
                    "tcp4",
                    "sdfn",
                ])))
        }
        Ok(_) => Check::ok("rss", format!("all {queues} queues, by addresses and ports")),
        Err(_) => Check::ok("rss", format!("all {queues} queues; the hashed fields are not known")),
    }
}

/// How many queues an indirection table names (`ethtool -x`: "   8:   0  1  0  1").
fn queues_in(table: &str) -> usize {
    let rows = table.lines().filter_map(|line| line.trim_start().split_once(':'));
    let rows = rows.filter(|(first, _)| first.parse::<u32>().is_ok());
    let queues = rows.flat_map(|(_, row)| row.split_whitespace()).filter_map(|word| word.parse::<u32>().ok());
    queues.collect::<std::collections::BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_an_indirection_table_are_counted() {
        let table = "RX flow hash indirection table for eth0 with 4 RX ring(s):\n    0:      0     1     2     0\n\
            \x20   8:      1     1     2     0\nRSS hash key:\n6d:5a:56:da\nRSS hash function:\n    toeplitz: on\n";
        assert_eq!(queues_in(table), 3);
        assert_eq!(queues_in(""), 0);
        let refused = "RX flow hash indirection table for eth0 with 2 RX ring(s):\nOperation not supported\n\
            RSS hash key:\nOperation not supported\nRSS hash function:\n    toeplitz: on\n";
        assert_eq!(queues_in(refused), 0, "no row is no table");
    }

    #[test]
    fn a_packet_fits_or_the_largest_that_does_is_named() {
        for (mtu, zero_copy, level, part) in [
            (1500, true, Level::Ok, "3046 fit"),
            (1770, false, Level::Ok, "3046 fit"),
            (3046, true, Level::Ok, "3046 fit"),
            (3047, true, Level::Warning, "3046 with zero-copy"),
            (3047, false, Level::Warning, "3046 fit in native mode"),
            (9000, false, Level::Error, "3818 fit"),
        ] {
            let check = size_of_packets(mtu, 4096, zero_copy);
            assert_eq!(check.level, level, "{mtu}: {check:?}");
            assert!(check.found.contains(part), "{check:?}");
        }
    }

    #[test]
    fn who_answers_syns_by_cookie_is_named_with_the_mode_and_the_reason() {
        let can = syn_cookies_of(Mode::Generic, None);
        assert_eq!(
            (can.level, can.found.as_str()),
            (Level::Ok, "by the eBPF program, in generic mode, which auto uses")
        );
        let cannot = syn_cookies_of(Mode::Native, Some("its driver does not support XDP_TX".into()));
        assert_eq!(cannot.level, Level::Warning);
        assert!(cannot.found.starts_with("by the cores: in native mode") && cannot.found.ends_with("XDP_TX"));
    }

    #[test]
    fn what_the_driver_announces_is_reported_as_that() {
        let ok = |check: &Check, part: &str| check.level == Level::Ok && check.found.contains(part);
        let zero_copy = zero_copy_of(Some(XdpFeatures::from_bits(0b1011)));
        assert!(ok(&zero_copy, "the driver announces it"), "{zero_copy:?}");
        let none = modes_of(Some(XdpFeatures::from_bits(0)), Preference::Native);
        assert!(ok(&none, "generic only"), "{none:?}");
        assert_eq!(modes_of(None, Preference::Native).level, Level::Unknown);
    }
}
