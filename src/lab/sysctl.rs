//! Kernel settings of the two namespaces. They have no effect outside: the kernel keeps each per network namespace.

use std::fs;

use super::LabError;

type SysctlSetting = (&'static str, &'static str);

/// For millions of connections of one kernel.
pub(super) const CLIENT: &[SysctlSetting] = &[
    ("net/ipv4/ip_local_port_range", "1024 65535"),
    // A port in TIME-WAIT is reused after a second (RFC 6191).
    ("net/ipv4/tcp_tw_reuse", "1"),
    ("net/ipv4/tcp_timestamps", "1"),
    ("net/ipv4/tcp_max_tw_buckets", "2000000"),
    // Seconds in FIN-WAIT-2 after close().
    ("net/ipv4/tcp_fin_timeout", "5"),
    // No connection depends on measurements of previous ones.
    ("net/ipv4/tcp_no_metrics_save", "1"),
];

/// For comparisons with the kernel's stack, beyond its defaults; below `/proc/sys`. A lab has no packet filter and no
/// connection tracking.
pub const SERVER: &[(&str, &str)] = &[
    ("net/core/somaxconn", "65535"),
    ("net/ipv4/tcp_max_syn_backlog", "65535"),
    // Only when the backlog overflows, which it does not.
    ("net/ipv4/tcp_syncookies", "1"),
    ("net/ipv4/tcp_max_tw_buckets", "2000000"),
];

pub(super) const WITH_IPV6: &[SysctlSetting] = &[
    // Also for the link-local address that the kernel adds.
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
];

/// No multicast reports among the frames that tests count.
pub(super) const WITHOUT_IPV6: &[SysctlSetting] =
    &[("net/ipv6/conf/all/disable_ipv6", "1"), ("net/ipv6/conf/default/disable_ipv6", "1")];

/// Writes the settings into the calling thread's network namespace.
pub(super) fn apply(settings: &[SysctlSetting]) -> Result<(), LabError> {
    for (name, value) in settings {
        let path = format!("/proc/sys/{name}");
        fs::write(&path, value).map_err(|source| LabError::Sysctl {
            path,
            value: (*value).into(),
            source,
        })?;
    }
    Ok(())
}
