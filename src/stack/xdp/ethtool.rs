//! Queries by ethtool and the classic interface ioctls.
#![allow(unsafe_code, reason = "ioctl takes pointers, and /sys shows only the namespace it was mounted in")]

use std::{
    io, mem,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GSTRINGS: u32 = 0x1b;
const ETHTOOL_GSTATS: u32 = 0x1d;
const ETHTOOL_GRXCSUM: u32 = 0x14;
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
/// `ETH_SS_STATS`, and the bytes of a name in it.
const STATISTICS: u32 = 1;
const NAME_LEN: usize = 32;
/// `ETH_FLAG_RXVLAN`.
const FLAG_RXVLAN: u32 = 1 << 8;

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

    /// Queues with both directions, as a socket needs that sends and receives.
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

/// Where `n_stats` lies in `rest`.
const N_STATS: usize = 144;
/// More counters than any driver has.
const MAX_STATISTICS: u32 = 8192;
/// Entries that the buffer holds. The kernel writes as many as the driver has at that time, which may be
/// more than the number that was read before.
const BUFFER: usize = 2 * MAX_STATISTICS as usize;

/// `struct ethtool_value`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct EthtoolValue {
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
    let name = info.driver.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// Whether checksums are left to the device: (receive, transmit); `None` if unknown.
pub(super) fn checksum_offload(ifname: &str) -> (Option<bool>, Option<bool>) {
    let ask = |cmd| {
        let mut value = EthtoolValue { cmd, data: 0 };
        ethtool(ifname, &mut value).ok().map(|()| value.data != 0)
    };
    (ask(ETHTOOL_GRXCSUM), ask(ETHTOOL_GTXCSUM))
}

/// The driver's own statistics (`ethtool -S`), by name.
pub(super) fn statistics(ifname: &str) -> io::Result<Vec<(String, u64)>> {
    let mut info = DriverInfo { cmd: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    ethtool(ifname, &mut info)?;
    let count = u32::from_ne_bytes(info.rest[N_STATS..N_STATS + 4].try_into().unwrap_or_default());
    if count > MAX_STATISTICS {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    // Both commands begin with two numbers of 32 bits, the first with a third one.
    let mut names = vec![0u64; 2 + BUFFER * NAME_LEN / 8];
    names[0] = pair(ETHTOOL_GSTRINGS, STATISTICS);
    names[1] = pair(count, 0);
    let mut values = vec![0u64; 1 + BUFFER];
    values[0] = pair(ETHTOOL_GSTATS, count);
    listed(ifname, &mut names)?;
    listed(ifname, &mut values)?;
    let bytes = names.iter().flat_map(|word| word.to_ne_bytes()).skip(12);
    let bytes: Vec<u8> = bytes.take(count as usize * NAME_LEN).collect();
    let text = |name: &[u8]| {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    };
    Ok(bytes.chunks_exact(NAME_LEN).map(text).zip(values.into_iter().skip(1)).collect())
}

/// Two adjacent numbers of 32 bits.
fn pair(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

/// Whether the device removes VLAN tags of received frames.
pub(super) fn strips_vlan_tag(ifname: &str) -> io::Result<bool> {
    let mut flags = EthtoolValue { cmd: ETHTOOL_GFLAGS, data: 0 };
    ethtool(ifname, &mut flags)?;
    Ok(flags.data & FLAG_RXVLAN != 0)
}

/// Bytes of the largest IP packet.
pub(super) fn mtu(ifname: &str) -> io::Result<u32> {
    let mut request = request(ifname)?;
    ioctl(libc::SIOCGIFMTU as libc::Ioctl, &mut request)?;
    // SAFETY: SIOCGIFMTU has filled in `ifru_mtu`; any bits are a valid integer.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    Ok(u32::try_from(mtu).unwrap_or(0))
}

/// The types of this file that SIOCETHTOOL fills in: `repr(C)`, and valid whatever their bits.
trait EthtoolCommand {}
impl EthtoolCommand for Channels {}
impl EthtoolCommand for DriverInfo {}
impl EthtoolCommand for EthtoolValue {}

fn ethtool<T: EthtoolCommand>(ifname: &str, command: &mut T) -> io::Result<()> {
    let mut request = request(ifname)?;
    request.ifr_ifru.ifru_data = (&raw mut *command).cast();
    ioctl(SIOCETHTOOL, &mut request)
}

/// A command whose reply has an entry for each of the driver's counters: room for `BUFFER` of them.
fn listed(ifname: &str, command: &mut [u64]) -> io::Result<()> {
    let mut request = request(ifname)?;
    request.ifr_ifru.ifru_data = command.as_mut_ptr().cast();
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

/// An ioctl in the calling thread's network namespace.
fn ioctl(code: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    let socket: OwnedFd = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: the code belongs to `request`, which is live for the call; where it carries a
    // pointer, `ethtool` has set it to a live `Command` of the size that its `cmd` stands for, or
    // `listed` to a buffer for twice as many entries as any driver has.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), code, &raw mut *request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
