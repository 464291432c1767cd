//! What the running kernel can do: by trying where that leaves no trace.

use nix::sys::utsname::uname;

use super::check::Check;
use super::host::Host;
use super::permissions::may_start;
use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::{BpfRefusal, Program, ProgramError, bpf_refusal, inspect};

/// The first release that answers and measures, and the first in which that is all (README).
const OLDEST: (u32, u32) = (5, 10);
const WHOLE: (u32, u32) = (5, 19);
/// `XDP_MAX_TX_SKB_BUDGET` where it does not exist.
const SMALL_BUDGET: u32 = 32;

pub(super) fn checks(host: &Host) -> Vec<Check> {
    let mut checks = vec![release()];
    checks.extend(sockets(host));
    checks.extend([steering_program(), link(), btf()]);
    checks
}

fn release() -> Check {
    match uname() {
        Ok(names) => release_is(&names.release().to_string_lossy()),
        Err(_) => Check::unknown("release", "the kernel does not report it"),
    }
}

fn release_is(release: &str) -> Check {
    match inspect::version(release) {
        Some(version) if version < OLDEST => Check::warning("release", release)
            .why("handfast needs Linux 5.10 or newer; the checks below show what is missing."),
        Some(version) if version < WHOLE => Check::warning("release", release).why(
            "handfast works. Reloading listeners at SIGHUP and the steering counters need Linux 5.19: before, \
             they require capabilities that are dropped at start.",
        ),
        Some(_) => Check::ok("release", release),
        None => Check::unknown("release", release),
    }
}

/// By the socket that could be bound to a queue.
fn sockets(host: &Host) -> Vec<Check> {
    let names = ["af-xdp", "need-wakeup", "transmit-budget"];
    let Some(opened) = &host.probe.opened else {
        let has = inspect::kernel_has_type("xdp_sock");
        let first = match (has, host.probe.taken.is_empty()) {
            (_, false) => Check::ok("af-xdp", "yes: a socket is in use"),
            (Some(true), _) => Check::ok("af-xdp", "the kernel has it"),
            (Some(false), _) => Check::error("af-xdp", "the kernel has none")
                .why("It needs a kernel built with CONFIG_XDP_SOCKETS."),
            (None, _) => Check::unknown("af-xdp", "no socket could be bound for the check"),
        };
        let others =
            names[1..].iter().map(|name| Check::unknown(name, "no socket could be bound for the check"));
        return std::iter::once(first).chain(others).collect();
    };
    let budget = format!("{} frames per wake-up", opened.tx_budget);
    vec![
        Check::ok("af-xdp", "a socket was bound and released"),
        Check::ok("need-wakeup", "accepted"),
        match opened.tx_budget > SMALL_BUDGET {
            true => Check::ok("transmit-budget", budget),
            false => Check::warning("transmit-budget", budget)
                .why("XDP_MAX_TX_SKB_BUDGET (Linux 6.17) sends more frames with one call: about 10 % more per second."),
        },
    ]
}

/// Whether the verifier accepts it. It is not attached.
fn steering_program() -> Check {
    let name = "steering-program";
    match Program::load::<EndpointRange>(&[], &[]) {
        Ok(_) => Check::ok(name, "the kernel's verifier accepts it"),
        Err(ProgramError::LoadPermission { .. }) if may_start() => not_permitted(bpf_refusal()),
        Err(ProgramError::LoadPermission { .. }) => {
            Check::unknown(name, "not tried: loading it is not permitted")
        }
        Err(error) if !may_start() => Check::unknown(name, first_line(&error)),
        Err(error) => Check::error(name, first_line(&error)).why("handfast cannot work without it."),
    }
}

/// Every capability is there, and the kernel refuses all the same.
fn not_permitted(bpf_refusal: BpfRefusal) -> Check {
    let (found, why) = match bpf_refusal {
        BpfRefusal::Seccomp => (
            "a seccomp filter refuses bpf(2)",
            "It applies to this process (Seccomp: 2 in /proc/self/status), as in a container. Docker's default \
             profile allows bpf(2) with --cap-add BPF from 23.0 on; before, or with another profile: docker run \
             --security-opt seccomp=unconfined, or a profile that allows bpf; systemd: SystemCallFilter=bpf.",
        ),
        BpfRefusal::UserNamespace => (
            "bpf(2) is refused in this user namespace",
            "The capabilities belong to a user namespace, as in a rootless container; loading needs those of the \
             host. Run it as root of the host.",
        ),
        BpfRefusal::Unknown => (
            "bpf(2) is refused, although no capability is missing",
            "A security module may refuse it (lockdown, SELinux, AppArmor): `dmesg | tail` may show which.",
        ),
    };
    Check::error("steering-program", found).why(why)
}

fn first_line(error: &ProgramError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn link() -> Check {
    match inspect::kernel_has_type("bpf_xdp_link") {
        Some(true) => Check::ok("xdp-link", "programs are detached when their process ends"),
        Some(false) => Check::error("xdp-link", "the kernel has no XDP links")
            .why("They exist since Linux 5.9: handfast attaches through one, so that a killed process leaves no program behind."),
        None => Check::unknown("xdp-link", "not known: the kernel has no BTF"),
    }
}

fn btf() -> Check {
    match std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        true => Check::ok("btf", "available"),
        false => Check::unknown("btf", "none (CONFIG_DEBUG_INFO_BTF); handfast works without it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_bpf_is_named() {
        for (bpf_refusal, part) in [
            (BpfRefusal::Seccomp, "seccomp"),
            (BpfRefusal::UserNamespace, "user namespace"),
            (BpfRefusal::Unknown, "no capability is missing"),
        ] {
            let check = not_permitted(bpf_refusal);
            assert!(check.found.contains(part) && !check.why.is_empty(), "{check:?}");
        }
    }

    #[test]
    fn a_release_says_what_it_lacks() {
        use crate::check::Level;
        for (release, level, why) in [
            ("5.9.0", Level::Warning, "5.10 or newer"),
            ("5.10.223", Level::Warning, "steering counters"),
            ("5.18.0-1", Level::Warning, "SIGHUP"),
            ("5.19.0", Level::Ok, ""),
            ("6.1.0-13-amd64", Level::Ok, ""),
            ("odd", Level::Unknown, ""),
        ] {
            let check = release_is(release);
            assert_eq!(check.level, level, "{check:?}");
            assert!(check.why.contains(why), "{check:?}");
        }
    }
}
