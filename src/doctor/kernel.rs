//! What the running kernel can do: by trying where that leaves no trace.

use nix::sys::utsname::uname;

use super::caller::may_start;
use super::check::Check;
use super::host::Host;
use crate::xdp::{Program, ProgramError, inspect};

/// The first release with everything that is used (README).
const OLDEST: (u32, u32) = (5, 19);
/// `XDP_MAX_TX_SKB_BUDGET` where it does not exist.
const SMALL_BUDGET: u32 = 32;

pub(super) fn checks(host: &Host) -> Vec<Check> {
    let mut checks = vec![release()];
    checks.extend(sockets(host));
    checks.extend([steering_program(), link(), btf()]);
    checks
}

fn release() -> Check {
    let Ok(names) = uname() else { return Check::unknown("release", "the kernel does not say") };
    let release = names.release().to_string_lossy().into_owned();
    match version(&release) {
        Some(version) if version < OLDEST => Check::warning("release", release)
            .why("handfast is made for Linux 5.19 or newer: what this one lacks is told below."),
        Some(_) => Check::ok("release", release),
        None => Check::unknown("release", release),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// By the socket that could be bound to a queue.
fn sockets(host: &Host) -> Vec<Check> {
    let names = ["af-xdp", "need-wakeup", "transmit-budget"];
    let Some(opened) = &host.probe.opened else {
        let has = inspect::kernel_has_type("xdp_sock");
        let first = match (has, host.probe.taken.is_empty()) {
            (_, false) => Check::ok("af-xdp", "yes: somebody uses it"),
            (Some(true), _) => Check::ok("af-xdp", "the kernel has it"),
            (Some(false), _) => Check::error("af-xdp", "the kernel has none")
                .why("It takes a kernel built with CONFIG_XDP_SOCKETS."),
            (None, _) => Check::unknown("af-xdp", "no socket could be bound to see"),
        };
        let others = names[1..].iter().map(|name| Check::unknown(name, "no socket could be bound to see"));
        return std::iter::once(first).chain(others).collect();
    };
    let budget = format!("{} frames a wake-up", opened.tx_budget);
    vec![
        Check::ok("af-xdp", "a socket was bound, and released"),
        Check::ok("need-wakeup", "accepted"),
        match opened.tx_budget > SMALL_BUDGET {
            true => Check::ok("transmit-budget", budget),
            false => Check::warning("transmit-budget", budget)
                .why("XDP_MAX_TX_SKB_BUDGET (Linux 6.17) sends more with one call: some 10 % more frames a second."),
        },
    ]
}

/// Whether the verifier takes it. It is attached to nothing.
fn steering_program() -> Check {
    let name = "steering-program";
    match Program::load(&[], &[]) {
        Ok(_) => Check::ok(name, "the kernel's verifier takes it"),
        Err(ProgramError::LoadPermission { .. }) => {
            Check::unknown(name, "not tried: loading it is not permitted")
        }
        Err(error) if !may_start() => Check::unknown(name, first_line(&error)),
        Err(error) => Check::error(name, first_line(&error)).why("Nothing works without it."),
    }
}

fn first_line(error: &ProgramError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn link() -> Check {
    match inspect::kernel_has_type("bpf_xdp_link") {
        Some(true) => Check::ok("xdp-link", "programs leave the interface with their process"),
        Some(false) => Check::error("xdp-link", "the kernel has no links for XDP")
            .why("They came with Linux 5.9: handfast attaches by one, so that a killed process leaves nothing behind."),
        None => Check::unknown("xdp-link", "the kernel has no BTF to look it up in"),
    }
}

fn btf() -> Check {
    match std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        true => Check::ok("btf", "the kernel describes its types"),
        false => Check::unknown("btf", "none (CONFIG_DEBUG_INFO_BTF); handfast works without"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        for (release, expected) in [
            ("6.18.44-fc-v657", Some((6, 18))),
            ("5.9.0", Some((5, 9))),
            ("6.1.0-13-amd64", Some((6, 1))),
            ("odd", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!((5, 9) < OLDEST && (6, 1) > OLDEST);
    }
}
