//! Who refuses bpf(2) to a process that has every capability it takes.

use std::fs;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// The capabilities are not those of the host.
    UserNamespace,
    /// A filter of system calls, as a container has.
    Seccomp,
    Unknown,
}

/// As far as /proc tells. For a process that was refused and lacks no capability.
pub fn withheld() -> Withheld {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    of(&read("/proc/self/uid_map"), &read("/proc/thread-self/status"))
}

fn of(uid_map: &str, status: &str) -> Withheld {
    let map: Vec<&str> = uid_map.split_whitespace().collect();
    let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(str::trim);
    match (map.as_slice(), seccomp) {
        // The host's own, in which every number is itself.
        (["0", "0", "4294967295"] | [], Some("2")) => Withheld::Seccomp,
        (["0", "0", "4294967295"] | [], _) => Withheld::Unknown,
        _ => Withheld::UserNamespace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_told_from_a_user_namespace() {
        let host = "         0          0 4294967295\n";
        let rootless = "         0       1000          1\n         1     100000      65536\n";
        let status = |mode| format!("Name:\tx\nNoNewPrivs:\t0\nSeccomp:\t{mode}\nSeccomp_filters:\t1\n");
        for (map, mode, wanted) in [
            (host, 2, Withheld::Seccomp),
            (host, 0, Withheld::Unknown),
            (rootless, 2, Withheld::UserNamespace),
            (rootless, 0, Withheld::UserNamespace),
            ("", 2, Withheld::Seccomp),
        ] {
            assert_eq!(of(map, &status(mode)), wanted, "{map} {mode}");
        }
    }
}
