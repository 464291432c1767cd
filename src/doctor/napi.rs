//! How the kernel polls the interface.

use std::fs;

use super::Action;
use super::check::{Check, Fix};
use super::host::{Host, line};

pub(super) fn checks(host: &Host) -> Vec<Check> {
    vec![
        setting(host, "gro-flush-timeout", "gro_flush_timeout", "ns"),
        setting(host, "defer-hard-irqs", "napi_defer_hard_irqs", "polls"),
        busy_poll(),
    ]
}

/// Both make the driver defer interrupts for an application that polls. handfast does not make the
/// kernel poll, so frames would wait until the timeout.
fn setting(host: &Host, name: &'static str, file: &str, unit: &str) -> Check {
    let Some(folder) = host.sys() else {
        return Check::unknown(name, "/sys shows another network namespace")
            .why("`ip netns exec NAMESPACE handfast doctor …` has its own /sys.");
    };
    let path = folder.join(file).display().to_string();
    let value = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    match value {
        None => Check::unknown(name, "this kernel has no such setting"),
        Some(0) => Check::ok(name, "0: frames are delivered at once"),
        Some(value) => {
            let write = |value: u64| Action::Write { value: value.to_string(), path: path.clone() };
            Check::warning(name, format!("{value} {unit}"))
                .why(
                    "The driver waits for an application that polls it, and frames are delayed meanwhile: on a veth, \
                     answers were seven times slower.",
                )
                .fix(Fix::safe(write(0), write(value)))
        }
    }
}

fn busy_poll() -> Check {
    match line("/proc/sys/net/core/busy_poll") {
        None => Check::unknown("busy-poll", "not shown in this network namespace"),
        Some(value) if value == "0" => Check::ok("busy-poll", "off"),
        Some(value) => Check::ok("busy-poll", format!("{value} µs, which handfast does not use")),
    }
}
