//! Where SYNs go: the next hop's MAC, from the kernel's own tables. It is found before the
//! steering program is attached, so the kernel resolves it as it would for itself.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;

use super::Failure;
use handfast_report::bench::Status;
use handfast_stack::wire::Mac;

/// How long a neighbour may take to answer, retries by the kernel included.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
/// RFC 863: whatever arrives there is thrown away.
const DISCARD: u16 = 9;
/// States in which the kernel's entry has an address to send to.
const USABLE: [&str; 6] = ["REACHABLE", "STALE", "DELAY", "PROBE", "PERMANENT", "NOARP"];

/// The kernel's way to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) device: String,
    /// `None`: the target is on the link. Of an IPv4 target it may be an IPv6 address (RTA_VIA).
    pub(super) router: Option<IpAddr>,
    /// The address that the kernel would call from (RFC 6724).
    pub(super) source: Option<IpAddr>,
}

/// The MAC that frames for `target` go to by `route`.
pub(super) fn mac(route: &Route, target: IpAddr) -> Result<Mac, Failure> {
    let (device, hop) = (&route.device, route.router.unwrap_or(target));
    if let Some(mac) = neighbour(device, hop)? {
        return Ok(mac);
    }
    provoke(device, hop).map_err(|error| {
        Failure::new(format!("cannot send to the next hop {hop} on {device}: {error}"))
            .fix(format!("ip link set {device} up"))
    })?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(mac) = neighbour(device, hop)? {
            return Ok(mac);
        }
        thread::sleep(LOOK);
    }
    Err(Failure::new(format!("the next hop {hop} does not answer on {device}"))
        .fix("check the link and its other end, or name the next hop's MAC with --gateway")
        .code(Status::Unreachable.exit_code()))
}

/// The kernel's route to `target`; `device`: through this interface.
pub(super) fn route(device: Option<&str>, target: IpAddr) -> Result<Route, Failure> {
    let no_route = || match device {
        Some(device) => Failure::new(format!("the kernel has no route to {target} through {device}"))
            .fix(format!("ip route add {target} dev {device}, or name the next hop's MAC with --gateway")),
        None => Failure::new(format!("the kernel has no route to {target}"))
            .fix(format!("ip route add {target} dev IF, or name the interface with --dev")),
    };
    let text = target.to_string();
    let mut asked = vec!["route", "get", &text];
    if let Some(device) = device {
        // Asked with an interface, the kernel makes a route up where it has none, but for `fibmatch`.
        let _ = ip(&["route", "get", "fibmatch", &text, "oif", device])?.ok_or_else(no_route)?;
        asked.extend(["oif", device]);
    }
    let routes = ip(&asked)?.ok_or_else(no_route)?;
    let route = routes.get(0).ok_or_else(no_route)?;
    match route["type"].as_str() {
        Some("local") => {
            return Err(Failure::new(format!("{target} is an address of this machine's own kernel"))
                .fix("choose a target behind the interface; two ends on one machine need two namespaces"));
        }
        Some("unreachable" | "prohibit" | "blackhole" | "throw") => return Err(no_route()),
        _ => {}
    }
    read(route).ok_or_else(no_route)
}

/// What `ip -json route get` says of a route.
fn read(route: &Value) -> Option<Route> {
    let address = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    Some(Route {
        device: route["dev"].as_str()?.to_owned(),
        router: address(&route["gateway"]).or_else(|| address(&route["via"]["host"])),
        source: address(&route["prefsrc"]),
    })
}

/// What the kernel knows of a neighbour.
fn neighbour(device: &str, hop: IpAddr) -> Result<Option<Mac>, Failure> {
    let hop = hop.to_string();
    let known = ip(&["neigh", "show", "to", &hop, "dev", device])?;
    let entries = known.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(entries.iter().find_map(usable))
}

fn usable(entry: &Value) -> Option<Mac> {
    let states = entry["state"].as_array()?;
    let good = states.iter().filter_map(Value::as_str).any(|state| USABLE.contains(&state));
    super::values::mac(entry["lladdr"].as_str()?).ok().filter(|_| good)
}

/// One empty datagram to the next hop: the kernel asks for its address to send it.
fn provoke(device: &str, hop: IpAddr) -> std::io::Result<()> {
    let any: SocketAddr = match hop {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // Another interface may have a better route to it.
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(device))?;
    socket.send_to(&[], (hop, DISCARD)).map(|_| ())
}

/// What `ip -json` says; `None`: it says no.
fn ip(arguments: &[&str]) -> Result<Option<Value>, Failure> {
    let output = Command::new("ip").arg("-json").args(arguments).output().map_err(|error| {
        Failure::new(format!("cannot run the ip command: {error}"))
            .fix("apt-get install iproute2, or name the next hop's MAC with --gateway")
    })?;
    if !output.status.success() {
        return Ok(None);
    }
    // No neighbour at all is no JSON at all.
    Ok(serde_json::from_slice(&output.stdout).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_has_an_interface_and_perhaps_a_router_and_a_source() {
        let v4 = |last| IpAddr::from([10, 0, 0, last]);
        for (said, router, source) in [
            (json!({"dst": "10.0.0.9", "dev": "eth0", "prefsrc": "10.0.0.1"}), None, Some(v4(1))),
            (json!({"dst": "10.9.0.1", "gateway": "10.0.0.2", "dev": "eth0"}), Some(v4(2)), None),
            (
                json!({"dst": "10.9.0.1", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0"}),
                "fe80::1".parse().ok(),
                None,
            ),
        ] {
            let found = read(&said).expect("a route");
            assert_eq!((found.device.as_str(), found.router, found.source), ("eth0", router, source));
        }
        assert_eq!(read(&json!({"dst": "10.0.0.9"})), None);
    }

    #[test]
    fn only_an_entry_with_an_address_to_send_to_counts() {
        let mac = "02:00:00:00:00:01";
        for (entry, found) in [
            (json!({"lladdr": mac, "state": ["REACHABLE"]}), true),
            (json!({"lladdr": mac, "state": ["STALE"]}), true),
            (json!({"lladdr": mac, "state": ["FAILED"]}), false),
            (json!({"state": ["INCOMPLETE"]}), false),
            (json!({"lladdr": "nonsense", "state": ["REACHABLE"]}), false),
            (json!({}), false),
        ] {
            assert_eq!(usable(&entry).is_some(), found, "{entry}");
        }
    }
}
