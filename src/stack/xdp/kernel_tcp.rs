//! The kernel's TCP sockets and the processes that hold them, from /proc: any user sees all sockets, but
//! only its own processes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;

use procfs::net::{TcpNetEntries, TcpNetEntry, TcpState};
use procfs::prelude::FromReadSI;
use procfs::process::{FDTarget, Process as Entry, all_processes};

/// A socket that listens or has an established connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelSocket {
    /// The local address and port.
    pub local: SocketAddr,
    /// The peer's address and port; `None`: it listens.
    pub peer: Option<SocketAddr>,
    /// Identifies the socket, see [`owners`].
    pub inode: u64,
}

/// A process, by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// Its command's name, up to 15 bytes.
    pub name: String,
}

/// The TCP sockets of the calling thread's network namespace. IPv4 connections of IPv6 sockets are listed
/// as IPv4.
///
/// # Errors
/// /proc is not mounted. A kernel without IPv6 is no error.
pub fn sockets() -> io::Result<Vec<KernelSocket>> {
    let table = |name: &str| {
        let entries =
            TcpNetEntries::from_file(format!("/proc/thread-self/net/{name}"), procfs::current_system_info());
        entries.map_err(io::Error::other)
    };
    let entries = table("tcp")?.0.into_iter().chain(table("tcp6").map(|table| table.0).unwrap_or_default());
    Ok(entries.filter_map(|entry| socket(&entry)).collect())
}

fn socket(entry: &TcpNetEntry) -> Option<KernelSocket> {
    let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let peer = match entry.state {
        TcpState::Listen => None,
        TcpState::Established | TcpState::CloseWait => Some(canonical(entry.remote_address)),
        _ => return None,
    };
    Some(KernelSocket { local: canonical(entry.local_address), peer, inode: entry.inode })
}

/// The process that has each of these sockets open, if this process may see it. Of several processes it
/// is the first one, which has started the others, but not process 1, which passes sockets on.
pub fn owners(inodes: &BTreeSet<u64>) -> BTreeMap<u64, Process> {
    let mut found: BTreeMap<u64, Process> = BTreeMap::new();
    if inodes.is_empty() {
        return found;
    }
    let mut processes: Vec<Entry> = all_processes().into_iter().flatten().flatten().collect();
    processes.sort_by_key(|process| (process.pid == 1, process.pid));
    for process in processes {
        for inode in sockets_of(&process).filter(|inode| inodes.contains(inode)) {
            let owner = || Process { pid: process.pid, name: name(&process) };
            found.entry(inode).or_insert_with(owner);
        }
    }
    found
}

fn sockets_of(process: &Entry) -> impl Iterator<Item = u64> {
    let fds = process.fd().into_iter().flatten().flatten();
    fds.filter_map(|fd| match fd.target {
        FDTarget::Socket(inode) => Some(inode),
        _ => None,
    })
}

fn name(process: &Entry) -> String {
    process.stat().map(|stat| stat.comm).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_and_both_ends_of_a_connection_are_found_with_their_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("bound");
        let client = TcpStream::connect(place).expect("it listens");
        let (server, _) = listener.accept().expect("a client");
        let found = sockets().expect("/proc");
        let ours = |local: SocketAddr, peer: Option<SocketAddr>| {
            found.iter().find(|socket| socket.local == local && socket.peer == peer).copied()
        };
        let near = client.local_addr().expect("connected");
        let three = [ours(place, None), ours(place, Some(near)), ours(near, Some(place))];
        let three = three.map(|socket| socket.expect("in the list").inode);
        let owners = owners(&three.into_iter().collect());
        assert_eq!(owners.len(), 3, "{owners:?}");
        assert!(owners.values().all(|owner| owner.pid == std::process::id() as i32), "{owners:?}");
        drop((server, client));
    }

    #[test]
    fn an_ipv4_connection_of_an_ipv6_socket_is_one_of_ipv4() {
        let listener = TcpListener::bind("[::]:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("both families");
        let _server = listener.accept().expect("a client");
        let near = client.local_addr().expect("connected");
        let found = sockets().expect("/proc");
        let local = SocketAddr::from(([127, 0, 0, 1], port));
        assert!(found.iter().any(|socket| socket.local == local && socket.peer == Some(near)), "{found:?}");
    }
}
