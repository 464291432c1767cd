//! What the scripts of the scenarios stand on: the lab, the relay in its middle, and the two ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::kernel::{Opening, abort};
use super::ours::{Ours, Puppet};
use super::relay::{Relay, Rule};
use super::{PATIENCE, Peer, TraceError, mac};
use crate::{
    BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, KERNEL_V6, Lab, SERVER_DEVICE,
    SERVER_MAC, Spec,
};
use handfast_stack::tcp::ConnectionHandler;
use handfast_stack::wire::{Flags, FlowKey4, FlowKey6, LinkHeader, PacketKey, Seq, TxSegment, write_segment};
use handfast_trace::{Direction, Record};

/// Who has which address in a family.
struct Addresses {
    kernel_client: IpAddr,
    our_client: IpAddr,
    kernel_server: IpAddr,
    our_server: IpAddr,
}

const V4: Addresses = Addresses {
    kernel_client: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)),
    our_client: IpAddr::V4(Ipv4Addr::new(10, 78, 0, 1)),
    kernel_server: IpAddr::V4(KERNEL_V4),
    our_server: IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1)),
};
const V6: Addresses = Addresses {
    kernel_client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 0, 1)),
    our_client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x78, 0, 0, 0, 0, 1)),
    kernel_server: IpAddr::V6(KERNEL_V6),
    our_server: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1)),
};
const CLIENT_PORT: u16 = 40_000;
pub(super) const SERVER_PORT: u16 = 80;
/// After the last segment that is expected: one that is not would come by then.
const AFTERWARDS: Duration = Duration::from_millis(80);

/// One scenario's stage.
pub(super) struct Play {
    pub relay: Relay,
    pub client: SocketAddr,
    pub server: SocketAddr,
    peer: Peer,
    // Last: everything above lives inside.
    lab: Lab,
}

impl Play {
    /// A lab whose bridge is [`Relay`].
    pub fn new(
        lab: &str,
        ipv6: bool,
        peer: Peer,
        server: Peer,
        rules: Vec<Rule>,
    ) -> Result<Play, TraceError> {
        let lab = Lab::up(&Spec { bridge: true, ipv6, ..Spec::new(lab) })?;
        let addresses = if ipv6 { V6 } else { V4 };
        let client = match peer {
            Peer::Kernel => addresses.kernel_client,
            Peer::Handfast => addresses.our_client,
        };
        let server = match server {
            Peer::Kernel => addresses.kernel_server,
            Peer::Handfast => addresses.our_server,
        };
        let (client, server) = (SocketAddr::new(client, CLIENT_PORT), SocketAddr::new(server, SERVER_PORT));
        let relay = take_wire(&lab, (client, server), rules)?;
        Ok(Play { relay, client, server, peer, lab })
    }

    /// Our engine as the server, on the scenario's port or beside it.
    pub fn serve(
        &self,
        port: u16,
        cookies: bool,
        service: impl Fn() -> Box<dyn ConnectionHandler> + Send + 'static,
    ) -> Result<Ours, TraceError> {
        let at = SocketAddr::new(self.server.ip(), port);
        self.lab.in_server(|| Ours::listen(SERVER_DEVICE, at, cookies, service))?
    }

    /// The kernel as the server: the connection that it accepts, when it is there.
    pub fn serve_kernel(&self) -> Result<std::net::TcpListener, TraceError> {
        Ok(self.lab.in_server(|| super::kernel::listen(self.server))??)
    }

    /// Our engine on the server's side, as the one who calls.
    pub fn calling_server(&self) -> Result<Puppet, TraceError> {
        self.lab.in_server(|| Puppet::ready(SERVER_DEVICE, self.server, mac(CLIENT_MAC)))?
    }

    /// The client, which has called and does not wait.
    pub fn call(&self) -> Result<Client, TraceError> {
        match self.peer {
            Peer::Kernel => {
                let opening = self.lab.in_client(|| Opening::start(self.client, self.server))??;
                Ok(Client::Opening(opening))
            }
            Peer::Handfast => {
                let at = self.client;
                let puppet = self.lab.in_client(|| Puppet::ready(CLIENT_DEVICE, at, mac(SERVER_MAC)))??;
                puppet.open(at, self.server);
                Ok(Client::Ours(Box::new(puppet)))
            }
        }
    }

    /// The client, ESTABLISHED, with both sides at rest.
    pub fn connect(&self) -> Result<Client, TraceError> {
        let client = self.call()?.opened()?;
        self.settled(3)?;
        Ok(client)
    }

