//! The environment of a scenario: the lab, the relay in its middle, and the two ends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::engine_end::{EngineEnd, ScriptedClient};
use super::kernel::{KernelClient, abort};
use super::relay::{Relay, Rule};
use super::{Peer, TIMEOUT, TraceError, mac};
use crate::{
    BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, KERNEL_V6, Lab, SERVER_DEVICE,
    SERVER_MAC, Spec,
};
use handfast_stack::tcp::ConnectionHandler;
use handfast_stack::wire::{Flags, FlowKey4, FlowKey6, LinkHeader, PacketKey, Seq, TxSegment, write_segment};
use handfast_trace::{Direction, Record};

/// The addresses of one family.
struct Addresses {
    kernel_client: IpAddr,
    engine_client: IpAddr,
    kernel_server: IpAddr,
    engine_server: IpAddr,
}

const V4: Addresses = Addresses {
    kernel_client: IpAddr::V4(Ipv4Addr::new(198, 18, 0, 1)),
    engine_client: IpAddr::V4(Ipv4Addr::new(10, 78, 0, 1)),
    kernel_server: IpAddr::V4(KERNEL_V4),
    engine_server: IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1)),
};
const V6: Addresses = Addresses {
    kernel_client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 0, 1)),
    engine_client: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x78, 0, 0, 0, 0, 1)),
    kernel_server: IpAddr::V6(KERNEL_V6),
    engine_server: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1)),
};
const CLIENT_PORT: u16 = 40_000;
pub(super) const SERVER_PORT: u16 = 80;
/// Wait after the last expected segment, for unexpected ones.
const QUIET_PERIOD: Duration = Duration::from_millis(80);

/// A scenario being played.
pub(super) struct Play {
    pub relay: Relay,
    pub client: SocketAddr,
    pub server: SocketAddr,
    peer: Peer,
    // Dropped last: everything above runs inside.
    lab: Lab,
}

impl Play {
    /// Creates a lab with a [`Relay`] as its bridge.
    pub(super) fn new(
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
            Peer::Handfast => addresses.engine_client,
        };
        let server = match server {
            Peer::Kernel => addresses.kernel_server,
            Peer::Handfast => addresses.engine_server,
        };
        let (client, server) = (SocketAddr::new(client, CLIENT_PORT), SocketAddr::new(server, SERVER_PORT));
        let relay = start_relay(&lab, (client, server), rules)?;
        Ok(Play { relay, client, server, peer, lab })
    }

    /// Starts the engine as the server, on the scenario's port or another.
    pub(super) fn serve(
        &self,
        port: u16,
        cookies: bool,
        service: impl Fn() -> Box<dyn ConnectionHandler> + Send + 'static,
    ) -> Result<EngineEnd, TraceError> {
        let at = SocketAddr::new(self.server.ip(), port);
        self.lab.in_server(|| EngineEnd::listen(SERVER_DEVICE, at, cookies, service))?
    }

    /// Starts the kernel as the server.
    pub(super) fn serve_kernel(&self) -> Result<std::net::TcpListener, TraceError> {
        Ok(self.lab.in_server(|| super::kernel::listen(self.server))??)
    }

    /// Starts the engine on the server's side, as an opener.
    pub(super) fn opening_server(&self) -> Result<ScriptedClient, TraceError> {
        self.lab.in_server(|| ScriptedClient::ready(SERVER_DEVICE, self.server, mac(CLIENT_MAC)))?
    }

    /// Starts the client's connection attempt.
    pub(super) fn open(&self) -> Result<Client, TraceError> {
        match self.peer {
            Peer::Kernel => {
                let opening = self.lab.in_client(|| KernelClient::start(self.client, self.server))??;
                Ok(Client::Connecting(opening))
            }
            Peer::Handfast => {
                let at = self.client;
                let client =
                    self.lab.in_client(|| ScriptedClient::ready(CLIENT_DEVICE, at, mac(SERVER_MAC)))??;
                client.open(at, self.server);
                Ok(Client::Engine(Box::new(client)))
            }
        }
    }

    /// Connects the client, and waits for the whole handshake.
    pub(super) fn connect(&self) -> Result<Client, TraceError> {
        let client = self.open()?.opened()?;
        self.await_segments(3)?;
        Ok(client)
    }

    /// Waits until this number of segments is received or lost.
    pub(super) fn await_segments(&self, segments: usize) -> Result<(), TraceError> {
        self.until("expected segment", |record| record.completed() >= segments)
    }

    pub(super) fn until(&self, what: &'static str, done: impl Fn(&Record) -> bool) -> Result<(), TraceError> {
        let deadline = Instant::now() + TIMEOUT;
        while !done(&self.relay.record()) {
            if Instant::now() > deadline {
                return Err(TraceError::Late { what });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Returns the record up to now, after a quiet period.
    pub(super) fn record(&self) -> Record {
        thread::sleep(QUIET_PERIOD);
        self.relay.record()
    }

    /// Injects a RST with the client's addresses, this far after its next sequence number.
    pub(super) fn forge_reset(&self, ahead: u32) -> Result<(), TraceError> {
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
            // Both have the same family.
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

/// Replaces the bridge by the relay.
fn start_relay(lab: &Lab, ends: (SocketAddr, SocketAddr), rules: Vec<Rule>) -> Result<Relay, TraceError> {
    let name = format!("hf-{}-bridge", lab.name());
    let bridge = lab.bridge().ok_or(crate::LabError::Absent { name })?;
    for port in [BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER] {
        bridge.run(&["ip", "link", "set", port, "nomaster"])?;
    }
    Ok(bridge.enter(|| Relay::start(ends, rules))??)
}

/// The opening end.
pub(super) enum Client {
    Connecting(KernelClient),
    Connected(TcpStream),
    Engine(Box<ScriptedClient>),
}

impl Client {
    /// Waits for ESTABLISHED.
    pub(super) fn opened(self) -> Result<Client, TraceError> {
        let late = TraceError::Late { what: "connection" };
        match self {
            Client::Connecting(opening) => Ok(Client::Connected(opening.connected(TIMEOUT).ok_or(late)?)),
            Client::Engine(client) => {
                let deadline = Instant::now() + TIMEOUT;
                while !client.is_open() {
                    if Instant::now() > deadline {
                        return Err(late);
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(Client::Engine(client))
            }
            open => Ok(open),
        }
    }

    pub(super) fn send(&mut self, data: &'static [u8]) -> Result<(), TraceError> {
        match self {
            Client::Connected(stream) => std::io::Write::write_all(stream, data)?,
            Client::Engine(client) => client.send(data),
            Client::Connecting(_) => {}
        }
        Ok(())
    }

    /// Sends a FIN; the peer may still send data.
    pub(super) fn shutdown(&self) -> Result<(), TraceError> {
        match self {
            Client::Connected(stream) => stream.shutdown(std::net::Shutdown::Write)?,
            Client::Engine(client) => client.shutdown(),
            Client::Connecting(_) => {}
        }
        Ok(())
    }

    /// Sends a RST. The returned engine must live until then.
    pub(super) fn abort(self) -> Result<Option<ScriptedClient>, TraceError> {
        match self {
            Client::Connected(stream) => abort(stream)?,
            Client::Engine(client) => {
                client.abort();
                return Ok(Some(*client));
            }
            Client::Connecting(_) => {}
        }
        Ok(None)
    }
}
