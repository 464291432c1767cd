//! SYNs answered by the eBPF program, and the clients that come of it: the Linux kernel's.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use handfast_lab::{CLIENT_DEVICE, Lab, Spec};
use handfast_stack::wire::{
    Flags, FlowKey4, Mac, Packet, ParseConfig, SegmentInfo, Seq, TxSegment, parse, write_segment,
};
use nix::ifaddrs::getifaddrs;
use nix::sys::signal::Signal;
use nix::sys::socket::sockopt::{RcvBuf, TcpMaxSeg};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrLike, SockaddrStorage, bind, connect,
    setsockopt, socket,
};
use support::{OWNED_V4, Responder, at, lab, owned, wait_until};

/// Those of a lab.
const CLIENT_MAC: Mac = [2, 0, 0, 0x12, 0, 1];
const SERVER_MAC: Mac = [2, 0, 0, 0x12, 0, 2];
const PORT: u16 = 7001;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A responder whose SYNs the program answers, in generic mode, over IPv4 and IPv6.
fn responder(lab: &Lab, more: &[&str]) -> Responder {
    let listeners = [false, true].map(|ipv6| owned(ipv6, &format!("{PORT}=echo")));
    let tier = ["--cookies", "always", "--cookie-tier", "ebpf", "--mode", "generic"];
    Responder::start(
        lab,
        &[&tier[..], &["--listen", &listeners[0], "--listen", &listeners[1]], more].concat(),
    )
}

/// Connects with this MSS and receive buffer, if any, and has some bytes echoed.
fn echoes(to: SocketAddr, mss: Option<u32>, buffer: Option<usize>, bytes: &[u8]) -> std::io::Result<()> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let fd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    if let Some(mss) = mss {
        setsockopt(&fd, TcpMaxSeg, &mss)?;
    }
    if let Some(buffer) = buffer {
        setsockopt(&fd, RcvBuf, &buffer)?;
    }
    connect(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
    echo(TcpStream::from(fd), bytes)
}

fn echo(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(bytes)?;
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, bytes);
    Ok(())
}

fn sysctl(lab: &Lab, setting: &str) {
    lab.client().run(&["sysctl", "-qw", setting]).expect("the parameter exists");
}

#[test]
fn clients_with_every_combination_of_options_are_served() {
    let Some(lab) = lab(|spec| Spec { ipv6: true, ..spec }) else { return };
    let responder = responder(&lab, &[]);
    let mut connections = 0;
    for options in 0..8u32 {
        let bit = |at: u32| options >> at & 1;
        sysctl(&lab, &format!("net.ipv4.tcp_timestamps={}", bit(0)));
        sysctl(&lab, &format!("net.ipv4.tcp_sack={}", bit(1)));
        sysctl(&lab, &format!("net.ipv4.tcp_window_scaling={}", bit(2)));
        // The largest buffer determines the shift: 0, 7, 14.
        for largest in [65_535u32, 8 << 20, 1 << 30] {
            sysctl(&lab, &format!("net.ipv4.tcp_rmem=4096 65535 {largest}"));
            for ipv6 in [false, true] {
                for (mss, buffer) in
                    [(None, None), (Some(100), None), (Some(536), Some(2304)), (Some(1400), None)]
                {
                    let run = || echoes(at(ipv6, PORT), mss, buffer, &[options as u8; 600]);
                    let outcome = lab.in_client(run).expect("the namespace");
                    outcome.unwrap_or_else(|error| panic!("{options:#b} {largest} {ipv6} {mss:?}: {error}"));
                    connections += 1;
                }
            }
        }
    }
    let summary = responder.stop();
    assert_eq!(summary.steering("tx_syn_ack"), connections, "{}", summary.text);
    assert_eq!(summary.total("established_by_cookie"), connections, "{}", summary.text);
    assert_eq!(summary.total("syns"), 0, "{}", summary.text);
}

/// A client by hand: not every kernel has VLANs.
#[test]
fn clients_behind_vlan_tags_are_served() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = responder(&lab, &[]);
    let flags = SockFlag::SOCK_CLOEXEC;
    let open = || socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
    let wire = lab.in_client(open).expect("the namespace").expect("root may open a packet socket");
    let device = || {
        let mut interfaces = getifaddrs().expect("the interfaces");
        let link = |one: &nix::ifaddrs::InterfaceAddress| {
            one.address.and_then(|address| address.family()) == Some(AddressFamily::Packet)
        };
        interfaces.find(|one| one.interface_name == CLIENT_DEVICE && link(one)).and_then(|one| one.address)
    };
    let device = lab.in_client(device).expect("the namespace").expect("the device");
    bind(wire.as_raw_fd(), &device).expect("it is bound");
    for (port, tags) in [(40_001, &[][..]), (40_002, &[0x8100_6007]), (40_003, &[0x88a8_0009, 0x8100_2007])] {
        let mut client = TaggedClient { wire: &wire, tags, port, seq: Seq(77), ack: Seq(0) };
        client.send(Flags::SYN, &[]);
        let (answer, _) = client.receive();
        assert_eq!((answer.flags, answer.ack), (Flags::SYN.with(Flags::ACK), Seq(78)), "{tags:x?}");
        (client.seq, client.ack) = (Seq(78), answer.seq + 1);
        client.send(Flags::ACK, &[]);
        client.send(Flags::ACK.with(Flags::PSH), b"tagged");
        let echoed = std::iter::from_fn(|| Some(client.receive())).find(|(_, payload)| !payload.is_empty());
        assert_eq!(echoed.expect("an echo").1, b"tagged", "{tags:x?}");
    }
    let summary = responder.stop();
    assert_eq!(summary.steering("tx_syn_ack"), 3, "{}", summary.text);
    assert_eq!(summary.total("established_by_cookie"), 3, "{}", summary.text);
}

