//! The host: cores, memory pages, interrupt balancing.

use std::collections::BTreeSet;
use std::fs;

use super::Action;
use super::check::{Check, Fix};
use super::host::{Host, line};
use super::netns::processes;

const CPU: &str = "/sys/devices/system/cpu";

pub(super) fn checks(host: &Host) -> Vec<Check> {
    let cpus = available();
    vec![
        processors(&cpus, host.device.rx_queues),
        governor(&cpus),
        isolation(),
        smt(&cpus),
        numa(host),
        irqbalance(host),
        hugepages(),
    ]
}

/// CPUs that this process may run on.
fn available() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect()
}

fn processors(cpus: &[usize], queues: u32) -> Check {
    let found = format!("{} for {queues} receive queues", cpus.len());
    match cpus.len() {
        0 => Check::unknown("processors", "the kernel does not report it"),
        1 => Check::warning("processors", "1: handfast shares it with everything else")
            .why("handfast and the kernel share the core."),
        count if count < queues as usize => {
            Check::ok("processors", found).why("Some cores serve several queues.")
        }
        _ => Check::ok("processors", found),
    }
}

fn governor(cpus: &[usize]) -> Check {
    let of = |cpu: &usize| line(format!("{CPU}/cpu{cpu}/cpufreq/scaling_governor"));
    let governors: BTreeSet<String> = cpus.iter().filter_map(of).collect();
    let found = governors.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match found.as_str() {
        "" => Check::unknown("governor", "the kernel does not report it, as in most virtual machines"),
        "performance" => Check::ok("governor", found),
        _ => Check::warning("governor", found)
            .why("Cores that reduce their clock when idle answer the first frames late, and rates vary.")
            .fix(Fix::by_hand(Action::run(["cpupower", "frequency-set", "-g", "performance"]))),
    }
}

fn isolation() -> Check {
    let stdout = |file: &str| line(format!("{CPU}/{file}")).filter(|list| list != "(null)");
    match (stdout("isolated"), stdout("nohz_full")) {
        (None, None) => Check::ok("isolation", "no core is isolated from other work"),
        (isolated, nohz) => {
            let list = |list: Option<String>| list.unwrap_or_else(|| "none".into());
            Check::ok("isolation", format!("isolcpus {}, nohz_full {}", list(isolated), list(nohz)))
                .why("Give the isolated cores with --cores.")
        }
    }
}

fn smt(cpus: &[usize]) -> Check {
    let of = |cpu: &usize| line(format!("{CPU}/cpu{cpu}/topology/thread_siblings_list"));
    let siblings: BTreeSet<String> = cpus.iter().filter_map(of).collect();
    let shared: Vec<&str> =
        siblings.iter().map(String::as_str).filter(|list| list.contains([',', '-'])).collect();
    match (siblings.is_empty(), shared.as_slice()) {
        (true, _) => Check::unknown("smt", "the kernel does not report it"),
        (false, []) => Check::ok("smt", "each CPU is a separate core"),
        (false, shared) => Check::ok("smt", format!("CPUs that share a core: {}", shared.join("; "))).why(
            "Two busy loops on one core halve the speed of each: give one CPU of each core with --cores.",
        ),
    }
}

fn numa(host: &Host) -> Check {
    let nodes = line("/sys/devices/system/node/online").unwrap_or_default();
    let several = nodes.contains([',', '-']);
    match (several, host.device.numa_node) {
        (false, _) => Check::ok("numa", "one node"),
        (true, None) => Check::ok("numa", format!("nodes {nodes}; the interface belongs to none")),
        (true, Some(node)) => {
            let cpus = line(format!("/sys/devices/system/node/node{node}/cpulist")).unwrap_or_default();
            Check::ok("numa", format!("nodes {nodes}; the interface is at node {node}, with CPUs {cpus}"))
                .why("Cores of another node access the NIC's memory more slowly: give some of these with --cores.")
        }
    }
}

fn irqbalance(host: &Host) -> Check {
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match processes().any(|pid| name(pid).trim() == "irqbalance") {
        false => Check::ok("irqbalance", "not running"),
        true if host.device.is_veth() => Check::ok("irqbalance", "running; a veth has no interrupts"),
        true => Check::warning("irqbalance", "running")
            .why("It moves the NIC's interrupts between cores, while each loop is bound to one.")
            .fix(Fix::by_hand(Action::run(["systemctl", "stop", "irqbalance"])).undone_by(Action::run([
                "systemctl",
                "start",
                "irqbalance",
            ]))),
    }
}

fn hugepages() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
    };
    match (field("HugePages_Free"), field("Hugepagesize")) {
        (Some(0), _) => Check::ok("hugepages", "none free: a program that requests them gets pages of 4 KiB"),
        (Some(free), Some(size)) => Check::ok("hugepages", format!("{free} free, of {size} KiB")),
        _ => Check::unknown("hugepages", "the kernel does not report it"),
    }
}
