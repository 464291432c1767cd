use std::fmt::Write;

use super::spec::{
    CLIENT_MAC, KERNEL_V4, KERNEL_V6, SERVER_DEVICE, SOURCES_V4, SOURCES_V6, Spec, client_addresses, gateway,
};

/// The lines for `ip -batch` that raise one end's links, mark it, and give it addresses and routes.
pub(super) fn addressing(device: &str, spec: &Spec) -> String {
    let mut lines = format!("link set lo up\nlink set {device} up alias {}\n", spec.mark());
    let mut add = |address: String| {
        // A String takes any write.
        let (address, flag) = address.split_once(' ').unwrap_or((&address, ""));
        let _ = writeln!(lines, "address add {address} dev {device} {flag}");
    };
    if device == SERVER_DEVICE {
        add(format!("{KERNEL_V4}/16"));
    } else {
        client_addresses(false).for_each(|address| add(format!("{address}/16")));
    }
    // Usable at once: nobody else is on this link, so no duplicate need be looked for.
    if spec.ipv6 && device == SERVER_DEVICE {
        add(format!("{KERNEL_V6}/64 nodad"));
    } else if spec.ipv6 {
        client_addresses(true).for_each(|address| add(format!("{address}/64 nodad")));
    }
    if device == SERVER_DEVICE {
        lines += &way_back(SOURCES_V4, false);
        lines += &if spec.ipv6 { way_back(SOURCES_V6, true) } else { String::new() };
    }
    lines
}

/// From the server's kernel to a load generator's sources, through an entry in its neighbour table
/// that it never has to ask for again.
fn way_back(sources: &str, ipv6: bool) -> String {
    let gateway = gateway(ipv6);
    format!(
        "neighbour replace {gateway} lladdr {CLIENT_MAC} dev {SERVER_DEVICE} nud permanent\n\
         route add {sources} via {gateway} dev {SERVER_DEVICE}\n"
    )
}
