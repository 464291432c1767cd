//! The host's own addresses, on any interface and under any label: there the kernel
//! keeps the ports that handfast is not given.

use std::net::IpAddr;

use serde::Deserialize;

use super::check::Check;
use super::command::output;

/// Addresses that are named; the others are counted.
const NAMED: usize = 8;

/// What `ip -json address show` says of an interface, as far as it is used.
#[derive(Deserialize)]
struct Held {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    addr_info: Vec<HostAddress>,
}

#[derive(Deserialize)]
struct HostAddress {
    local: Option<IpAddr>,
    #[serde(default)]
    label: String,
}

pub(super) fn check() -> Check {
    let name = "addresses";
    match output(&["ip", "-json", "address", "show"]) {
        Ok(stdout) => serde_json::from_str::<Vec<Held>>(&stdout).map_or_else(
            |_| Check::unknown(name, "the output of ip could not be read"),
            |held| shared(&held),
        ),
        Err(error) => Check::unknown(name, error.to_string()),
    }
}

fn shared(held: &[Held]) -> Check {
    let all = held.iter().flat_map(|held| held.addr_info.iter().map(move |address| (&held.ifname, address)));
    let names: Vec<String> = all.filter_map(|(ifname, address)| named(ifname, address)).collect();
    if names.is_empty() {
        return Check::ok(
            "addresses",
            "this host has none: every address given to handfast belongs to it alone",
        );
    }
    let mut shown: Vec<String> = names.iter().take(NAMED).cloned().collect();
    if names.len() > NAMED {
        shown.push(format!("and {} more", names.len() - NAMED));
    }
    let found = format!("{}; handfast takes only the listed ports there", shown.join(", "));
    Check::ok("addresses", found)
}

/// With the interface, and the label where it is another name: that is no interface.
fn named(ifname: &str, address: &HostAddress) -> Option<String> {
    let local = address.local.filter(|local| !local.is_loopback())?;
    match address.label.as_str() {
        label if label.is_empty() || label == ifname => Some(format!("{local} ({ifname})")),
        label => Some(format!("{local} ({ifname}, labelled {label})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_all_interfaces_are_named_with_their_labels() {
        let stdout = r#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1","label":"lo"},{"local":"10.9.9.9","label":"lo"}]},
            {"ifname":"eth0","addr_info":[{"local":"10.0.0.5","label":"eth0"},{"local":"10.0.0.6","label":"eth0:1"},
            {"local":"2001:db8::5"}]},{}]"#;
        let check = shared(&serde_json::from_str::<Vec<Held>>(stdout).unwrap());
        assert!(
            check.found.starts_with(
                "10.9.9.9 (lo), 10.0.0.5 (eth0), 10.0.0.6 (eth0, labelled eth0:1), 2001:db8::5 (eth0);"
            ),
            "{check:?}"
        );
        assert!(shared(&[]).found.contains("this host has none"));
    }
}
