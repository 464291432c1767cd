//! Checks of an interface, the kernel and the host before handfast runs, and the commands that fix
//! their findings.
//!
//! A check is a value: its name, what was found, its level, the command that fixes it and the one that
//! undoes the fix. Checks change nothing. Settings are read with `ip` and `ethtool` (decision 0010),
//! everything else from the kernel.
//!
//! - `check`: a check; `catalogue` lists all of them; `report` is their sum, `table` its text.
//! - `host`: the facts about an interface that the checks use: `link` as `ip` and `ethtool` describe
//!   it, `veth` the other end of a veth, `netns` its namespace, `probe` the queues that could be
//!   bound, `program_owners` the processes that use it, `sniff` what arrives.
//! - `interface`, `conflicts`, `addresses`, `peer`, `offloads`, `napi`, `permissions`, `kernel`,
//!   `machine`: the checks.
//! - `fix`: applies the safe fixes; `command` runs programs, with a timeout.
//! - `measure`: the maximum rates of a veth pair.
//!
//! May use `lab`, `report`, `text` and the stack.

#![deny(unreachable_pub)]

mod addresses;
mod catalogue;
mod check;
mod command;
mod conflicts;
mod fix;
mod host;
mod interface;
mod kernel;
mod link;
mod machine;
pub mod measure;
mod napi;
mod netns;
mod offloads;
mod peer;
mod permissions;
mod probe;
mod program_owners;
mod report;
mod sniff;
mod table;
mod veth;

pub use catalogue::{CATALOGUE, Group};
pub use check::{Action, Check, Fix, Level};
pub use command::CommandError;
pub use fix::{Applied, apply};
pub use report::{CheckCounts, Report, SCHEMA};
pub use table::Table;

use handfast_stack::xdp::Device;
use host::Host;

/// Looks at an interface of the calling thread's network namespace, and at what is around it.
pub fn examine(interface: &str) -> Report {
    let mut checks = look(interface);
    // In the order of the catalogue.
    let place = |name: &str| {
        CATALOGUE.iter().flat_map(|group| group.checks).position(|known| *known == name).unwrap_or(usize::MAX)
    };
    checks.sort_by_key(|check| place(check.name));
    Report::new(interface, checks)
}

fn look(name: &str) -> Vec<Check> {
    let device = match Device::open(name) {
        Ok(device) => device,
        Err(error) => {
            let mut checks = vec![interface::absent(name, &error)];
            checks.extend(permissions::checks(1, Host::frame_size()));
            return checks;
        }
    };
    let queues = device.rx_queues;
    let host = match Host::look(device) {
        Ok(host) => host,
        Err(error) => {
            let mut checks = vec![interface::no_tools(&error)];
            checks.extend(permissions::checks(queues, Host::frame_size()));
            return checks;
        }
    };
    let groups: [fn(&Host) -> Vec<Check>; 7] = [
        interface::checks,
        conflicts::checks,
        peer::checks,
        offloads::checks,
        napi::checks,
        kernel::checks,
        machine::checks,
    ];
    let mut checks: Vec<Check> = groups.iter().flat_map(|group| group(&host)).collect();
    if host.device.loopback {
        // They would change nothing, and all of this host depends on the loopback.
        checks.iter_mut().for_each(|check| check.fix = None);
    }
    checks.extend(permissions::checks(queues, host.frame_size_by_default()));
    checks
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_check_of_an_interface_is_in_the_catalogue_and_made_once() {
        let report = examine("lo");
        let names: Vec<&str> = report.checks.iter().map(|check| check.name).collect();
        let known: Vec<&str> = CATALOGUE.iter().flat_map(|group| group.checks).copied().collect();
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{names:?}");
        // All but those of a veth's peer.
        let missing: Vec<&str> =
            known.into_iter().filter(|name| !names.contains(name) && !name.starts_with("peer")).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
