//! What the scripts of the scenarios stand on: the lab, the relay in its middle, and the two ends.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::kernel::{Opening, abort};
use super::ours::{Ours, Puppet};
use super::relay::{Relay, Rule};
use super::{PATIENCE, Peer, TraceError, mac};
use crate::lab::{
    BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, Lab, SERVER_DEVICE, SERVER_MAC,
    Spec,
};
use crate::tcp::User;
use crate::trace::{Direction, Record};
use crate::wire::{Emit, Flags, FlowKey4, LinkHeader, PacketKey, Seq, write_segment};

/// The kernel's client, ours, and our server; the kernel's server is at [`KERNEL_V4`].
const KERNEL_CLIENT: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const OUR_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
const OUR_SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);
const CLIENT_PORT: u16 = 40_000;
pub(super) const SERVER_PORT: u16 = 80;
/// After the last segment that is expected: one that is not would come by then.
const AFTERWARDS: Duration = Duration::from_millis(80);

/// One scenario's stage.
pub(super) struct Play {
    pub relay: Relay,
    pub client: SocketAddrV4,
    pub server: SocketAddrV4,
    peer: Peer,
    // Last: everything above lives inside.
    lab: Lab,
}

impl Play {
    /// A lab whose bridge is [`Relay`].
    pub fn new(lab: &str, peer: Peer, server: Peer, rules: Vec<Rule>) -> Result<Play, TraceError> {
        let lab = Lab::up(&Spec { bridge: true, ..Spec::new(lab) })?;
        let client = match peer {
            Peer::Kernel => KERNEL_CLIENT,
            Peer::Handfast => OUR_CLIENT,
        };
        let server = match server {
            Peer::Kernel => KERNEL_V4,
            Peer::Handfast => OUR_SERVER,
        };
        let (client, server) =
            (SocketAddrV4::new(client, CLIENT_PORT), SocketAddrV4::new(server, SERVER_PORT));
        let relay = take_wire(&lab, (client.into(), server.into()), rules)?;
        Ok(Play { relay, client, server, peer, lab })
    }

    /// Our engine as the server, on the scenario's port or beside it.
    pub fn serve(
        &self,
        port: u16,
        cookies: bool,
        service: impl Fn() -> Box<dyn User> + Send + 'static,
    ) -> Result<Ours, TraceError> {
        let at = SocketAddr::from((*self.server.ip(), port));
        self.lab.in_server(|| Ours::listen(SERVER_DEVICE, at, cookies, service))?
    }

    /// The kernel as the server: the connection that it accepts, when it is there.
    pub fn serve_kernel(&self) -> Result<std::net::TcpListener, TraceError> {
        Ok(self.lab.in_server(|| super::kernel::listen(self.server.into()))??)
    }

    /// Our engine on the server's side, as the one who calls.
    pub fn calling_server(&self) -> Result<Puppet, TraceError> {
        let at = SocketAddr::from(self.server);
        self.lab.in_server(|| Puppet::ready(SERVER_DEVICE, at, mac(CLIENT_MAC)))?
    }

    /// The client, which has called and does not wait.
    pub fn call(&self) -> Result<Client, TraceError> {
        match self.peer {
            Peer::Kernel => {
                let opening = self.lab.in_client(|| Opening::start(self.client, self.server))??;
                Ok(Client::Opening(opening))
            }
            Peer::Handfast => {
                let at = SocketAddr::from(self.client);
                let puppet = self.lab.in_client(|| Puppet::ready(CLIENT_DEVICE, at, mac(SERVER_MAC)))??;
                puppet.open(at, self.server.into());
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
        self.until("segment that was expected", |record| record.settled() >= segments)
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
        let key = FlowKey4 {
            local: self.client.ip().octets(),
            local_port: self.client.port(),
            remote: self.server.ip().octets(),
            remote_port: self.server.port(),
        };
        let link = LinkHeader::untagged(mac(SERVER_MAC), mac(CLIENT_MAC), FlowKey4::ETHERTYPE);
        let mut frame = link.as_bytes().to_vec();
        frame.resize(128, 0);
        let emit = Emit { seq: next + ahead, flags: Flags::RST, ..Emit::default() };
        let length = write_segment(&mut frame, link.as_bytes().len(), &key, &emit, &[]).unwrap_or_default();
        frame.truncate(length);
        self.relay.inject(Direction::ToServer, frame);
        Ok(())
    }
}

/// Takes the two ports out of the bridge, and puts the relay in its place.
fn take_wire(lab: &Lab, ends: (SocketAddr, SocketAddr), rules: Vec<Rule>) -> Result<Relay, TraceError> {
    let name = format!("hf-{}-bridge", lab.name());
    let bridge = lab.bridge().ok_or(crate::lab::LabError::Absent { name })?;
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
