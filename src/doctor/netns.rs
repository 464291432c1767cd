//! Network namespaces as seen from this one, to find the peer of a veth.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::Action;

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// A network namespace, as far as a command can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Netns {
    Here,
    /// By its name for `ip netns`.
    Named(String),
    /// That of a process.
    Process(u32),
}

impl Netns {
    /// The namespace with this ID in the current one.
    pub(super) fn of_nsid(nsid: i32) -> Option<Netns> {
        let is_it = |path: &Path| nsid_of(path).is_ok_and(|found| found == Some(nsid));
        let name = names().into_iter().find(|name| is_it(&Path::new(NAMES).join(name)));
        name.map(Netns::Named).or_else(|| process_with(is_it).map(Netns::Process))
    }

    /// The command with the prefix that runs it in the namespace.
    pub(super) fn words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let prefix = match self {
            Netns::Here => Vec::new(),
            Netns::Named(name) => ["ip", "netns", "exec", name].map(String::from).to_vec(),
            Netns::Process(pid) => vec!["nsenter".to_owned(), format!("--net=/proc/{pid}/ns/net")],
        };
        prefix.into_iter().chain(words.into_iter().map(String::from)).collect()
    }

    pub(super) fn action<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Action {
        Action::Run(self.words(words))
    }

    /// The namespace in a sentence.
    pub(super) fn described(&self) -> String {
        match self {
            Netns::Here => "this namespace".into(),
            Netns::Named(name) => format!("namespace {name}"),
            Netns::Process(pid) => format!("the namespace of process {pid}"),
        }
    }
}

/// The namespaces that `ip netns` knows.
pub(super) fn names() -> Vec<String> {
    let entries = fs::read_dir(NAMES).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Whether a process is in the calling thread's network namespace.
pub(super) fn is_here(pid: u32) -> bool {
    let ours = identity(Path::new("/proc/thread-self/ns/net"));
    ours.is_some() && identity(&namespace_of(pid)) == ours
}

/// Every process's id.
pub(super) fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process in the first namespace that matches; each namespace is checked once.
fn process_with(is_it: impl Fn(&Path) -> bool) -> Option<u32> {
    let mut seen = HashSet::new();
    processes().find(|pid| {
        let path = namespace_of(*pid);
        identity(&path).is_some_and(|identity| seen.insert(identity)) && is_it(&path)
    })
}

fn namespace_of(pid: u32) -> PathBuf {
    format!("/proc/{pid}/ns/net").into()
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

// From linux/rtnetlink.h and linux/net_namespace.h.
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NLM_F_REQUEST: u16 = 1;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `struct nlmsghdr` and `struct rtgenmsg`, padded: where attributes begin.
const ATTRIBUTES: usize = 20;

/// The ID that this namespace has for the one at `path`, if any.
fn nsid_of(path: &Path) -> io::Result<Option<i32>> {
    let namespace = File::open(path)?;
    let route = SockProtocol::NetlinkRoute;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route)?;
    let request = request(namespace.as_raw_fd() as u32);
    sendto(socket.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 256];
    let len = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    Ok(answer.get(..len).and_then(nsid_in))
}

fn request(descriptor: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ATTRIBUTES + 8);
    bytes.extend((ATTRIBUTES as u32 + 8).to_ne_bytes());
    bytes.extend(RTM_GETNSID.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence number, port and family are filled in by the kernel or not used.
    bytes.resize(ATTRIBUTES, 0);
    bytes.extend(8u16.to_ne_bytes());
    bytes.extend(NETNSA_FD.to_ne_bytes());
    bytes.extend(descriptor.to_ne_bytes());
    bytes
}

/// -1 in an answer means that there is no number.
fn nsid_in(answer: &[u8]) -> Option<i32> {
    let number = |at: usize| answer.get(at..)?.first_chunk::<2>().map(|bytes| u16::from_ne_bytes(*bytes));
    if number(4)? != RTM_NEWNSID {
        return None;
    }
    let mut at = ATTRIBUTES;
    loop {
        let (len, kind) = (usize::from(number(at)?), number(at + 2)?);
        if kind == NETNSA_NSID {
            let value = answer.get(at + 4..)?.first_chunk::<4>()?;
            return Some(i32::from_ne_bytes(*value)).filter(|nsid| *nsid >= 0);
        }
        // Attributes are padded to four bytes; a length of 0 must not loop forever.
        at += len.max(4).next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, attributes: &[(u16, i32)]) -> Vec<u8> {
        let mut bytes = request(0);
        bytes.truncate(ATTRIBUTES);
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        for (kind, value) in attributes {
            bytes.extend(8u16.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn the_number_is_found_behind_other_attributes() {
        for (kind, attributes, expected) in [
            (RTM_NEWNSID, &[(NETNSA_NSID, 7)][..], Some(7)),
            (RTM_NEWNSID, &[(9, 1), (NETNSA_NSID, 0)], Some(0)),
            (RTM_NEWNSID, &[(NETNSA_NSID, -1)], None),
            (RTM_NEWNSID, &[], None),
            (2, &[(NETNSA_NSID, 7)], None),
        ] {
            assert_eq!(nsid_in(&answer(kind, attributes)), expected, "{kind} {attributes:?}");
        }
        for len in 0..28 {
            assert_eq!(nsid_in(&answer(RTM_NEWNSID, &[(NETNSA_NSID, 7)])[..len]), None, "cut at {len}");
        }
    }

    #[test]
    fn the_kernel_answers() {
        // A namespace usually has no ID for itself.
        assert!(nsid_of(Path::new("/proc/thread-self/ns/net")).is_ok());
        assert!(is_here(std::process::id()));
    }

    #[test]
    fn a_command_goes_where_it_is_meant() {
        let words = ["ethtool", "-k", "hf-c"];
        let stdout = |netns: Netns| netns.action(words).to_string();
        assert_eq!(stdout(Netns::Here), "ethtool -k hf-c");
        assert_eq!(stdout(Netns::Named("lab".into())), "ip netns exec lab ethtool -k hf-c");
        assert_eq!(stdout(Netns::Process(9)), "nsenter --net=/proc/9/ns/net ethtool -k hf-c");
    }
}
