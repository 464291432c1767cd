//! Why bpf(2) is refused to a process with all capabilities that it needs.

use std::fs;

/// The cause of a refusal that no missing capability explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BpfRefusal {
    /// The capabilities are those of a user namespace, not of the host.
    UserNamespace,
    /// A seccomp filter, as a container has.
    Seccomp,
    /// Another one, such as a security module.
    Unknown,
}

/// The likely cause, by /proc, for this process: bpf(2) was refused, and no capability is missing.
pub fn bpf_refusal() -> BpfRefusal {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    of(&read("/proc/self/uid_map"), &read("/proc/thread-self/status"))
}

fn of(uid_map: &str, status: &str) -> BpfRefusal {
    let map: Vec<&str> = uid_map.split_whitespace().collect();
    let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    match (map.as_slice(), seccomp) {
        // The host's own namespace maps every id to itself.
        (["0", "0", "4294967295"] | [], Some("2")) => BpfRefusal::Seccomp,
        (["0", "0", "4294967295"] | [], _) => BpfRefusal::Unknown,
        _ => BpfRefusal::UserNamespace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_distinguished_from_a_user_namespace() {
        let host = "         0          0 4294967295\n";
        let rootless = "         0       1000          1\n         1     100000      65536\n";
        let status = |mode| format!("Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t{mode}\nSeccomp_filters:\t1\n");
        for (map, mode, wanted) in [
            (host, 2, BpfRefusal::Seccomp),
            (host, 0, BpfRefusal::Unknown),
            (rootless, 2, BpfRefusal::UserNamespace),
            (rootless, 0, BpfRefusal::UserNamespace),
            ("", 2, BpfRefusal::Seccomp),
        ] {
            assert_eq!(of(map, &status(mode)), wanted, "{map} {mode}");
        }
    }
}