    /// Waits until so many segments have arrived or are lost.
    pub fn settled(&self, segments: usize) -> Result<(), TraceError> {
        self.until("segment that was expected", |record| record.completed() >= segments)
    }

    pub fn until(&self, what: &'static str, done: impl Fn(&Record) -> bool) -> Result<(), TraceError> {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.relay.record()) {
            if Instant::now() > deadline {
                return Err(TraceError::Late { what });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// What happened, and nothing that comes when the ends are taken down.
    pub fn record(&self) -> Record {
        thread::sleep(AFTERWARDS);
        self.relay.record()
    }

    /// A RST that looks as if it came from the client, so far ahead of what it sends next.
    pub fn forge_reset(&self, ahead: u32) -> Result<(), TraceError> {
        let record = self.relay.record();
        let last = record.segments.iter().rfind(|(direction, _)| *direction == Direction::ToServer);
        let next = last.map_or(Seq(0), |(_, segment)| segment.seq + segment.seq_len());
        let emit = TxSegment { seq: next + ahead, flags: Flags::RST, ..TxSegment::default() };
        let (local_port, remote_port) = (self.client.port(), self.server.port());
        let frame = match (self.client.ip(), self.server.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let (local, remote) = (local.octets(), remote.octets());
                frame(&FlowKey4 { local, local_port, remote, remote_port }, &emit)
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                let (local, remote) = (local.octets(), remote.octets());
                frame(&FlowKey6 { local, local_port, remote, remote_port }, &emit)
            }
            // Both are of one family.
            _ => return Ok(()),
        };
        self.relay.inject(Direction::ToServer, frame);
        Ok(())
    }
}

/// A segment from the client's interface to the server's.
fn frame<K: PacketKey>(key: &K, emit: &TxSegment) -> Vec<u8> {
    let link = LinkHeader::untagged(mac(SERVER_MAC), mac(CLIENT_MAC), K::ETHERTYPE);
    let mut frame = link.as_bytes().to_vec();
    frame.resize(128, 0);
    let length = write_segment(&mut frame, link.as_bytes().len(), key, emit, &[]).unwrap_or_default();
    frame.truncate(length);
    frame
}

/// Takes the two ports out of the bridge, and puts the relay in its place.
fn take_wire(lab: &Lab, ends: (SocketAddr, SocketAddr), rules: Vec<Rule>) -> Result<Relay, TraceError> {
    let name = format!("hf-{}-bridge", lab.name());
    let bridge = lab.bridge().ok_or(crate::LabError::Absent { name })?;
    for port in [BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER] {
        bridge.run(&["ip", "link", "set", port, "nomaster"])?;
    }
    Ok(bridge.enter(|| Relay::start(ends, rules))??)
}

/// The end that opens.
pub(super) enum Client {
    Opening(Opening),
    Kernel(TcpStream),
    Ours(Box<Puppet>),
}

impl Client {
    /// Waits for ESTABLISHED.
    pub fn opened(self) -> Result<Client, TraceError> {
        let late = TraceError::Late { what: "connection" };
        match self {
            Client::Opening(opening) => Ok(Client::Kernel(opening.ends(PATIENCE).ok_or(late)?)),
            Client::Ours(puppet) => {
                let deadline = Instant::now() + PATIENCE;
                while !puppet.is_open() {
                    if Instant::now() > deadline {
                        return Err(late);
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(Client::Ours(puppet))
            }
            open => Ok(open),
        }
    }

    pub fn send(&mut self, data: &'static [u8]) -> Result<(), TraceError> {
        match self {
            Client::Kernel(stream) => std::io::Write::write_all(stream, data)?,
            Client::Ours(puppet) => puppet.send(data),
            Client::Opening(_) => {}
        }
        Ok(())
    }

    /// FIN; what comes may still be read.
    pub fn shutdown(&self) -> Result<(), TraceError> {
        match self {
            Client::Kernel(stream) => stream.shutdown(std::net::Shutdown::Write)?,
            Client::Ours(puppet) => puppet.shutdown(),
            Client::Opening(_) => {}
        }
        Ok(())
    }

    /// RST. What is returned keeps our engine alive until it is out.
    pub fn abort(self) -> Result<Option<Puppet>, TraceError> {
        match self {
            Client::Kernel(stream) => abort(stream)?,
            Client::Ours(puppet) => {
                puppet.abort();
                return Ok(Some(*puppet));
            }
            Client::Opening(_) => {}
        }
        Ok(None)
    }
}
