//! The processes that use an interface, from /proc, since not every kernel lists AF_XDP sockets.

use std::fs;

use super::Action;
use super::netns::{is_here, processes};
use handfast_stack::xdp::holds_link;

/// A process, by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub id: u32,
    pub name: String,
}

/// Processes that use an interface, as far as this process may see.
#[derive(Clone, Debug, Default)]
pub(super) struct ProgramOwners {
    /// Those with an AF_XDP socket in this network namespace, on any interface.
    pub sockets: Vec<Process>,
    /// Those that keep a program of the interface attached.
    pub programs: Vec<Process>,
}

/// `programs`: the IDs of the programs attached to the interface.
pub(super) fn find(programs: &[u32]) -> ProgramOwners {
    let mut found = ProgramOwners::default();
    let own = std::process::id();
    for id in processes().filter(|id| *id != own) {
        let named = || {
            let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            Process { id, name: name.trim().to_owned() }
        };
        if !programs.is_empty() && holds_link(id, programs) {
            found.programs.push(named());
        }
        if is_here(id) && has_xdp_socket(id) {
            found.sockets.push(named());
        }
    }
    found
}

pub(super) fn listed(processes: &[Process]) -> String {
    let named = |process: &Process| format!("{} ({})", process.name, process.id);
    processes.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// The command that ends the only process. `None`: there is none, or there are several.
pub(super) fn end(processes: &[Process]) -> Option<Action> {
    match processes {
        [only] => Some(Action::run(["kill", &only.id.to_string()])),
        _ => None,
    }
}

/// A mapped fill ring (`XDP_UMEM_PGOFF_FILL_RING`) of a socket: no other socket has one there.
fn has_xdp_socket(id: u32) -> bool {
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).unwrap_or_default();
    maps.lines().any(is_fill_ring)
}

fn is_fill_ring(mapping: &str) -> bool {
    let mut words = mapping.split_whitespace();
    words.nth(2) == Some("100000000") && words.next_back().is_some_and(|name| name.starts_with("socket:["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_process_is_ended() {
        let process = |id| Process { id, name: "capture".into() };
        assert_eq!(end(&[process(7)]).map(|action| action.to_string()), Some("kill 7".into()));
        assert_eq!(end(&[process(7), process(8)]), None);
        assert_eq!(end(&[]), None);
    }

    #[test]
    fn fill_rings_are_distinguished_from_other_mappings() {
        for (mapping, expected) in [
            ("7f6e-7f6f rw-s 100000000 00:09 46168700                  socket:[46168700]", true),
            ("7f6e-7f6f rw-s 00000000 00:09 46168700                   socket:[46168700]", false),
            ("7f6e-7f6f rw-s 100000000 00:09 12                        /var/socket", false),
            ("7f6e-7f6f rw-p 00000000 00:00 0", false),
        ] {
            assert_eq!(is_fill_ring(mapping), expected, "{mapping}");
        }
    }
}
