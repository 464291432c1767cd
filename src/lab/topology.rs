use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::addressing::addressing;
use super::namespace::run;
use super::spec::{
    BRIDGE_DEVICE, BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, SERVER_DEVICE, SERVER_MAC,
    Spec, check_name,
};
use super::{LabError, Namespace, link_program, links, sysctl};

/// Timeout for processes inside to end at removal, before they are killed, and for the carrier.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Suffixes of the namespaces' names.
const SUFFIXES: [&str; 3] = ["-client", "-server", "-bridge"];

/// Two namespaces joined by a veth pair, or by two and a bridge. Dropping it removes them, unless [`Lab::keep`] was
/// called.
#[derive(Debug)]
pub struct Lab {
    name: String,
    client: Namespace,
    server: Namespace,
    bridge: Namespace,
    removes: bool,
}

impl Lab {
    /// Creates the lab, after removal of an earlier one of the same name.
    ///
    /// # Errors
    /// Not root, `ip` or `ethtool` missing, or a call of them failed; nothing is left then.
    pub fn up(spec: &Spec) -> Result<Lab, LabError> {
        spec.check()?;
        Lab::down(&spec.name)?;
        let mut lab = Lab::at(&spec.name);
        lab.removes = true;
        lab.client.add(&spec.mark())?;
        lab.server.add(&spec.mark())?;
        lab.join(spec)?;
        if spec.bridge {
            lab.configure_bridge(spec)?;
        }
        lab.configure(&lab.client, CLIENT_DEVICE, spec, sysctl::CLIENT)?;
        lab.configure(&lab.server, SERVER_DEVICE, spec, sysctl::SERVER)?;
        lab.await_carrier();
        if spec.needs_link_program() {
            lab.client.enter(|| link_program::attach_client(CLIENT_DEVICE, spec))??;
        }
        Ok(lab)
    }

    /// Opens an existing lab. Dropping this value does not remove it.
    pub fn open(name: &str) -> Result<Lab, LabError> {
        check_name(name)?;
        let lab = Lab::at(name);
        match lab.client.exists() && lab.server.exists() {
            true => Ok(lab),
            false => Err(LabError::Absent { name: name.into() }),
        }
    }

    /// Removes the lab of that name, complete or not, and ends the processes inside. Does nothing if there is none.
    pub fn down(name: &str) -> Result<Removed, LabError> {
        check_name(name)?;
        if !geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        let lab = Lab::at(name);
        let mut removed = Removed::default();
        let (beside_client, beside_server) = match lab.bridge.exists() {
            true => (BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER),
            false => (SERVER_DEVICE, CLIENT_DEVICE),
        };
        let ends = [
            (&lab.client, CLIENT_DEVICE, beside_client),
            (&lab.server, SERVER_DEVICE, beside_server),
            (&lab.bridge, BRIDGE_DEVICE, ""),
        ];
        let there: Vec<_> = ends.into_iter().filter(|(namespace, ..)| namespace.exists()).collect();
        // Processes first: one that loses its interface would report a failure.
        removed.processes =
            end_processes(&there.iter().map(|(namespace, ..)| *namespace).collect::<Vec<_>>());
        for (namespace, device, peer) in there {
            // Then the link: a namespace outlives its name while a process is inside. The peer is deleted with it,
            // so only the first of the two exists here.
            let deleted = run("ip", &["-n", namespace.name(), "link", "delete", device]).is_ok();
            if deleted && !peer.is_empty() {
                removed.links.push(format!("{device} = {peer}"));
            }
            namespace.delete()?;
            removed.namespaces.push(namespace.name().to_string());
        }
        Ok(removed)
    }

