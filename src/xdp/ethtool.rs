//! What ethtool and the classic interface ioctls say.
#![allow(unsafe_code, reason = "ioctl takes pointers, and /sys shows only the namespace it was mounted in")]

use std::{
    io, mem,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GRXCSUM: u32 = 0x14;
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_GCHANNELS: u32 = 0x3c;

/// `struct ethtool_channels`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Channels {
    cmd: u32,
    max: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

impl Channels {
    /// Receive queues.
    pub(super) fn receive(&self) -> u32 {
        self.rx + self.combined
    }

    /// Queues that have both directions, as a socket that sends and receives needs.
    pub(super) fn paired(&self) -> u32 {
        self.rx.min(self.tx) + self.combined
    }
}

/// `struct ethtool_drvinfo`.
#[derive(Clone, Copy)]
#[repr(C)]
struct DriverInfo {
    cmd: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `struct ethtool_value`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Value {
    cmd: u32,
    data: u32,
}

const _: () = assert!(mem::size_of::<Channels>() == 36);
const _: () = assert!(mem::size_of::<DriverInfo>() == 196);

pub(super) fn channels(ifname: &str) -> io::Result<Channels> {
    let mut channels = Channels { cmd: ETHTOOL_GCHANNELS, ..Channels::default() };
    ethtool(ifname, &mut channels)?;
    Ok(channels)
}

pub(super) fn driver(ifname: &str) -> io::Result<String> {
    let mut info = DriverInfo { cmd: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    ethtool(ifname, &mut info)?;
    let name = info.driver.split(|&octet| octet == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Whether checksums are left to the device: (receive, transmit).
pub(super) fn checksum_offload(ifname: &str) -> (Option<bool>, Option<bool>) {
    let ask = |cmd| {
        let mut value = Value { cmd, data: 0 };
        ethtool(ifname, &mut value).ok().map(|()| value.data != 0)
    };
    (ask(ETHTOOL_GRXCSUM), ask(ETHTOOL_GTXCSUM))
}

/// Octets of the largest IP packet.
pub(super) fn mtu(ifname: &str) -> io::Result<u32> {
    let mut request = request(ifname)?;
    ioctl(libc::SIOCGIFMTU as libc::Ioctl, &mut request)?;
    // SAFETY: SIOCGIFMTU has filled in `ifru_mtu`; any bits are a valid integer.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    Ok(u32::try_from(mtu).unwrap_or(0))
}

/// The types of this file that SIOCETHTOOL fills in: `repr(C)`, and valid whatever their bits.
trait Command {}
impl Command for Channels {}
impl Command for DriverInfo {}
impl Command for Value {}

fn ethtool<T: Command>(ifname: &str, command: &mut T) -> io::Result<()> {
    let mut request = request(ifname)?;
    request.ifr_ifru.ifru_data = (&raw mut *command).cast();
    ioctl(SIOCETHTOOL, &mut request)
}

fn request(ifname: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an ifreq is plain data, for which zero is a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if ifname.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(ifname.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// In the network namespace of the calling thread.
fn ioctl(code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    let socket: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: the code belongs to `request`, which is live for the call; where it carries a
    // pointer, `ethtool` has set it to a live `Command` of the size that its `cmd` stands for.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), code, &raw mut *request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
