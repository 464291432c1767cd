//! Other users of the interface: XDP programs, AF_XDP sockets, tc filters, listeners.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Action;
use super::addresses;
use super::check::{Check, Fix};
use super::command::output;
use super::host::Host;
use super::link::AttachedProgram;
use super::program_owners::{self, listed};
use handfast_stack::xdp::inspect;
use handfast_stack::xdp::kernel_tcp::{self, KernelSocket};

/// The name of handfast's own program (`bpf/steer.bpf.c`).
const OURS: &str = "steer";
/// Listeners that are listed; the others are counted.
const NAMED: usize = 12;

pub(super) fn checks(host: &Host) -> Vec<Check> {
    vec![programs(host), queue_sockets(host), traffic_control(host), addresses::check(), listeners()]
}

/// Whether a handfast is running on the interface.
fn ours(host: &Host) -> bool {
    host.link.programs().iter().any(is_ours) && !host.probe.taken.is_empty()
}

fn is_ours(program: &AttachedProgram) -> bool {
    program.prog.name.as_deref() == Some(OURS)
}

fn programs(host: &Host) -> Check {
    let attached = host.link.programs();
    let named = |program: &AttachedProgram| {
        let name = program.prog.name.as_deref().unwrap_or("whose name only root can see");
        format!("program {} \"{name}\" in {} mode", program.prog.id, program.mode())
    };
    let mut found = attached.iter().map(named).collect::<Vec<_>>().join(", ");
    if !host.owners.programs.is_empty() {
        found = format!("{found}, kept by {}", listed(&host.owners.programs));
    }
    match attached {
        [] => Check::ok("programs", "no XDP program"),
        _ if ours(host) => Check::ok("programs", format!("a handfast is running: {found}")),
        [first, ..] => Check::error("programs", found)
            .why("An interface has one XDP program. handfast never replaces another one: its owner has to be stopped first.")
            .fix(Fix::by_hand(removal(host, first))),
    }
}

/// The command that detaches a program; it depends on how the program was attached.
fn removal(host: &Host, program: &AttachedProgram) -> Action {
    if let Some(end) = program_owners::end(&host.owners.programs) {
        return end;
    }
    match inspect::link_of(program.prog.id) {
        Some(link) => Action::run(["bpftool", "link", "detach", "id", &link.to_string()]),
        None => Action::run(["ip", "link", "set", "dev", host.name(), program.keyword(), "off"]),
    }
}

fn queue_sockets(host: &Host) -> Check {
    let probe = &host.probe;
    let name = "queue-sockets";
    let (taken, free) = (numbers(&probe.taken), numbers(&probe.free));
    let found = match (probe.taken.is_empty(), probe.free.is_empty()) {
        (true, _) => format!("free: {free}"),
        (_, true) => format!("taken: {taken}"),
        _ => format!("taken: {taken}; free: {free}"),
    };
    let owners = &host.owners.sockets;
    match (probe.taken.is_empty(), probe.free.is_empty(), &probe.trouble) {
        (true, true, Some(error)) => Check::unknown(name, error.to_string()),
        (true, true, None) => Check::unknown(name, "the interface is down: no socket can be bound"),
        (true, false, _) => Check::ok(name, found),
        (false, true, _) if ours(host) => Check::ok(name, format!("{found}, by {}", listed(owners))),
        (false, false, _) if ours(host) => Check::error(
            name,
            format!("{found}; a handfast is running ({})", listed(owners)),
        )
        .why("Frames that arrive on a queue without a socket are dropped, since the kernel would answer them with a RST.")
        .fix(fewer_queues(host)),
        _ => {
            let who = match owners.as_slice() {
                [] => String::new(),
                [_] => format!(", by {}", listed(owners)),
                // /proc does not show on which interface a socket is.
                _ => format!(", by one of {}", listed(owners)),
            };
            let look = || Action::run(["ss", "--xdp", "-p"]);
            Check::error(name, format!("{found}{who}"))
                .why("A queue has one AF_XDP socket, and handfast needs one on every queue of the interface.")
                .fix(Fix::by_hand(program_owners::end(owners).unwrap_or_else(look)))
        }
    }
}

/// Reduces the queues to those that have sockets, if those are the first ones; otherwise the program
/// has to be restarted.
fn fewer_queues(host: &Host) -> Option<Fix> {
    let taken = &host.probe.taken;
    if !taken.iter().copied().eq(0..taken.len() as u32) {
        return program_owners::end(&host.owners.sockets).map(Fix::by_hand);
    }
    let set = |queues: usize| {
        let count = queues.to_string();
        let kinds = match host.device.is_veth() {
            true => vec!["rx", &count, "tx", &count],
            false => vec!["combined", &count],
        };
        Action::run(["ethtool", "-L", host.name()].into_iter().chain(kinds))
    };
    Some(Fix::by_hand(set(taken.len())).undone_by(set(taken.len() + host.probe.free.len())))
}

fn numbers(queues: &[u32]) -> String {
    queues.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn traffic_control(host: &Host) -> Check {
    let name = "traffic-control";
    match output(&["tc", "qdisc", "show", "dev", host.name()]) {
        Ok(stdout) if stdout.contains("clsact") || stdout.contains("ingress") => {
            Check::ok(name, "ingress filters: they see only the frames that XDP passes to the kernel")
        }
        Ok(_) => Check::ok(name, "no ingress filters"),
        Err(error) => Check::unknown(name, error.to_string()),
    }
}

/// Listeners of this host's kernel, with their programs: they do not see what handfast takes of their
/// addresses and ports.
fn listeners() -> Check {
    let name = "listeners";
    let sockets = match kernel_tcp::sockets() {
        Ok(sockets) => sockets,
        Err(error) => return Check::unknown(name, error.to_string()),
    };
    // Frames of an interface do not reach listeners on the loopback.
    let open = sockets.iter().filter(|socket| socket.peer.is_none() && !socket.local.ip().is_loopback());
    let inodes = open.clone().map(|socket| socket.inode).collect();
    let owners = kernel_tcp::owners(&inodes);
    let named = |socket: &KernelSocket| {
        let owner = owners.get(&socket.inode);
        let owner = owner.map_or_else(String::new, |owner| format!(" ({}, pid {})", owner.name, owner.pid));
        format!("{}{owner}", socket.local)
    };
    let places: BTreeMap<SocketAddr, String> = open.map(|socket| (socket.local, named(socket))).collect();
    if places.is_empty() {
        return Check::ok(name, "the kernel listens on no TCP port");
    }
    let mut shown: Vec<String> = places.values().take(NAMED).cloned().collect();
    if places.len() > NAMED {
        shown.push(format!("and {} more", places.len() - NAMED));
    }
    let what = "--listen ADDR:PORT shows what a listener of handfast would take from them";
    Check::ok(name, format!("the kernel listens on {}; {what}", shown.join(", ")))
}