    /// Returns the names of all labs on this host, complete or not.
    pub fn all() -> Vec<String> {
        let named = |namespace: &str| {
            let name = namespace.strip_prefix("hf-")?;
            let name = SUFFIXES.iter().find_map(|end| name.strip_suffix(end))?;
            check_name(name).is_ok().then(|| name.to_owned())
        };
        let names: BTreeSet<String> =
            Namespace::all().iter().filter_map(|namespace| named(namespace)).collect();
        names.into_iter().filter(|name| links::is_marked(name, &Lab::at(name).namespaces())).collect()
    }

    /// Removes this lab. Returns what was removed.
    pub fn remove(mut self) -> Result<Removed, LabError> {
        self.removes = false;
        Lab::down(&self.name)
    }

    /// Keeps the lab when this value is dropped.
    pub fn keep(mut self) {
        self.removes = false;
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespaces of client and server, and the bridge's if it exists.
    pub(super) fn namespaces(&self) -> Vec<&Namespace> {
        [&self.client, &self.server].into_iter().chain(self.bridge()).collect()
    }

    pub fn client(&self) -> &Namespace {
        &self.client
    }

    pub fn server(&self) -> &Namespace {
        &self.server
    }

    /// The namespace of the bridge, with [`BRIDGE_DEVICE`] and its two ports. `None`: no [`Spec::bridge`].
    pub fn bridge(&self) -> Option<&Namespace> {
        Some(&self.bridge).filter(|bridge| bridge.exists())
    }

    /// Calls `work` in a thread inside the client's namespace: see [`Namespace::enter`].
    pub fn in_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        self.client.enter(work)
    }

    /// Calls `work` in a thread inside the server's namespace: see [`Namespace::enter`].
    pub fn in_server<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        self.server.enter(work)
    }

    /// Makes the server's kernel use this tag, so that it can replace the responder in a lab with [`Spec::vlan`]. The
    /// responder does not need it.
    pub fn tag_server(&self, vlan: u16) -> Result<(), LabError> {
        self.server.enter(|| link_program::attach_server(SERVER_DEVICE, vlan))?
    }

    /// Switches NAPI of the client's end on or off, by its GRO. In native mode frames that an eBPF program of
    /// the server's end sends arrive only with it; an XDP program on the client's end has the same effect,
    /// but may be attached too late for a responder that insists on it.
    pub fn set_client_napi(&self, on: bool) -> Result<(), LabError> {
        let state = if on { "on" } else { "off" };
        self.client.run(&["ethtool", "-K", CLIENT_DEVICE, "gro", state]).map(drop)
    }

    pub(super) fn at(name: &str) -> Lab {
        Lab {
            name: name.into(),
            client: Namespace::named(format!("hf-{name}{}", SUFFIXES[0])),
            server: Namespace::named(format!("hf-{name}{}", SUFFIXES[1])),
            bridge: Namespace::named(format!("hf-{name}{}", SUFFIXES[2])),
            removes: false,
        }
    }

    fn join(&self, spec: &Spec) -> Result<(), LabError> {
        let (client, server) = (self.client.name(), self.server.name());
        let client = ["link", "add", CLIENT_DEVICE, "netns", client, "address", CLIENT_MAC];
        let server = ["name", SERVER_DEVICE, "netns", server, "address", SERVER_MAC];
        if !spec.bridge {
            return pair(&client, &server, spec.queues);
        }
        self.bridge.add(&spec.mark())?;
        let bridge = self.bridge.name();
        pair(&client, &["name", BRIDGE_TO_CLIENT, "netns", bridge], spec.queues)?;
        pair(&["link", "add", BRIDGE_TO_SERVER, "netns", bridge], &server, spec.queues)
    }

    /// The bridge sends no frames of its own: no spanning tree, no multicast, no addresses.
    fn configure_bridge(&self, spec: &Spec) -> Result<(), LabError> {
        self.bridge.enter(|| sysctl::apply(sysctl::WITHOUT_IPV6))??;
        let mark = spec.mark();
        let mut lines = format!(
            "link add {BRIDGE_DEVICE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
             link set {BRIDGE_DEVICE} up alias {mark}\n"
        );
        for port in [BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER] {
            offloads_off(&self.bridge, port)?;
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "link set {port} master {BRIDGE_DEVICE} up alias {mark}");
        }
        self.bridge.ip_batch(&lines)
    }

    /// Waits until both ends are up. If the wait times out, the first connection will fail.
    fn await_carrier(&self) {
        let up = |namespace: &Namespace, device| {
            run("ip", &["-n", namespace.name(), "-br", "link", "show", device])
                .is_ok_and(|line| line.contains(" UP "))
        };
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline
            && !(up(&self.client, CLIENT_DEVICE) && up(&self.server, SERVER_DEVICE))
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn configure(
        &self,
        namespace: &Namespace,
        device: &str,
        spec: &Spec,
        settings: &[(&'static str, &'static str)],
    ) -> Result<(), LabError> {
        let family = if spec.ipv6 { sysctl::WITH_IPV6 } else { sysctl::WITHOUT_IPV6 };
        namespace.enter(|| sysctl::apply(family).and_then(|()| sysctl::apply(settings)))??;
        offloads_off(namespace, device)?;
        if spec.queues > 1 {
            let queues = spec.queues.to_string();
            // ethtool fails if the value is already set.
            let _ = namespace.run(&["ethtool", "-L", device, "rx", &queues, "tx", &queues]);
        }
        namespace.ip_batch(&addressing(device, spec))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.removes {
            // A failure cannot be handled here; the next `up` tries again.
            let _ = Lab::down(&self.name);
        }
    }
}