struct TaggedClient<'a> {
    wire: &'a OwnedFd,
    tags: &'a [u32],
    port: u16,
    seq: Seq,
    ack: Seq,
}

impl TaggedClient<'_> {
    fn link_len(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    /// To the responder's own address, whose MAC is the lab's.
    fn key(&self) -> FlowKey4 {
        let IpAddr::V4(remote) = OWNED_V4 else { unreachable!("IPv4") };
        // Not the kernel's, which would answer with a RST.
        let local = [198, 18, 0, 200];
        FlowKey4 { remote: remote.octets(), local, remote_port: PORT, local_port: self.port }
    }

    fn send(&self, flags: Flags, payload: &[u8]) {
        let mut frame = [0; 200];
        frame[..6].copy_from_slice(&SERVER_MAC);
        frame[6..12].copy_from_slice(&CLIENT_MAC);
        for (place, tag) in self.tags.iter().enumerate() {
            frame[12 + 4 * place..][..4].copy_from_slice(&tag.to_be_bytes());
        }
        frame[self.link_len() - 2..][..2].copy_from_slice(&0x0800u16.to_be_bytes());
        let segment = TxSegment { seq: self.seq, ack: self.ack, flags, window: 1000, ..TxSegment::default() };
        let len = write_segment(&mut frame, self.link_len(), &self.key(), &segment, payload).expect("room");
        nix::unistd::write(self.wire, &frame[..len]).expect("it is sent");
    }

    /// The next segment from the responder, with the same tags.
    fn receive(&self) -> (SegmentInfo, Vec<u8>) {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            let mut frame = [0; 2048];
            let Ok(len) = nix::unistd::read(self.wire, &mut frame) else { continue };
            let config = ParseConfig { mac: Some(CLIENT_MAC), ..ParseConfig::default() };
            let Ok(Packet::Tcp4(segment)) = parse(&frame[..len], &config) else { continue };
            if segment.key.local_port == self.port {
                // The kernel takes the outer tag out of the frame.
                let inner = self.tags.get(1..).unwrap_or_default();
                let tags = frame[12..].as_chunks::<4>().0.iter().map(|tag| u32::from_be_bytes(*tag));
                assert_eq!(tags.take(inner.len()).collect::<Vec<_>>(), inner);
                assert_eq!(usize::from(segment.link_len), 14 + 4 * inner.len());
                return (segment.info, segment.payload(&frame[..len]).to_vec());
            }
        }
        panic!("no answer within {TIMEOUT:?}");
    }
}

/// The receive ring holds the ACKs and the data of a stopped process. The clients retransmit
/// the others, and each of these segments proves its sender anew.
#[test]
fn clients_that_connect_while_the_process_is_stopped_are_served_afterwards() {
    const CLIENTS: usize = 300;
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = responder(&lab, &["--ring", "256"]);
    // The client learns the MAC: ARP is answered by user space.
    let first = lab.in_client(|| echoes(at(false, PORT), None, None, b"before"));
    first.expect("the namespace").expect("an echo");
    responder.signal(Signal::SIGSTOP);
    let streams: Vec<TcpStream> = lab
        .in_client(|| {
            let open = |_| {
                let mut stream = TcpStream::connect_timeout(&at(false, PORT), TIMEOUT)?;
                stream.write_all(b"meanwhile")?;
                Ok(stream)
            };
            (0..CLIENTS).map(open).collect::<std::io::Result<_>>()
        })
        .expect("the namespace")
        .expect("every client connects");
    responder.signal(Signal::SIGCONT);
    for mut stream in streams {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        let mut back = [0; 9];
        stream.read_exact(&mut back).expect("an echo");
        assert_eq!(&back, b"meanwhile");
    }
    let summary = responder.stop();
    assert_eq!(summary.steering("tx_syn_ack"), CLIENTS as u64 + 1, "{}", summary.text);
    assert_eq!(summary.total("established_by_cookie"), CLIENTS as u64 + 1, "{}", summary.text);
    assert!(
        summary.text.contains("ring full") || summary.text.contains("fill ring empty"),
        "{}",
        summary.text
    );
}

/// As the stack refuses SYNs while it ends, so must the program.
#[test]
fn syns_are_refused_while_the_responder_ends() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = responder(&lab, &["--on-stop", "fin", "--on-stop-within", "5"]);
    let held = lab.in_client(|| TcpStream::connect_timeout(&at(false, PORT), TIMEOUT));
    let held = held.expect("the namespace").expect("a connection");
    responder.signal(Signal::SIGTERM);
    // The peer of the held connection does not close it, so the responder waits.
    let refused = || {
        lab.in_client(|| TcpStream::connect_timeout(&at(false, PORT), TIMEOUT))
            .expect("the namespace")
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    wait_until("a refusal", refused);
    drop(held);
    responder.ended();
}
