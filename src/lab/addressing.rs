use std::fmt::Write;

use super::spec::{
    CLIENT_MAC, KERNEL_V4, KERNEL_V6, SERVER_DEVICE, SOURCES_V4, SOURCES_V6, Spec, client_addresses, gateway,
};

/// Returns the lines for `ip -batch` that set up one end's links, mark, addresses and routes.
pub(super) fn addressing(device: &str, spec: &Spec) -> String {
    let mut lines = format!("link set lo up\nlink set {device} up alias {}\n", spec.mark());
    let mut add = |address: String| {
        // Writing to a String cannot fail.
        let (address, flag) = address.split_once(' ').unwrap_or((&address, ""));
        let _ = writeln!(lines, "address add {address} dev {device} {flag}");
    };
    if device == SERVER_DEVICE {
        add(format!("{KERNEL_V4}/16"));
    } else {
        client_addresses(false).for_each(|address| add(format!("{address}/16")));
    }
    // Usable at once: no duplicate address detection on this link.
    if spec.ipv6 && device == SERVER_DEVICE {
        add(format!("{KERNEL_V6}/64 nodad"));
    } else if spec.ipv6 {
        client_addresses(true).for_each(|address| add(format!("{address}/64 nodad")));
    }
    if device == SERVER_DEVICE {
        lines += &source_route(SOURCES_V4, false);
        lines += &if spec.ipv6 { source_route(SOURCES_V6, true) } else { String::new() };
    }
    lines
}

/// Returns the route from the server's kernel to the load generator's sources, with a permanent neighbour entry.
fn source_route(sources: &str, ipv6: bool) -> String {
    let gateway = gateway(ipv6);
    format!(
        "neighbour replace {gateway} lladdr {CLIENT_MAC} dev {SERVER_DEVICE} nud permanent\n\
         route add {sources} via {gateway} dev {SERVER_DEVICE}\n"
    )
}