/// What [`Lab::down`] removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub links: Vec<String>,
    pub namespaces: Vec<String>,
    /// Processes that were inside: id and name.
    pub processes: Vec<(i32, String)>,
}

impl Removed {
    pub fn is_empty(&self) -> bool {
        *self == Removed::default()
    }
}

impl fmt::Display for Removed {
    /// One line for each thing removed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing to remove");
        }
        let mut lines: Vec<String> =
            self.processes.iter().map(|(pid, name)| format!("ended process      {pid} ({name})")).collect();
        lines.extend(self.links.iter().map(|link| format!("removed veth pair  {link}")));
        lines.extend(self.namespaces.iter().map(|name| format!("removed namespace  {name}")));
        f.write_str(&lines.join("\n"))
    }
}

/// Creates a veth pair with the options of both ends.
fn pair(one: &[&str], other: &[&str], queues: u32) -> Result<(), LabError> {
    let queues = queues.to_string();
    let queues = ["numrxqueues", queues.as_str(), "numtxqueues", queues.as_str()];
    run("ip", &[one, &queues, &["type", "veth", "peer"], other, &queues].concat()).map(drop)
}

/// Disables offloads, so that a kernel peer sends complete checksums, no larger frames, and VLAN tags in the frame.
fn offloads_off(namespace: &Namespace, device: &str) -> Result<(), LabError> {
    let mut command = vec!["ethtool", "-K", device];
    for offload in ["tx", "rx", "gro", "gso", "tso", "txvlan", "rxvlan"] {
        command.extend([offload, "off"]);
    }
    namespace.run(&command).map(drop)
}

/// Terminates every process inside, except this one, and kills those that do not end.
fn end_processes(namespaces: &[&Namespace]) -> Vec<(i32, String)> {
    let own = Pid::this().as_raw();
    let inside = || -> Vec<(i32, String)> {
        let all = namespaces.iter().flat_map(|namespace| namespace.processes());
        all.filter(|(pid, _)| *pid != own).collect()
    };
    let found = inside();
    let signal_all = |processes: &[(i32, String)], signal| {
        for (pid, _) in processes {
            // Fails if it has already ended.
            let _ = kill(Pid::from_raw(*pid), signal);
        }
    };
    signal_all(&found, Signal::SIGTERM);
    let deadline = Instant::now() + TIMEOUT;
    while !inside().is_empty() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    signal_all(&inside(), Signal::SIGKILL);
    found
}
