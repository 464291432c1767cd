/// Checks that belong together, in the order in which they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    pub title: &'static str,
    pub checks: &'static [&'static str],
}

/// Every check there is. `docs/doctor.md` explains each.
pub const CATALOGUE: &[Group] = &[
    Group {
        title: "interface",
        checks: &[
            "interface",
            "link",
            "carrier",
            "mtu",
            "driver",
            "xdp-modes",
            "zero-copy",
            "syn-cookies",
            "queues",
            "rss",
        ],
    },
    Group {
        title: "conflicts",
        checks: &["programs", "queue-sockets", "traffic-control", "addresses", "listeners"],
    },
    Group {
        title: "peer",
        checks: &["peer", "peer-checksum", "peer-segmentation", "peer-vlan", "peer-mtu", "peer-queues"],
    },
    Group { title: "offloads", checks: &["lro", "gro-hw", "rx-vlan", "tx-checksum", "partial-checksums"] },
    Group { title: "polling", checks: &["gro-flush-timeout", "defer-hard-irqs", "busy-poll"] },
    Group { title: "permissions", checks: &["capabilities", "locked-memory", "unprivileged-bpf"] },
    Group {
        title: "kernel",
        checks: &[
            "release",
            "af-xdp",
            "need-wakeup",
            "transmit-budget",
            "steering-program",
            "xdp-link",
            "btf",
        ],
    },
    Group {
        title: "machine",
        checks: &["processors", "governor", "isolation", "smt", "numa", "irqbalance", "hugepages"],
    },
];
