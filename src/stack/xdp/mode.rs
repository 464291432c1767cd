use std::fmt;

use libbpf_rs::libbpf_sys;

/// The place in the receive path where the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// In the driver, before the kernel allocates an skb.
    Native,
    /// In the kernel's network stack; every interface supports it.
    Generic,
}

impl Mode {
    /// The keyword of the mode in `ip link set dev IF KEYWORD off`.
    pub fn ip_link_keyword(self) -> &'static str {
        match self {
            Mode::Native => "xdpdrv",
            Mode::Generic => "xdpgeneric",
        }
    }

    /// The flag of the mode for `bpf_link_create`.
    pub(super) fn flags(self) -> u32 {
        match self {
            Mode::Native => libbpf_sys::XDP_FLAGS_DRV_MODE,
            Mode::Generic => libbpf_sys::XDP_FLAGS_SKB_MODE,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        })
    }
}
